"""How long repairs took, over records of any kind."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.support.records import drifted
from trueup.domain.incident import Ending, HistoryEntry, Incident, Turn
from trueup.domain.incident_story import closed
from trueup.domain.repair import account_of, repairs_of, seconds_to_repair

T0 = datetime(2026, 1, 31, 14, tzinfo=UTC)


def over(seconds: float, ending: Ending = "SelfHealed") -> Incident:
    return closed(drifted("shop", T0), ending, T0 + timedelta(seconds=seconds))


def test_means_are_of_what_is_over_by_how_it_ended() -> None:
    account = account_of([over(10), over(20), over(600, "Reverted"), drifted("shop", T0 - timedelta(days=1))])
    assert (account.incidents, account.open, account.drifts, account.since) == (4, 1, 4, T0 - timedelta(days=1))
    assert account.times is not None
    assert (account.times.repairs, account.times.mean_seconds) == (3, 210)
    (first, healed), (second, reverted) = account.by_ending
    assert (first, healed.repairs, healed.mean_seconds, healed.seconds_max) == ("SelfHealed", 2, 15, 20)
    assert (second, reverted.median_seconds) == ("Reverted", 600)


def test_a_revision_that_waits_for_somebody_to_deliver_it_is_no_drift_and_its_delivery_no_repair() -> None:
    waited = replace(over(86_400, "Synced"), cause="Revision")
    account = account_of([over(10), waited, replace(drifted("shop", T0 - timedelta(days=9)), cause="Revision")])
    assert (account.incidents, account.open, account.drifts, account.since) == (1, 0, 1, T0)
    assert account.times is not None
    assert (account.times.repairs, account.times.seconds_max) == (1, 10)


def test_where_nothing_is_over_there_is_no_mean() -> None:
    assert account_of([]).times is None
    assert account_of([drifted("shop", T0)]).times is None


def turn(what: Turn, seconds: float) -> HistoryEntry:
    return HistoryEntry(T0 + timedelta(seconds=seconds), what, ending="SelfHealed" if what == "Closed" else "")


def test_an_incident_that_drifted_again_is_one_story_and_as_many_drifts_and_repairs() -> None:
    turns = (turn("Opened", 0), turn("Changed", 5), turn("Closed", 10), turn("Reopened", 50), turn("Closed", 60))
    incident = replace(over(60), times=2, history=turns)
    account = account_of([incident])
    assert (account.incidents, account.drifts) == (1, 2)
    assert [repair.seconds for repair in repairs_of(incident)] == [10, 10]
    assert seconds_to_repair(incident) == 10
    again = replace(incident, closed_at=None, ending="", times=3, history=(*turns, turn("Reopened", 90)))
    assert [repair.seconds for repair in repairs_of(again)] == [10, 10]


def test_turns_that_a_long_history_has_dropped_make_no_repair() -> None:
    turns = (turn("Opened", 0), turn("Closed", 700), turn("Reopened", 750), turn("Closed", 760))
    incident = replace(over(760), times=9, history=turns)
    assert [repair.seconds for repair in repairs_of(incident)] == [10]


def test_a_clock_that_was_set_back_repairs_nothing_before_it_broke() -> None:
    assert seconds_to_repair(over(-30)) == 0


@given(st.lists(st.tuples(st.floats(0, 1e6), st.sampled_from(["SelfHealed", "Synced", "Reverted", "Accepted"]))))
def test_every_repair_is_in_one_row_and_no_mean_is_beyond_the_longest(drawn: list[tuple[float, Ending]]) -> None:
    account = account_of([over(seconds, ending) for seconds, ending in drawn])
    assert sum(row.repairs for _, row in account.by_ending) == len(drawn)
    for _, row in account.by_ending:
        assert row.median_seconds <= row.seconds_max
        assert row.mean_seconds <= row.seconds_max * (1 + 1e-9)


def test_records_of_earlier_releases_have_one_repair_from_opening_to_end() -> None:
    old = replace(over(30), history=())
    assert [(repair.seconds, repair.ending) for repair in repairs_of(old)] == [(30, "SelfHealed")]
    ended_since = replace(old, history=(turn("Closed", 30),))
    assert [repair.seconds for repair in repairs_of(ended_since)] == [30]
