"""Reading JSON from outside without trusting its shape: a value of the wrong type counts as absent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_NOTHING: Mapping[str, Any] = {}


def as_mapping(value: object) -> Mapping[str, Any]:
    # Nearly always it is one, and asking whether something is a Mapping is dear.
    return value if type(value) is dict or isinstance(value, Mapping) else _NOTHING


def as_list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def as_text(value: object) -> str:
    return value if isinstance(value, str) else ""


def as_texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in as_list(value) if isinstance(item, str))


def as_whole(value: object, default: int = 0) -> int:
    number = whole_or_none(value)
    return default if number is None else number


def whole_or_none(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
