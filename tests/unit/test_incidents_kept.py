"""What an incident keeps: how much was left out, and of big texts only what is safe to show."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from trueup.clients.incident_records import next_name, read_record
from trueup.domain.application import ApplicationId
from trueup.domain.diff import Change
from trueup.domain.incident import OBJECTS_MAX, DriftedObject, Found
from trueup.domain.incident_story import opened
from trueup.domain.redact import Redactor
from trueup.domain.resource import ResourceKey
from trueup.domain.shown import SEARCHED_CHARS_MAX, VALUE_CHARS_MAX, shown_values

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
APPLICATION = ApplicationId("argocd", "shop")
CONFIG = ResourceKey("", "ConfigMap", "shop", "one")
SECRET = "yes horse battery staple"


#: Masked, thousands of characters of it are a few: what stands behind it is within what is shown.
LONG = "0123456789" * 200


def found(*names: str, scope: frozenset[ResourceKey] | None = None) -> Found:
    objects = tuple(DriftedObject(replace(CONFIG, name=name), "OutOfSync") for name in names)
    return Found(APPLICATION, "u", "home", "Drift", "c1", objects, scope=scope)


def test_a_look_in_part_does_not_forget_how_much_was_left_out() -> None:
    names = [f"o{number:03}" for number in range(5 * OBJECTS_MAX)]
    whole = opened(None, found(*names), NOW)
    assert whole.objects_left_out == 4 * OBJECTS_MAX
    for name in (names[0], names[-1]):
        part = opened(whole, found(name, scope=frozenset({replace(CONFIG, name=name)})), NOW)
        assert (len(part.objects), part.objects_left_out) == (OBJECTS_MAX, 4 * OBJECTS_MAX)
    assert opened(whole, found(names[0]), NOW).objects_left_out == 0


def test_who_does_not_know_the_latest_record_chooses_the_name_it_has() -> None:
    first = next_name(APPLICATION, [])
    assert first == "shop.1"
    assert next_name(APPLICATION, [first, "shop.9", "shop.10"]) == "shop.11"
    assert next_name(APPLICATION, ["shop.x", "odd", f"shop.{'9' * 300}"]) == first
    assert len(next_name(replace(APPLICATION, name="a" * 253), ["shop.9"])) <= 253


def shown(text: str) -> str:
    redactor = Redactor()
    redactor.add(SECRET)
    redactor.add(LONG)
    live, _ = shown_values(Change(("data", "k"), "changed", "", text, "/data/k", ()), CONFIG, redactor)
    return live


@settings(max_examples=400)
@given(
    st.integers(SEARCHED_CHARS_MAX - 30, SEARCHED_CHARS_MAX + 2),
    st.sampled_from([SECRET, "https://me:s3cr3t-of-mine@git.example.com", "ghp_" + "s3cr3tofmine" * 3]),
    st.sampled_from(["word ", "w", LONG + " ", "https://a:b@c/ "]),
)
def test_a_cut_through_a_secret_does_not_show_it(at: int, secret: str, filling: str) -> None:
    whole = filling * (at // len(filling) - 1)
    filled = whole + ("https://" + "p" * at)[: at - len(whole) - 3] + "@c "
    text = shown(f"{filled}{secret} {'more ' * 100}")
    assert len(text) <= VALUE_CHARS_MAX
    assert "yes" not in text
    assert "s3cr" not in text


@given(st.text(max_size=600))
def test_what_is_not_cut_is_shown_as_it_is_searched(text: str) -> None:
    redactor = Redactor()
    redactor.add(SECRET)
    whole = redactor.text(orjson.dumps(text).decode())
    assert shown(text).removesuffix("…") in whole


def test_a_record_with_a_time_before_all_times_is_read() -> None:
    never = "0001-01-01T00:00:00+14:00"
    status = {"updatedAt": never, "closedAt": never, "phase": "Closed", "history": [{"time": never, "what": "Opened"}]}
    incident = read_record({"metadata": {"name": "x"}, "spec": {"openedAt": never}, "status": status})
    assert (incident.opened_at, incident.is_open) == (incident.updated_at, False)
