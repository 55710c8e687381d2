"""The sweep's pace: within its bounds, faster where webhooks are missed, slower only where they are known to come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.pace import Pace, PaceBounds, next_pace
from trueup.clients.queue_records import NOTHING_ANNOUNCED, Announced

BOUNDS = PaceBounds(300, 60, 1800)
SEEN = st.builds(Announced, st.sampled_from(["", "1", "2"]), st.sampled_from(["", "1", "2"]))


def after(pace: Pace, *seen: Announced) -> Pace:
    for each in seen:
        pace = next_pace(pace, each, BOUNDS)
    return pace


@given(st.lists(SEEN, max_size=30))
def test_whatever_happens_the_interval_stays_within_its_bounds(history: list[Announced]) -> None:
    pace = after(Pace(300), *history)
    assert 60 <= pace.interval_seconds <= 1800
    if not any(seen.hooked for seen in history):
        assert pace.interval_seconds <= 300, "nothing but the sweep finds what moves there"


def test_a_catch_halves_the_interval_and_the_same_catch_does_not_do_so_again() -> None:
    caught = after(Pace(300), Announced("", "1"))
    assert caught.interval_seconds == 150
    assert after(caught, Announced("", "1")).interval_seconds > 150
    assert after(caught, *[Announced("", str(n)) for n in range(2, 9)]).interval_seconds == 60


def test_quiet_is_trusted_only_after_a_webhook_and_until_one_is_missed() -> None:
    quiet = [NOTHING_ANNOUNCED] * 10
    assert after(Pace(300), *quiet).interval_seconds == 300
    trusted = after(Pace(300), Announced("1", ""), *quiet)
    assert trusted.interval_seconds == 1800
    missed = after(trusted, Announced("1", "2"))
    assert missed.interval_seconds == 900
    assert after(missed, *[Announced("1", "2")] * 10).interval_seconds == 300
    assert after(missed, Announced("3", "2")).interval_seconds == 300
