"""A path leads to the same value and the same pointer however many paths were asked for before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from trueup.domain.fieldpath import ABSENT, Item, Member, Path, Pointers, Values, find, pointer

SCALARS = st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "a", "b", "a/b", "~"])
NAMES = st.sampled_from(["name", "port", "a/b"])
MEMBERS = st.dictionaries(NAMES, SCALARS | st.lists(SCALARS, max_size=2), max_size=3)
BODIES = st.recursive(
    SCALARS | MEMBERS,
    lambda below: st.lists(below | MEMBERS, max_size=4) | st.dictionaries(NAMES, below, max_size=3),
    max_leaves=20,
)
ITEMS = st.lists(st.tuples(NAMES, SCALARS), min_size=1, max_size=2, unique_by=lambda key: key[0])
SEGMENTS = NAMES | st.integers(0, 3) | ITEMS.map(lambda keys: Item(tuple(keys))) | SCALARS.map(Member)
PATHS = st.lists(SEGMENTS, max_size=4).map(tuple)


class Counted(list[Any]):
    """A list that counts how often somebody walks through it."""

    walks = 0

    def __iter__(self) -> Iterator[Any]:
        self.walks += 1
        return super().__iter__()


@given(BODIES, st.lists(PATHS, min_size=1, max_size=5))
def test_what_was_asked_before_changes_no_answer(body: Any, paths: list[Path]) -> None:
    pointers = Pointers(body)
    for path in paths:
        place, value = pointers.found(path)
        assert value is find(body, path)
        assert place == pointer(body, path)
        if value is not ABSENT:
            assert _resolved(body, place) is value


def test_a_list_is_walked_through_once_for_all_its_members() -> None:
    containers = Counted({"name": f"c-{number}", "image": "x"} for number in range(500))
    pointers = Pointers({"spec": {"containers": containers}})
    for number in range(500):
        path = ("spec", "containers", Item((("name", f"c-{number}"),)), "image")
        assert pointers.found(path) == (f"/spec/containers/{number}/image", "x")
    assert containers.walks == 1


def _resolved(body: Any, place: str) -> Any:
    """RFC 6901, by the letter."""
    for token in place.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        body = body[int(name)] if isinstance(body, list) else body[name]
    return body


@given(st.lists(BODIES, max_size=6), BODIES)
def test_a_list_has_the_values_that_it_has(members: list[Any], value: Any) -> None:
    values = Values(members)
    assert (value in values) == (value in members)
    assert all(member in values for member in members)
