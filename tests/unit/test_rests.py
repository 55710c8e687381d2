"""Looks in vain follow each other ever more slowly; one that found something is followed at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trueup.workers.rests import REPOSITORIES_MAX, Rests


def rests() -> Rests:
    return Rests(seconds_min=0.25, seconds_max=5.0)


def test_each_look_in_vain_doubles_the_rest_up_to_the_longest() -> None:
    resting, now, found = rests(), 100.0, []
    for _ in range(7):
        found.append(resting.after_look("a", now, moved=False))
        now += found[-1]
    assert found == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_a_look_that_found_something_is_followed_at_once_and_the_next_rest_is_the_shortest() -> None:
    resting = rests()
    resting.after_look("a", 0.0, moved=False)
    resting.after_look("a", 0.3, moved=False)
    assert resting.after_look("a", 0.8, moved=True) == 0.0
    assert resting.after_look("a", 0.9, moved=False) == 0.25


def test_after_a_quiet_time_the_rest_is_the_shortest_again() -> None:
    resting = rests()
    assert [resting.after_look("a", now, moved=False) for now in (0.0, 0.3, 10.0)] == [0.25, 0.5, 0.25]


def test_repositories_rest_by_themselves() -> None:
    resting = rests()
    assert [resting.after_look(name, 0.0, moved=False) for name in ("a", "b", "a")] == [0.25, 0.25, 0.5]


def test_the_memory_is_bounded() -> None:
    resting = rests()
    for number in range(REPOSITORIES_MAX + 1):
        resting.after_look(str(number), 0.0, moved=False)
    assert resting.after_look("0", 0.1, moved=False) == 0.25
    assert resting.after_look(str(REPOSITORIES_MAX), 0.1, moved=False) == 0.5


@given(looks=st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=30))
def test_a_rest_is_never_longer_than_the_longest_nor_shorter_than_the_shortest(looks: list[tuple[float, bool]]) -> None:
    resting, now = rests(), 0.0
    for pause, moved in looks:
        now += pause
        seconds = resting.after_look("a", now, moved=moved)
        assert seconds == 0.0 if moved else 0.25 <= seconds <= 5.0
