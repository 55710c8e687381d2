"""What may be shown of either side's values: the one way of a value into a view.

Of a Secret only lengths are shown. Whatever else holds a value of a Secret, or looks like a
credential, is masked in its place. What SOPS has encrypted is not spelled out, and neither is the
live value beside it, which may be what it decrypts to. Format: SOPS writes
`ENC[AES256_GCM,data:…,type:str]` in place of a value, and its own metadata under `sops`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from trueup.domain.attribution import Attribution
from trueup.domain.diff import Change
from trueup.domain.diffview.model import spelled
from trueup.domain.fieldpath import ABSENT, Path, find, show
from trueup.domain.printable import printable
from trueup.domain.redact import MASK, NESTING_MAX, Redactor, is_secret, mask
from trueup.domain.resource import Body, ResourceKey

ENCRYPTED = "(encrypted by SOPS)"
SOPS_METADATA = "(metadata of SOPS)"
#: The parts of a Secret that say nothing of its values.
SECRET_SHOWS = frozenset({"apiVersion", "kind", "metadata", "type", "immutable"})
#: What names an object is readable even where a Secret holds the same word.
_IDENTITY: frozenset[Path] = frozenset({("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace")})

_SOPS_BEGINNING = "ENC[AES256_GCM,"
_SOPS_VALUE = re.compile(re.escape(_SOPS_BEGINNING) + r"[^\]]*\]?")
#: Its length is a multiple of three, so that whatever follows is encoded apart.
_SOPS_IN_BASE64 = base64.b64encode(_SOPS_BEGINNING.encode()).decode()


class Texts:
    """Both sides of one object. `git` is what is wanted, a Secret's `stringData` folded into its `data`."""

    def __init__(self, key: ResourceKey, git: Body | None, live: Body | None, redactor: Redactor) -> None:
        self._redactor = redactor
        self._is_secret = is_secret({"apiVersion": f"{key.group}/v1" if key.group else "v1", "kind": key.kind})
        self._git: Body = {}
        self._live: Body = {}
        if self._is_secret:
            self._live, self._git = _secret_pair(git, live, redactor)

    def is_masked(self, path: Path) -> bool:
        """Whether nothing is shown here but that something is."""
        return self._is_secret and bool(path) and path[0] not in SECRET_SHOWS

    def name(self, name: str, path: Path) -> str:
        """The name of a field."""
        return name if self.is_masked(path) else self._redactor.text(name)

    def place(self, path: Path) -> str:
        """The path as people read it."""
        if self.is_masked(path):
            path = path[:2]
        return printable(show(path) if path in _IDENTITY else self._redactor.text(show(path)))

    def attribution(self, who: Attribution) -> Attribution:
        """Names that programs give themselves, as text like any other."""
        return spelled(who, self._said)

    def value(self, value: Any, path: Path, *, of_git: bool) -> Any:
        """A value that only one side has, or that both have alike."""
        if _is_sops_metadata(path) and (len(path) > 1 or isinstance(value, Mapping)):
            return SOPS_METADATA
        if self.is_masked(path):
            return self._in_secret(value, path, of_git=of_git)
        return value if path in _IDENTITY else self._shown(value, len(path))

    def hides(self, change: Change) -> bool:
        """Whether of the two values of a change nothing is shown but that they differ."""
        if self.is_masked(change.path) or _is_sops_metadata(change.path):
            return True
        return any(_is_encrypted(side) for side in (change.live, change.desired))

    def pair(self, change: Change) -> tuple[Any, Any]:
        """What live holds and what Git says, where the two differ."""
        path = change.path
        if self.hides(change) and not self.is_masked(path) and not _is_sops_metadata(path):
            return self._hidden(change.live, len(path)), self._hidden(change.desired, len(path))
        return self.value(change.live, path, of_git=False), self.value(change.desired, path, of_git=True)

    def _said(self, text: str) -> str:
        return printable(self._redactor.text(text))

    def _shown(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return ENCRYPTED if _SOPS_VALUE.fullmatch(value) else self._redactor.text(_SOPS_VALUE.sub(ENCRYPTED, value))
        if depth > NESTING_MAX:
            return MASK
        if isinstance(value, Mapping):
            return {self._redactor.text(name): self._shown(below, depth + 1) for name, below in value.items()}
        return [self._shown(below, depth + 1) for below in value] if isinstance(value, list) else value

    def _in_secret(self, value: Any, path: Path, *, of_git: bool) -> Any:
        if isinstance(value, str) and value.startswith((_SOPS_BEGINNING, _SOPS_IN_BASE64)):
            return ENCRYPTED
        found = find(self._git if of_git else self._live, path[:2])
        return MASK if found is ABSENT else found

    def _hidden(self, value: Any, depth: int) -> Any:
        """The value with its names and no more: every text in it may be a secret."""
        if isinstance(value, Mapping) and depth < NESTING_MAX:
            return {self._redactor.text(name): self._hidden(below, depth + 1) for name, below in value.items()}
        if isinstance(value, list) and depth < NESTING_MAX:
            return [self._hidden(below, depth + 1) for below in value]
        if value is None or isinstance(value, bool):
            return value
        return ENCRYPTED if _is_encrypted(value) else mask(_plain(value).encode("utf-8", "surrogatepass"))


def _is_sops_metadata(path: Path) -> bool:
    return path[:1] == ("sops",)


def hidden_difference(change: Change) -> str:
    """What is said of two values that differ only in what is masked."""
    sizes = [len(value.encode("utf-8", "surrogatepass")) for value in (_plain(change.live), _plain(change.desired))]
    return f"differs in what is masked, {sizes[0]} → {sizes[1]} bytes"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _secret_pair(git: Body | None, live: Body | None, redactor: Redactor) -> tuple[Body, Body]:
    named = {"apiVersion": "v1", "kind": "Secret"}
    if git is None or live is None:
        shown = redactor.body({**(live or git or {}), **named})
        return shown, shown
    return redactor.pair({**live, **named}, {**git, **named})


def _strings(value: Any) -> Iterator[str]:
    pending = [value]
    while pending:
        found = pending.pop()
        if isinstance(found, str):
            yield found
        elif isinstance(found, Mapping):
            pending.extend(found.values())
        elif isinstance(found, list):
            pending.extend(found)


def _is_encrypted(value: Any) -> bool:
    return any(_SOPS_VALUE.search(text) for text in _strings(value))
