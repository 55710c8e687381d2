"""How long an incident lasted is said in the unit that tells most."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from trueup.domain.application import ApplicationId
from trueup.domain.incident import Found
from trueup.domain.incident_story import closed, opened
from trueup.domain.slack_message import announcement

OPENED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.02, "20 ms"), (0.9994, "999 ms"), (1.1, "1.1 s"), (59, "59 s"), (600, "10 min"), (7200, "2 h")],
)
def test_an_ended_incident_says_how_long_it_lasted(seconds: float, words: str) -> None:
    found = Found(ApplicationId("argocd", "tides"), "uid", "", "Drift", "a" * 40, ())
    ended = closed(opened(None, found, OPENED_AT), "SelfHealed", OPENED_AT + timedelta(seconds=seconds))
    assert f"healed by self-heal, after {words}." in announcement(ended).text
