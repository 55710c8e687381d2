"""What has passed is never called nothing; what does not concern somebody is not told to them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.web.past import DIGITS_MAX, Past

TOPICS = st.sampled_from("abcdef")
TOLD = st.lists(st.lists(TOPICS, max_size=3), max_size=30)
WANTED = st.sets(TOPICS, max_size=4)


@given(TOLD, WANTED, st.integers(1, 5))
@example([["a"], ["b"], ["a"], ["c"], ["d"]], {"a"}, 2)
def test_what_has_passed_is_known_or_in_doubt_however_little_is_remembered(
    told: list[list[str]], wanted: set[str], remembered_max: int
) -> None:
    past = Past(remembered_max=remembered_max)
    positions = [past.position]
    for topics in told:
        past.note(topics)
        positions.append(past.position)
        assert len(past._last) <= remembered_max
    for at, position in enumerate(positions):
        later = {topic for topics in told[at:] for topic in topics}
        if later & wanted:
            assert past.may_have_passed(position, wanted)
        elif len(later) < remembered_max:
            # What was told of since fits in: nothing of it was forgotten, so there is no doubt.
            assert not past.may_have_passed(position, wanted)


def positions_of_nobody(past: Past) -> list[str]:
    run, _, number = past.position.partition("-")
    return [
        "",
        run,
        number,
        "-",
        f"{run}-",
        f"{run}-{int(number) + 1}",
        f"{run}-0{number}",
        f"{run}-+{number}",
        f"{run}- {number}",
        f"{run}-{number} ",
        f"{run}-{number}\n",
        f"{run}--{number}",
        f"{run}-\u0663",
        f"{run}-\u00b3",
        f"{run}-" + "9" * DIGITS_MAX,
        f"{run}-" + "9" * 5_000,
        f"{run.upper()}x-{number}",
        Past().position,
    ]


@pytest.mark.parametrize("which", range(len(positions_of_nobody(Past()))))
def test_from_a_position_that_was_never_given_anything_may_have_passed(which: int) -> None:
    past = Past()
    for _ in range(3):
        past.note(["a"])
    assert not past.may_have_passed(past.position, ["a"])
    assert past.may_have_passed(positions_of_nobody(past)[which], ["a"])


@given(st.text(max_size=40))
def test_no_text_that_somebody_sends_is_a_position_but_by_being_one(text: str) -> None:
    past = Past()
    assert past.may_have_passed(text, ["a"]) == (text != past.position)
