"""The difference between two JSON objects as a merge patch.

Protocol: RFC 7386. A merge patch cannot set a member to null, for null takes it away; so a null
in an object counts as absent. Inside an array it is a value like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merge_patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """What makes `new` of `old`; empty where there is nothing to do."""
    patch: dict[str, Any] = {name: None for name in old if new.get(name) is None}
    for name, value in new.items():
        before = old.get(name)
        if value is None or value is before:
            continue
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            inner = merge_patch(before, value)
            if inner:
                patch[name] = inner
        elif not _same(before, value):
            patch[name] = without_nulls(value) if isinstance(value, Mapping) else value
    return patch


def patched(old: Any, patch: Any) -> Any:
    """What the merge patch makes of `old`."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(old) if isinstance(old, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = patched(result.get(name), value)
    return result


def without_nulls(value: Mapping[str, Any]) -> dict[str, Any]:
    """The object as a merge patch can express it."""
    return {
        name: without_nulls(inner) if isinstance(inner, Mapping) else inner
        for name, inner in value.items()
        if inner is not None
    }


def _same(one: object, other: object) -> bool:
    """Equal as JSON: Python takes True for 1, at any depth."""
    if one is other:
        return True
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    return isinstance(one, bool) == isinstance(other, bool) and one == other
