"""Members are matched by what they state, in a time that grows with the length of the list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.test_fieldpath import Counted
from trueup.domain.listkeys import Pairing, item_of, key_values, pair_items

KEYS = ("name", "port", "protocol")
MEMBERS = st.fixed_dictionaries(
    {},
    optional={"name": st.sampled_from("abc"), "port": st.integers(0, 2), "protocol": st.sampled_from(["TCP", "UDP"])},
)


def plainly(desired: Sequence[Any], live: Sequence[Any]) -> Pairing | None:
    """The same by a look at every live member for each desired one."""
    there = [key_values(item, KEYS) for item in live]
    if None in there or len(set(there)) < len(there):
        return None
    stated = [item_of(item, KEYS) for item in desired]
    if any(not (set(KEYS) & set(item)) for item in desired) or len(set(stated)) < len(stated):
        return None
    pairs: dict[int, int] = {}
    for keys_left_out in (False, True):
        order = [i for i in range(len(desired)) if (len(stated[i].keys) < len(KEYS)) == keys_left_out]
        for index in sorted(order, key=lambda i: -len(stated[i].keys)):
            if keys_left_out:
                taken = pairs.values()
                fitting = [o for o in range(len(live)) if o not in taken and stated[index].selects(live[o])]
            else:
                fitting = [o for o in range(len(live)) if there[o] == key_values(desired[index], KEYS)]
            if len(fitting) == 1:
                pairs[index] = fitting[0]
    return Pairing(
        tuple(sorted(pairs.items())),
        tuple(index for index in range(len(desired)) if index not in pairs),
        tuple(index for index in range(len(live)) if index not in pairs.values()),
    )


@given(st.lists(MEMBERS, max_size=6), st.lists(MEMBERS, max_size=6))
def test_members_are_matched_as_a_look_at_each_would_match_them(desired: list[Any], live: list[Any]) -> None:
    assert pair_items(desired, live, KEYS) == plainly(desired, live)


@pytest.mark.parametrize("length", [1, 500])
def test_however_many_leave_a_key_out_the_list_is_walked_through_as_often(length: int) -> None:
    live = Counted([{"name": f"n{n}", "port": n, "protocol": "TCP"} for n in range(length)])
    pairing = pair_items([{"name": f"n{n}"} for n in range(length)], live, KEYS)
    assert pairing is not None
    assert pairing.pairs == tuple((n, n) for n in range(length))
    assert live.walks == 2
