"""A patch between two statuses makes the one out of the other (RFC 7386)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueup.domain.merge_patch import merge_patch, without_nulls

SCALARS = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([1.5, "", "a", "b"])
NAMES = st.sampled_from(["a", "b", "c", "status"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=12
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=4)


def applied(target: Any, patch: Any) -> Any:
    """MergePatch of RFC 7386, section 2, as it stands there."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = applied(result.get(name), value)
    return result


def as_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


@settings(max_examples=1_000)
@given(OBJECTS, OBJECTS)
def test_a_patch_makes_the_new_out_of_the_old(old: dict[str, Any], new: dict[str, Any]) -> None:
    old = without_nulls(old)  # the API server stores no null in an object
    assert as_json(applied(old, merge_patch(old, new))) == as_json(without_nulls(new))


@settings(max_examples=300)
@given(OBJECTS)
def test_nothing_to_do_is_an_empty_patch(value: dict[str, Any]) -> None:
    assert merge_patch(without_nulls(value), value) == {}


@settings(max_examples=300)
@given(OBJECTS, OBJECTS)
def test_neither_side_is_changed(old: dict[str, Any], new: dict[str, Any]) -> None:
    before = as_json([old, new])
    merge_patch(old, new)
    assert as_json([old, new]) == before


@pytest.mark.parametrize(
    ("old", "new", "patch"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, {"b": None}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "d": 3}}, {"a": {"c": None, "d": 3}}),
        ({"a": [1, 2]}, {"a": [2]}, {"a": [2]}),
        ({}, {"a": {}}, {"a": {}}),
        ({"a": 1}, {"a": {"b": None}}, {"a": {}}),
        ({"a": [{"b": 1}]}, {"a": [{"b": True}]}, {"a": [{"b": True}]}),
    ],
)
def test_patches_say_no_more_than_the_difference(old: Any, new: Any, patch: Any) -> None:
    assert merge_patch(old, new) == patch
