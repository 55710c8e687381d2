"""The places that differ, as a tree beside the object that Git wants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trueup.domain.diff import Change
from trueup.domain.fieldpath import Item, Member, Scalar, Segment
from trueup.domain.listkeys import KEY_DEFAULTS


@dataclass(slots=True)
class Place:
    """A place, and every difference there or below."""

    changes: list[Change] = field(default_factory=list)
    below: dict[Segment, Place] = field(default_factory=dict)

    def join(self, other: Place) -> None:
        """Take in what another path leads to, where it is the same place."""
        self.changes += other.changes
        for segment, place in other.below.items():
            if segment in self.below:
                self.below[segment].join(place)
            else:
                self.below[segment] = place

    def every(self) -> list[Change]:
        """Here and below, in the order of the manifest."""
        return [*self.changes, *(change for place in self.below.values() for change in place.every())]


def places_of(changes: Iterable[Change]) -> Place:
    """The tree of all places that differ."""
    root = Place()
    for change in changes:
        place = root
        for segment in change.path:
            place = place.below.setdefault(segment, Place())
        place.changes.append(change)
    return root


def members(git: Sequence[Any], place: Place) -> tuple[Mapping[int, Place], Mapping[Segment, Place]]:
    """What differs in which member of a list, by its position in Git's; and in members that Git does not have."""
    known: dict[int, Place] = {}
    beyond: dict[Segment, Place] = {}
    positions = _Positions(git)
    for segment, below in place.below.items():
        position = positions.of(segment, below)
        if position is None:
            beyond[segment] = below
        elif position in known:
            known[position].join(below)
        else:
            known[position] = below
    return known, beyond


class _Positions:
    """Where the members of a list are, found without a look at every member for each of them."""

    def __init__(self, git: Sequence[Any]) -> None:
        self._git = git
        #: By names of keys, members by what they state there, and those that leave some of it out.
        self._known: dict[tuple[str, ...], tuple[dict[tuple[Any, ...], list[int]], list[int]]] = {}

    def of(self, segment: Segment, place: Place) -> int | None:
        """The one position that a step of a path means; None where there is none, or more than one."""
        if isinstance(segment, int):
            return segment if segment < len(self._git) else None
        if isinstance(segment, Member):
            return next((index for index, member in enumerate(self._git) if member == segment.value), None)
        if not isinstance(segment, Item):
            return None
        # A member whose key somebody edited is named as live has it; Git's value of that key is the change.
        edited = {name: _desired(below) for name, below in place.below.items() if isinstance(name, str)}
        keys = {name: value if edited.get(name) is None else edited[name] for name, value in segment.keys}
        for candidate in (keys, dict(segment.keys)):
            found = self._with(candidate)
            if len(found) == 1:
                return found[0]
        return None

    def _with(self, keys: Mapping[str, Scalar]) -> Sequence[int]:
        """Members that state these keys, a left-out one counting as its default; else those that state some of them."""
        whole, partial = self._stating(tuple(keys))
        found = whole.get(tuple(keys.values()), ())
        return found or [index for index in partial if _states_some(self._git[index], keys)]

    def _stating(self, names: tuple[str, ...]) -> tuple[dict[tuple[Any, ...], list[int]], list[int]]:
        if names not in self._known:
            whole: dict[tuple[Any, ...], list[int]] = {}
            partial: list[int] = []
            for index, member in enumerate(self._git):
                if not isinstance(member, Mapping):
                    continue
                stated = tuple(member.get(name, KEY_DEFAULTS.get(name)) for name in names)
                if not any(isinstance(value, Mapping | list) for value in stated):
                    whole.setdefault(stated, []).append(index)
                if None in stated:
                    partial.append(index)
            self._known[names] = whole, partial
        return self._known[names]


def _desired(place: Place) -> Scalar:
    """Git's value where it differs from live's; None where it does not, or is no plain one."""
    value = place.changes[0].desired if place.changes and place.changes[0].kind == "changed" else None
    return value if isinstance(value, str | int | float | bool) else None


def _states_some(member: Mapping[str, Any], keys: Mapping[str, Scalar]) -> bool:
    stated = {name: member.get(name, KEY_DEFAULTS.get(name)) for name in keys}
    known = {name: value for name, value in stated.items() if value is not None}
    return bool(known) and all(value == keys[name] for name, value in known.items())
