"""The limit of requests under way stays within its bounds, falls when a server is too busy, and recovers."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from trueup.domain.concurrency import ConcurrencyLimit, LimitBounds

BOUNDS = LimitBounds(requests_min=4, requests_max=64)
FAST = 0.005

steps = st.tuples(
    st.sampled_from(["answer", "refusal", "refusal with a pause"]),
    st.sampled_from(["GET", "PATCH"]),
    #: Since the step before, and how long the request took.
    st.floats(0, 100),
    st.floats(0, 60),
)


def played(limit: ConcurrencyLimit, events: list[tuple[str, str, float, float]]) -> list[tuple[int, float]]:
    """The limit and the end of the pause after each event."""
    now, found = 1_000.0, []
    for what, kind, pause, seconds in events:
        now += pause
        if what == "answer":
            limit.answered(kind, now - seconds, now)
        else:
            limit.refused(now - seconds, now, seconds if "pause" in what else None)
        found.append((limit.requests_max, limit.paused_until))
    return found


def recovered(limit: ConcurrencyLimit, now: float) -> int:
    """How many fast answers it takes until the limit is at its maximum again."""
    for number in range(100_000):
        if limit.requests_max == BOUNDS.requests_max:
            return number
        now += FAST
        limit.answered("GET", now - FAST, now)
    raise AssertionError("it never recovers")


@given(st.lists(steps, max_size=200), st.integers(1, 100), st.integers(1, 100))
def test_whatever_happens_it_stays_within_bounds_and_is_the_same_again(
    events: list[tuple[str, str, float, float]], least: int, most: int
) -> None:
    bounds = LimitBounds(requests_min=least, requests_max=most)
    found = played(ConcurrencyLimit(bounds), events)
    assert found == played(ConcurrencyLimit(bounds), events)
    assert all(min(least, most) <= limit <= most for limit, _ in found)


@settings(max_examples=30)
@given(st.lists(steps, max_size=100))
def test_a_refusal_halves_it_and_a_fast_server_gets_all_of_it_back(events: list[tuple[str, str, float, float]]) -> None:
    limit = ConcurrencyLimit(BOUNDS)
    played(limit, events)
    before, now = limit.requests_max, 1e6
    limit.refused(now, now)
    assert limit.requests_max in (max(BOUNDS.requests_min, before // 2), max(BOUNDS.requests_min, (before + 1) // 2))
    assert recovered(limit, now) < 5_000


def test_all_that_met_one_overload_lower_it_once() -> None:
    limit = ConcurrencyLimit(BOUNDS)
    for _ in range(64):
        limit.refused(10.0, 11.0)
    assert limit.requests_max == 32
    for _ in range(2_000):
        limit.answered("GET", 10.5, 11.5)
    assert limit.requests_max == 32, "nor do answers to what was asked before raise it"
    limit.refused(11.5, 12.0)
    assert limit.requests_max == 16


def test_a_pause_is_bounded_and_never_cut_short() -> None:
    limit = ConcurrencyLimit(BOUNDS)
    limit.refused(0.0, 100.0, 3_600.0)
    assert limit.paused_until == 100.0 + BOUNDS.pause_seconds_max
    limit.refused(101.0, 102.0, 1.0)
    assert limit.paused_until == 130.0


def test_latency_that_grows_lowers_it_and_one_slow_answer_among_many_does_not() -> None:
    limit = ConcurrencyLimit(BOUNDS)
    now = 0.0
    for number in range(1_000):
        now += 1.0
        limit.answered("GET", now - (5.0 if number % 3 == 0 else FAST), now)
    assert limit.requests_max == 64
    for _ in range(40):
        now += 1.0
        limit.answered("GET", now - 0.9, now)
    assert limit.requests_max < 16


def test_a_kind_that_always_takes_long_and_a_server_that_is_far_away_are_not_slow() -> None:
    limit = ConcurrencyLimit(BOUNDS)
    now = 0.0
    for _ in range(500):
        now += 1.0
        limit.answered("GET", now - FAST, now)
        limit.answered(("APPLY", "gated"), now - 0.9, now)
    assert limit.requests_max == 64
    for _ in range(500):
        now += 1.0
        limit.answered(("APPLY", "gated"), now - 3.5, now)
    assert limit.requests_max == 64, "within a few times its best"


def test_a_server_that_became_slower_for_good_is_given_more_again() -> None:
    limit = ConcurrencyLimit(BOUNDS)
    now, lowest = 0.0, 64
    limit.answered("GET", now - FAST, now)
    for _ in range(10_000):
        now += 0.1
        limit.answered("GET", now - 0.6, now)
        lowest = min(lowest, limit.requests_max)
    assert (lowest, limit.requests_max) == (4, 64)
