"""From what a rule says to the very places of one object, list members by their position."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from trueup.domain.fieldpath import Item, Member, Path
from trueup.domain.ignore_rules import IgnoreRule, matches, pointer_tokens
from trueup.domain.listkeys import key_values
from trueup.domain.managedfields import Fields, entries, is_leaf, item_keys, member_value
from trueup.domain.resource import Body

#: A place of one very object: fields by name, list members by position.
Place = tuple[str | int, ...]

_POSITION = re.compile(r"0|[1-9][0-9]*")


def place_of_pointer(pointer: str, body: Any) -> Place | None:
    """What the JSON pointer leads to; None where there is nothing."""
    place: list[str | int] = []
    value = body
    for token in pointer_tokens(pointer):
        if isinstance(value, Mapping) and token in value:
            place.append(token)
            value = value[token]
        elif isinstance(value, list) and (index := _index(token, len(value))) is not None:
            place.append(index)
            value = value[index]
        else:
            return None
    return tuple(place)


def _index(token: str, length: int) -> int | None:
    """The position that a token names: digits without a leading zero, as RFC 6901 has it."""
    is_number = _POSITION.fullmatch(token) is not None and len(token) <= len(str(length))
    return int(token) if is_number and int(token) < length else None


def places_of_jq(paths: Iterable[Sequence[Any]], body: Any) -> Iterator[Place]:
    """The places that jq's paths lead to in this object; its slices and negative positions resolved."""
    for path in paths:
        yield from _steps(path, body)


def _steps(path: Sequence[Any], value: Any) -> Iterator[Place]:
    found: list[tuple[Place, Any]] = [((), value)]
    for step in path:
        found = [((*place, segment), below) for place, here in found for segment, below in _below(step, here)]
    yield from (place for place, _ in found if place)


def _below(step: Any, value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(step, str) and isinstance(value, Mapping):
        if step in value:
            yield step, value[step]
    elif isinstance(value, list):
        if isinstance(step, int) and not isinstance(step, bool) and -len(value) <= step < len(value):
            yield step % len(value), value[step]
        elif isinstance(step, Mapping):
            start, end = (_bound(step.get(name)) for name in ("start", "end"))
            yield from ((index, value[index]) for index in range(*slice(start, end).indices(len(value))))


def _bound(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) else None


def places_of_paths(paths: Iterable[Path], body: Any) -> Iterator[Place]:
    """Where each path leads in this object, list members found by what tells them apart."""
    members = _Members()
    for path in paths:
        place: list[str | int] = []
        value = body
        for segment in path:
            step = _found(segment, value, members)
            if step is None:
                break
            place.append(step)
            value = value[step]
        else:
            yield tuple(place)


class _Members:
    """Where list members stand, found without a look at every one for each; the lists must not change meanwhile."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, tuple[str, ...] | None], dict[Any, int]] = {}

    def of(self, segment: Item | Member, items: list[Any]) -> int | None:
        if isinstance(segment, Member):
            return self._first(items, None).get(segment.value)
        names = tuple(name for name, _ in segment.keys)
        return self._first(items, names).get(tuple(stated for _, stated in segment.keys))

    def _first(self, items: list[Any], names: tuple[str, ...] | None) -> dict[Any, int]:
        if (known := self._known.get((id(items), names))) is None:
            known = self._known[id(items), names] = {}
            for index, item in enumerate(items):
                value = key_values(item, names) if names is not None else item
                if not isinstance(value, Mapping | list):
                    known.setdefault(value, index)
        return known


def _found(segment: Any, value: Any, members: _Members) -> str | int | None:
    if isinstance(segment, str):
        return segment if isinstance(value, Mapping) and segment in value else None
    if not isinstance(value, list):
        return None
    if isinstance(segment, int):
        return segment if segment < len(value) else None
    return members.of(segment, value)


def owned_paths(rule: IgnoreRule, live: Body) -> tuple[Path, ...]:
    """What the rule's managers own in the live object.

    A list member that they share with somebody else stays, without the fields of theirs: its keys tell it apart.
    """
    theirs: list[Fields] = []
    others: list[Fields] = []
    for owner, fields in entries(live):
        is_theirs = any(matches(pattern, owner.manager) for pattern in rule.managers)
        (theirs if is_theirs else others).append(fields)
    return tuple(dict.fromkeys(path for fields in theirs for path in _leaves(fields, others, ())))


def _leaves(fields: Fields, others: Sequence[Fields], path: Path) -> Iterator[Path]:
    keys = {name for segment in path[-1:] if isinstance(segment, Item) for name, _ in segment.keys}
    for name, below in fields.items():
        if name == "." or (name.startswith("f:") and name[2:] in keys):
            continue
        segment = _segment(name)
        if segment is None:
            continue
        shared = [there for fields in others if (there := fields.get(name)) is not None]
        is_alone = isinstance(segment, Item) and "." in below and not any("." in there for there in shared)
        if is_leaf(below) or is_alone:
            yield (*path, segment)
        else:
            yield from _leaves(below, shared, (*path, segment))


def _segment(name: str) -> str | int | Item | Member | None:
    kind, text = name[:2], name[2:]
    if kind == "f:":
        return text
    if kind == "k:":
        keys = item_keys(name)
        return Item(keys) if keys else None
    if kind == "i:" and text.isdigit():
        return int(text)
    return Member(member_value(name)) if kind == "v:" else None
