"""Single fields of something that the file lacks as a whole, put together to what a person would write there.

Who adds a probe by hand owns its path, its port and more, each on its own; some of it cannot be taken away alone, and
so is no difference on its own. The file gets all of it that the same hands wrote.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from trueup.domain.adoption.members import stated_at
from trueup.domain.diff import Change
from trueup.domain.fieldpath import ABSENT, Path, Pointers
from trueup.domain.managedfields import Cursor, Cursors, FieldOwner
from trueup.domain.normalize import TEXT_MAPS
from trueup.domain.resource import Body


def widened(changes: Iterable[Change], stated: Body, live: Body) -> tuple[Change, ...]:
    """The changes, those that are extra within a mapping that Git does not state at all made one for that mapping."""
    found: dict[Path, Change] = {}
    tops: dict[Path, set[FieldOwner]] = {}
    for change in changes:
        top = _top(change, stated)
        tops.setdefault(top, set()).update(change.owners)
        found.setdefault(top, change if top == change.path else replace(change, path=top))
    places, cursors = Pointers(live), Cursors(live)
    return tuple(_whole(change, tops[path], places, cursors) for path, change in found.items())


def _top(change: Change, stated: Body) -> Path:
    """The outermost mapping on the way that Git does not state; the place itself where there is none."""
    if change.kind != "extra":
        return change.path
    for length in range(1, len(change.path)):
        place = change.path[:length]
        # Where any name may stand, what others put beside it is none of this.
        is_structure = place[-1] not in TEXT_MAPS and all(isinstance(step, str) for step in change.path[length - 1 :])
        if is_structure and stated_at(stated, place) in (ABSENT, None):
            return place
    return change.path


def _whole(change: Change, owners: Collection[FieldOwner], places: Pointers, cursors: Cursors) -> Change:
    if change.kind != "extra":
        return change
    place, value = places.found(change.path)
    if not isinstance(value, Mapping) or change.pointer == place:
        return change
    written = _written_by(value, owners, cursors.at(change.path))
    return replace(change, live=written, removes=change.path, pointer=place)


def _written_by(value: Mapping[str, Any], owners: Collection[FieldOwner], cursor: Cursor) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, below in value.items():
        there = cursor.field(name)
        if isinstance(below, Mapping) and below and not there.is_whole:
            inside = _written_by(below, owners, there)
            if inside:
                found[name] = inside
        elif any(owner in owners for owner in there.owners):
            found[name] = below
    return found
