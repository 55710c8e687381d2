"""What an application was at a moment, by its history and its incidents, and where they do not reach back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.support.records import drifted
from trueup.domain.as_of import as_of, history_of, was_open
from trueup.domain.incident import HistoryEntry, Incident, Turn
from trueup.domain.incident_story import closed
from trueup.domain.status import timestamp

T0 = datetime(2026, 1, 31, 14, tzinfo=UTC)
HOUR = timedelta(hours=1)


def entry(number: int, deployed_at: datetime, **more: Any) -> dict[str, Any]:
    started = timestamp(deployed_at - timedelta(minutes=1))
    made = {"deployedAt": timestamp(deployed_at), "deployStartedAt": started}
    return {"id": number, "revision": f"rev{number}", **made, **more}


def application(*history: dict[str, Any], created_at: datetime = T0 - HOUR, **status: Any) -> dict[str, Any]:
    metadata = {"creationTimestamp": timestamp(created_at)}
    return {"metadata": metadata, "status": {"history": list(history), **status}}


def named(incident: Incident, number: int) -> Incident:
    return replace(incident, name=f"shop.{number}")


def test_the_last_deployment_before_the_moment_counts_and_what_followed_is_told() -> None:
    raw = application(entry(0, T0), entry(1, T0 + HOUR, initiatedBy={"username": "alice"}), entry(2, T0 + 2 * HOUR))
    then = as_of(raw, [], T0 + 1.5 * HOUR)
    assert then.deployed is not None
    assert then.followed_by is not None
    assert (then.deployed.revision, then.deployed.by, then.followed_by.revision) == ("rev1", "alice", "rev2")
    assert (then.unknown, then.nothing_yet, then.under_way) == ("", "", None)
    assert as_of(raw, [], T0 + HOUR).deployed == then.deployed, "from the moment on that it was deployed"
    late = as_of(raw, [], T0 + 9 * HOUR)
    assert late.followed_by is None


def test_what_was_just_being_deployed_is_told() -> None:
    raw = application(entry(0, T0), entry(1, T0 + HOUR, initiatedBy={"automated": True}))
    then = as_of(raw, [], T0 + HOUR - timedelta(seconds=30))
    assert then.deployed is not None
    assert then.under_way is not None
    assert (then.deployed.revision, then.under_way.revision, then.under_way.by) == ("rev0", "rev1", "automation")


def test_where_the_history_does_not_reach_back_it_is_unknown_and_not_guessed() -> None:
    cut = as_of(application(entry(7, T0), entry(8, T0 + HOUR)), [], T0 - timedelta(seconds=1))
    assert (cut.deployed, cut.unknown) == (None, "the history begins at 2026-01-31T14:00:00Z")
    first = as_of(application(entry(0, T0)), [], T0 - timedelta(seconds=1))
    assert (first.unknown, first.nothing_yet) == ("", "its first deployment was at 2026-01-31T14:00:00Z")
    before = as_of(application(entry(7, T0)), [], T0 - 2 * HOUR)
    assert (before.unknown, before.nothing_yet) == ("", "the Application was created at 2026-01-31T13:00:00Z")
    assert as_of(application(), [], T0).unknown == "no deployment is on record"
    assert as_of({}, [], T0).unknown == "no deployment is on record"


def test_a_time_before_all_times_is_none() -> None:
    raw = application({"id": 0, "revision": "rev0", "deployedAt": "0001-01-01T00:00:00+14:00"})
    assert as_of(raw, [], T0).unknown == "no deployment is on record"


def test_the_last_sync_is_told_where_it_is_no_deployment() -> None:
    state = {
        "phase": "Failed",
        "message": "1 of 2 objects failed",
        "startedAt": timestamp(T0 + HOUR),
        "finishedAt": timestamp(T0 + HOUR),
        "syncResult": {"revision": "rev1"},
        "operation": {"initiatedBy": {"username": "bob"}},
    }
    raw = application(entry(0, T0), operationState=state)
    then = as_of(raw, [], T0 + 2 * HOUR)
    assert then.operation is not None
    assert (then.operation.phase, then.operation.revision, then.operation.by) == ("Failed", "rev1", "bob")
    assert as_of(raw, [], T0 + HOUR / 2).operation is None, "it had not begun"
    made = {**state, "phase": "Succeeded", "startedAt": timestamp(T0), "finishedAt": timestamp(T0)}
    raw = application(entry(0, T0), operationState=made)
    assert as_of(raw, [], T0 + HOUR).operation is None, "it is the deployment itself"
    assert as_of(raw, [], T0).operation is None


def test_incidents_are_those_that_were_open_then() -> None:
    over = named(closed(drifted("shop", T0), "Reverted", T0 + HOUR), 1)
    still = named(drifted("shop", T0 + 2 * HOUR), 2)
    raw = application(entry(0, T0))

    def names(at: datetime) -> list[str]:
        return [one.name for one in as_of(raw, [over, still], at).incidents]

    assert names(T0) == ["shop.1"]
    assert names(T0 + HOUR) == []
    assert names(T0 + 3 * HOUR) == ["shop.2"]
    assert as_of(raw, [over, still], T0 - HOUR).incidents_since is None, "nothing was dropped"


def test_between_two_drifts_an_incident_was_not_open() -> None:
    turns: tuple[tuple[Turn, int], ...] = (("Opened", 0), ("Closed", 1), ("Reopened", 3), ("Changed", 4))
    history = tuple(HistoryEntry(T0 + hours * HOUR, what) for what, hours in turns)
    incident = replace(drifted("shop", T0), times=2, history=history)
    assert [was_open(incident, T0 + hours * HOUR) for hours in (-1, 0, 0.5, 1, 2, 3, 9)] == [
        *(False, True, True),
        *(False, False, True, True),
    ]


def test_where_incidents_were_dropped_it_is_said_since_when_they_are_known() -> None:
    raw = application(entry(0, T0))
    records = [
        named(drifted("shop", T0 - 9 * HOUR), 1),
        named(closed(drifted("shop", T0), "Reverted", T0 + HOUR), 5),
        named(closed(drifted("shop", T0 + 2 * HOUR), "Reverted", T0 + 3 * HOUR), 6),
    ]
    assert as_of(raw, records, T0 - HOUR).incidents_since == T0
    assert as_of(raw, records, T0).incidents_since is None
    assert as_of(raw, records[:1], T0 - HOUR).incidents_since is None
    assert as_of(raw, [replace(records[0], name="shop.4")], T0 - 10 * HOUR).incidents_since == T0 - 9 * HOUR


offsets = st.integers(-10_000, 10_000).map(lambda seconds: T0 + timedelta(seconds=seconds))
histories = st.lists(offsets, max_size=8).map(
    lambda times: application(*(entry(number, time) for number, time in enumerate(times)), created_at=T0 - 99 * HOUR)
)


@given(histories, offsets, offsets)
def test_no_deployment_lies_between_the_one_that_is_named_and_the_moment(
    raw: dict[str, Any], one: datetime, other: datetime
) -> None:
    earlier, later = (as_of(raw, [], at) for at in sorted((one, other)))
    for then in (earlier, later):
        known = [deployment.deployed_at for deployment in history_of(raw["status"])]
        assert (then.deployed is None) == all(at > then.at for at in known)
        assert (then.deployed is None) == bool(then.unknown or then.nothing_yet)
        if then.deployed is not None:
            assert not any(then.deployed.deployed_at < at <= then.at for at in known)
        if then.followed_by is not None:
            assert not any(then.at < at < then.followed_by.deployed_at for at in known)
    if earlier.deployed is not None:
        assert later.deployed is not None
        assert earlier.deployed.deployed_at <= later.deployed.deployed_at


FIELDS = ["id", "revision", "revisions", "deployedAt", "deployStartedAt", "initiatedBy", "username", "automated"]
FIELDS += ["source", "history", "operationState", "phase", "startedAt", "finishedAt", "syncResult", "operation"]
FIELDS += ["sync", "message", "creationTimestamp"]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30) | offsets.map(timestamp),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6),
    max_leaves=30,
)


@given(st.fixed_dictionaries({"metadata": anything, "status": anything}), offsets)
def test_whatever_a_status_holds_it_is_read(raw: dict[str, Any], at: datetime) -> None:
    then = as_of(raw, [], at)
    assert (then.deployed is None) == bool(then.unknown or then.nothing_yet)


@given(offsets, st.none() | offsets, offsets)
def test_an_incident_is_open_from_its_opening_to_its_end(
    opened_at: datetime, closed_at: datetime | None, at: datetime
) -> None:
    incident = drifted("shop", opened_at)
    if closed_at is not None:
        incident = closed(incident, "Reverted", closed_at)
    assert was_open(incident, at) == (opened_at <= at and (closed_at is None or at < closed_at))
