"""The place of a value inside an object, in words that outlive a reordered list.

A list whose members are told apart by some of their fields is entered by those fields, as in
`spec.ports[port=80,protocol=TCP]`; a list that is one value as a whole is entered by position.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from trueup.domain.errors import StalledError

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Item:
    """The member of a list of objects that has these values in these fields."""

    keys: tuple[tuple[str, Scalar], ...]

    def selects(self, item: object) -> bool:
        return isinstance(item, Mapping) and all(item.get(name) == value for name, value in self.keys)


@dataclass(frozen=True, slots=True)
class Member:
    """The member of a set of plain values that is this value."""

    value: Scalar


Segment = str | int | Item | Member
Path = tuple[Segment, ...]

#: Deeper objects than this are refused; the deepest known CRDs have about fifty levels.
OBJECT_DEPTH_MAX = 128

_CONTAINERS = (dict, list)
_PLAIN = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")


class Absent:
    """The type of ABSENT, which is no JSON value at all: null is one."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent()


def show(path: Path) -> str:
    """The path as people read it: `spec.ports[name=http].port`, `metadata.labels["a/b"]`."""
    text = ""
    for segment in path:
        if isinstance(segment, str):
            plain = _PLAIN.fullmatch(segment)
            text += (f".{segment}" if text else segment) if plain else f'["{segment}"]'
        elif isinstance(segment, Item):
            text += "[" + ",".join(f"{name}={value}" for name, value in segment.keys) + "]"
        elif isinstance(segment, Member):
            text += f"[={segment.value}]"
        else:
            text += f"[{segment}]"
    return text


def check_depth(path: Sequence[Segment], key: object) -> None:
    """Raise StalledError where the path leads deeper into the object `key` than OBJECT_DEPTH_MAX."""
    if len(path) > OBJECT_DEPTH_MAX:
        raise StalledError(
            f"{key} is nested deeper than {OBJECT_DEPTH_MAX} levels under {show(tuple(path[:8]))}; flatten it"
        )


def find(body: Any, path: Path) -> Any:
    """What stands at the path, or ABSENT."""
    value = body
    for segment in path:
        value = _step(value, segment)[1]
        if value is ABSENT:
            return ABSENT
    return value


def pointer(body: Any, path: Path) -> str:
    """The JSON pointer (RFC 6901) of the path in this object; `-` stands for a list member it lacks."""
    return Pointers(body).found(path)[0]


class Pointers:
    """JSON pointers into one object, which must not change meanwhile: no list is walked through for each of them."""

    def __init__(self, body: Any) -> None:
        self._body = body
        #: By list and the fields that tell its members apart: where the first of each stands.
        self._places: dict[tuple[int, tuple[str, ...] | None], dict[Any, int]] = {}

    def found(self, path: Path) -> tuple[str, Any]:
        """The JSON pointer of the path, and what stands there, or ABSENT; `-` stands for a list member that is not."""
        tokens = []
        value = self._body
        for segment in path:
            if isinstance(value, list) and isinstance(segment, Item | Member):
                index = self._index(value, segment)
                token, value = ("-", ABSENT) if index is None else (str(index), value[index])
            else:
                token, value = _step(value, segment)
            tokens.append(token.replace("~", "~0").replace("/", "~1"))
        return "".join(f"/{token}" for token in tokens), value

    def _index(self, items: list[Any], segment: Item | Member) -> int | None:
        names = tuple(name for name, _ in segment.keys) if isinstance(segment, Item) else None
        places = self._places.get((id(items), names))
        if places is None:
            places = self._places[id(items), names] = _first_places(items, names)
        wanted = tuple(value for _, value in segment.keys) if isinstance(segment, Item) else segment.value
        return places.get(wanted)


class Values:
    """The members of a list of plain values; to ask for one takes no look at every other."""

    def __init__(self, members: Sequence[Any]) -> None:
        self._plain = {value for value in members if not isinstance(value, _CONTAINERS)}
        self._others = [value for value in members if isinstance(value, _CONTAINERS)]

    def __contains__(self, value: object) -> bool:
        return value in (self._others if isinstance(value, _CONTAINERS) else self._plain)


def _first_places(items: list[Any], names: tuple[str, ...] | None) -> dict[Any, int]:
    """By value of these fields, or of the member itself where there are no fields: where the first one stands."""
    places: dict[Any, int] = {}
    for index, item in enumerate(items):
        if names is not None and not isinstance(item, Mapping):
            continue
        value = item if names is None else tuple(item.get(name) for name in names)
        with suppress(TypeError):  # no scalar, so no key
            places.setdefault(value, index)
    return places


def _step(value: Any, segment: Segment) -> tuple[str, Any]:
    if isinstance(segment, str):
        return segment, value.get(segment, ABSENT) if isinstance(value, Mapping) else ABSENT
    if not isinstance(value, list):
        return (str(segment) if isinstance(segment, int) else "-"), ABSENT
    if isinstance(segment, int):
        return str(segment), value[segment] if segment < len(value) else ABSENT
    for index, item in enumerate(value):
        if segment.selects(item) if isinstance(segment, Item) else item == segment.value:
            return str(index), item
    return "-", ABSENT
