"""Whatever an incident holds, Slack takes the message about it and is told what it leaves out."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from trueup.domain.application import ApplicationId
from trueup.domain.attribution import Person
from trueup.domain.incident import DriftedObject, Field, Found, Incident
from trueup.domain.incident_story import closed, opened
from trueup.domain.resource import ResourceKey
from trueup.domain.slack_message import MESSAGE_WEIGHT_MAX, Announcement, announcement
from trueup.sandbox.slack_server import refusal_of

OPENED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
#: One character of each weight that JSON gives one, and those that Slack escapes.
TEXTS = st.builds(lambda one, times: one * times, st.sampled_from('a"\\\n\0é⚓🚢&<`'), st.integers(0, 700))


def drifted(objects: int, fields: int, text: str) -> Incident:
    held = tuple(Field(f"data[{text}{n}]", "changed", text, text, text[:128]) for n in range(fields))
    found = tuple(
        DriftedObject(ResourceKey("apps", "Deployment", "harbour", f"quay-{n}"), "OutOfSync", held)
        for n in range(objects)
    )
    return opened(
        None, Found(ApplicationId("argocd", "tides"), "uid", text, "Drift", "a" * 40, found, trouble=text), OPENED_AT
    )


def shown(told: Announcement) -> str:
    return json.dumps(told.blocks)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 30), st.integers(0, 40), TEXTS, st.booleans(), st.sampled_from(["", "https://trueup.example"]))
def test_slack_takes_the_message_whatever_the_incident_holds(
    objects: int, fields: int, text: str, gone: bool, url: str
) -> None:
    incident = drifted(objects, fields, text)
    for one in (incident, closed(incident, "Reverted", OPENED_AT + timedelta(seconds=9))):
        told = announcement(one, public_url=url, gone=gone)
        assert refusal_of(list(told.blocks)) == ""
        assert len(shown(told)) <= MESSAGE_WEIGHT_MAX
        named = len(set(re.findall(r"quay-\d+", shown(told))))
        more = re.search(r"and (\d+) objects more: `trueup drift show tides`", shown(told))
        assert named + (int(more[1]) if more else 0) == objects, "each object is shown or counted"


def test_a_large_incident_is_shown_in_part_and_not_refused() -> None:
    told = announcement(drifted(20, 30, "x" * 200))
    assert len(re.findall(r"quay-\d+", shown(told))) >= 5
    assert "fields more" in shown(told)


def texts_of(value: object) -> list[dict[str, object]]:
    """Every text that Slack reads for its own syntax."""
    if isinstance(value, list | tuple):
        return [found for each in value for found in texts_of(each)]
    if not isinstance(value, dict):
        return []
    return [value] if value.get("type") == "mrkdwn" else [found for each in value.values() for found in texts_of(each)]


def test_slack_makes_no_link_no_mention_and_no_code_of_what_a_value_or_a_name_says() -> None:
    words = "see https://evil.example @here #general <!channel> ```x` *y*"
    field = Field("data.a", "changed", json.dumps(words), json.dumps(words + "z"), words, person=Person(words))
    incident = drifted(1, 1, "calm")
    incident = replace(incident, objects=(replace(incident.objects[0], fields=(field,)),))
    found = texts_of(announcement(incident, public_url="https://trueup.example").blocks)
    assert len(found) >= 6
    assert all(text["verbatim"] is True for text in found), "nothing that only looks like a link becomes one"
    whole = "\n".join(str(text["text"]) for text in found)
    assert re.findall("<[^>]*>", whole) == ["<https://trueup.example/applications/tides|Look at it>"]
    assert re.findall("`+", whole) == ["```", "```"], "those around the fields"


def test_the_server_refuses_what_slack_refuses() -> None:
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3_000}}
    assert refusal_of([section] * 3) == ""
    assert refusal_of([section] * 4) == "msg_blocks_too_long"
    assert refusal_of([{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3_001}}]) == "invalid_blocks"
    assert refusal_of([{"type": "section", "text": {"type": "mrkdwn", "text": "x"}}] * 51) == "invalid_blocks"


def test_an_incident_that_is_over_is_looked_up_on_record() -> None:
    incident = drifted(1, 1, "calm")
    assert "`trueup app diff tides`" in shown(announcement(incident))
    over = shown(announcement(closed(incident, "Reverted", OPENED_AT)))
    assert "`trueup drift show tides`" in over
    assert "app diff" not in over
