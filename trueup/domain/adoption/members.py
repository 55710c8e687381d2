"""Finding in a file what a path into a rendered object means: members of lists by their keys, defaults left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueup.domain.fieldpath import ABSENT, Item, Member, Path, Segment
from trueup.domain.listkeys import KEY_DEFAULTS


def selects(selector: Item, member: Any) -> bool:
    """Whether the member is the one; a key that the file leaves out has its default, or is not asked about."""
    if not isinstance(member, Mapping):
        return False
    stated = [(member.get(name, KEY_DEFAULTS.get(name)), value) for name, value in selector.keys]
    known = [(said, value) for said, value in stated if said is not None]
    return bool(known) and all(said == value for said, value in known)


def index_of(members: Any, segment: Segment) -> int | None:
    """Where the member is that this step of a path means; None where it is not, or where two might be meant."""
    if not isinstance(members, list) or isinstance(segment, str):
        return None
    if isinstance(segment, int):
        return segment if segment < len(members) else None
    if isinstance(segment, Member):
        return next((index for index, member in enumerate(members) if member == segment.value), None)
    found = [index for index, member in enumerate(members) if selects(segment, member)]
    return found[0] if len(found) == 1 else None


def stated_at(body: Any, path: Path) -> Any:
    """What the file says at the place, or ABSENT."""
    value = body
    for segment in path:
        if isinstance(segment, str):
            value = value.get(segment, ABSENT) if isinstance(value, Mapping) else ABSENT
        else:
            index = index_of(value, segment)
            value = ABSENT if index is None else value[index]
        if value is ABSENT:
            break
    return value
