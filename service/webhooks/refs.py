"""What hosts say of a ref, made one: full names, object names, and what became of it."""

from __future__ import annotations

import re

from .event import Move, RefChange

#: A SHA-1 or SHA-256 object name; all zeros where a ref begins or ends.
OBJECT_NAME = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
BRANCHES = "refs/heads/"
TAGS = "refs/tags/"


def change(
    ref: str, before: str = "", after: str = "", *, created: bool = False, forced: bool = False, deleted: bool = False
) -> RefChange:
    """A change of `ref`, given in full; an object name of zeros says that it began or ended."""
    if deleted or _is_zero(after):
        move = Move.DELETED
    elif created or _is_zero(before):
        move = Move.CREATED
    else:
        move = Move.FORCED if forced else Move.MOVED
    return RefChange(ref, _object_name(before), _object_name(after), move)


def full_name(name: str, kind: str) -> str:
    """The ref `name` of a kind as hosts call it, `branch` or `tag` or a longer word with one of them in it."""
    if name.startswith("refs/"):
        return name
    return f"{TAGS if 'tag' in kind.lower() else BRANCHES}{name}"


def _is_zero(name: str) -> bool:
    return bool(name) and not name.strip("0")


def _object_name(name: str) -> str:
    return name if OBJECT_NAME.match(name) and not _is_zero(name) else ""
