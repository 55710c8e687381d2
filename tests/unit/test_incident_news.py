"""What is told of an incident as its record changes, and which incidents somebody asks for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.records import drifted
from trueup.domain.attribution import Attribution, Person
from trueup.domain.incident import DriftedObject, Incident, Message
from trueup.domain.incident_choice import Choice
from trueup.domain.incident_news import News, news
from trueup.domain.incident_story import closed
from trueup.domain.resource import ResourceKey

T0 = datetime(2026, 1, 31, 14, tzinfo=UTC)
OPEN = drifted("shop", T0, by="kubectl-edit", user="alice")
OVER = closed(OPEN, "Reverted", T0 + timedelta(minutes=1))
AGAIN = replace(OVER, closed_at=None, ending="", times=2)
TOLD = replace(
    OPEN,
    message=Message("C1", "1.2", T0),
    claimed_by="worker",
    claimed_until=T0,
    resource_version="9",
)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (None, OPEN, "opened"),
        (None, OVER, "closed"),
        (OPEN, OVER, "closed"),
        (OVER, AGAIN, "reopened"),
        (AGAIN, closed(AGAIN, "SelfHealed", T0 + timedelta(hours=1)), "closed"),
        (OVER, closed(AGAIN, "SelfHealed", T0 + timedelta(hours=1)), "closed"),
        (OPEN, replace(OPEN, trouble="cannot"), "changed"),
        (OVER, replace(OVER, objects=()), "changed"),
        (OPEN, OPEN, None),
        (OPEN, TOLD, None),
        (OPEN, None, "dropped"),
        (OVER, None, None),
        (None, None, None),
    ],
)
def test_a_turn_is_told_once_and_what_a_channel_was_told_is_none(
    before: Incident | None, after: Incident | None, told: News | None
) -> None:
    assert news(before, after) == told


def test_a_choice_lets_pass_what_it_names_and_all_of_what_it_leaves_out() -> None:
    assert Choice().admits(OPEN)
    assert Choice().admits(OVER)
    assert (Choice(is_open=True).admits(OPEN), Choice(is_open=True).admits(OVER)) == (True, False)
    assert (Choice(is_open=False).admits(OPEN), Choice(is_open=False).admits(OVER)) == (False, True)
    assert (Choice(application="shop").admits(OPEN), Choice(application="sho").admits(OPEN)) == (True, False)


def test_since_is_of_what_was_not_over_by_then() -> None:
    assert OVER.closed_at is not None
    assert Choice(since=OVER.closed_at).admits(OVER)
    assert not Choice(since=OVER.closed_at + timedelta(microseconds=1)).admits(OVER)
    assert Choice(since=T0 + timedelta(days=9)).admits(OPEN)


def test_by_is_of_users_and_of_managers_and_of_whoever_deleted_an_object() -> None:
    assert Choice(by="alice").admits(OPEN)
    assert Choice(by="kubectl-edit").admits(OPEN)
    for other in ("alic", "Alice", "alice with kubectl-edit", "unknown"):
        assert not Choice(by=other).admits(OPEN)
    by = Attribution("", "delete", person=Person("bob"))
    gone = DriftedObject(ResourceKey("", "ConfigMap", "default", "one"), "Missing", deleted_by=by)
    assert Choice(by="bob").admits(replace(OPEN, objects=(gone,)))


@pytest.mark.parametrize("name", ["alice as admin", "alice", "admin"])
def test_whoever_acted_as_another_is_found_by_either_name(name: str) -> None:
    assert Choice(by=name).admits(drifted("shop", T0, by="kubectl-edit", user="alice as admin"))
