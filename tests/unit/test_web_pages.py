"""The pages: every address has an answer, every answer is headed safely, and no value is ever markup."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.parts import Parts
from service.web.answers import POLICY
from service.web.assets import Assets
from service.web.facts import sheet_of
from service.web.pages import ROWS_MAX
from service.web.templates import Templates
from tests.support.pages import Markup, application, unstarted
from tests.support.records import drifted
from trueup.clients.applications import parse_application
from trueup.domain.application import ApplicationId
from trueup.domain.application_view import ApplicationView, Deployment
from trueup.domain.attribution import Attribution, Person
from trueup.domain.diffview.model import Line, ObjectView
from trueup.domain.incident import DriftedObject, Field, Flip, HistoryEntry, Incident
from trueup.domain.incident_story import closed
from trueup.domain.resource import ResourceKey

NOW = datetime(2026, 3, 1, 14, 5, 9, tzinfo=UTC)
TEMPLATES = Templates(Assets())
PEOPLE = {"Accept": "text/html,application/xhtml+xml"}
Loaded = tuple[Parts, TestClient[Any, Any]]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Loaded]:
    """With `shop`, which drifted, `dock` and `quay`, and what is on record of them."""
    async with unstarted(tmp_path) as (parts, http):
        parts.snapshots._loaded.set()
        parts.incidents.problem = ""
        for raw in (application("dock"), application("shop", sync="OutOfSync"), application("quay", project="harbour")):
            parts.snapshots.followed["Application"].on_change(None, raw)
        opened = replace(drifted("shop", NOW, by="kubectl-edit", user="alice"), name="shop.2")
        over = replace(closed(drifted("shop", NOW - timedelta(days=1)), "Reverted", NOW), name="shop.1")
        for incident in (opened, over):
            parts.incidents._put(incident.name, incident)
        yield parts, http


async def read(http: TestClient[Any, Any], path: str, status: int = 200) -> Markup:
    answer = await http.get(path, headers=PEOPLE)
    assert answer.status == status, await answer.text()
    assert answer.content_type == "text/html"
    return Markup(await answer.text())


@pytest.mark.parametrize("path", ["/", "/applications/shop", "/incidents", "/incidents/shop.2", "/incidents/shop.1"])
async def test_every_page_is_sound_markup_and_leads_nowhere_else(site: Loaded, path: str) -> None:
    page = await read(site[1], path)
    assert page.tags[0][0] == "html"
    for link in page.links:
        assert link.startswith(("/", "#")), link
        if link.startswith("/"):
            assert (await site[1].get(link, headers=PEOPLE)).status == 200, link


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/applications/shop", 200),
        ("/applications/nobody", 404),
        ("/incidents", 200),
        ("/incidents/nothing", 404),
        ("/nowhere", 404),
        ("/assets/page.0000.css", 404),
        ("/applications/..%2f..%2fetc", 404),
        ("/applications/%3Cscript%3E", 404),
    ],
)
async def test_every_page_forbids_what_it_does_not_need(site: Loaded, path: str, status: int) -> None:
    answer = await site[1].get(path, headers=PEOPLE)
    assert answer.status == status
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert "unsafe" not in POLICY
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["Cache-Control"] == "no-store"
    Markup(await answer.text())


async def test_a_program_that_takes_a_wrong_path_reads_json(site: Loaded) -> None:
    answer = await site[1].get("/nowhere")
    assert (answer.status, answer.content_type) == (404, "application/json")
    for path in ("/nowhere", "/api/v1/applications"):
        headers = (await site[1].get(path)).headers
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == ("no-store", "nosniff")


@pytest.mark.parametrize("path", ["/", "/applications/shop", "/incidents", "/incidents/shop.2", "/events?on=incidents"])
async def test_nothing_can_be_posted_to_a_page(site: Loaded, path: str) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert (await site[1].request(method, path, data=b"x")).status == 405


async def test_head_is_answered_as_get_without_a_body(site: Loaded) -> None:
    answer = await site[1].head("/", headers=PEOPLE)
    assert (answer.status, await answer.read()) == (200, b"")
    assert (await site[1].head("/events?on=incidents")).status == 405


async def test_before_applications_are_loaded_a_page_says_so_and_tries_again(tmp_path: Path) -> None:
    async with unstarted(tmp_path) as (_, http):
        for path in ("/", "/applications/shop", "/incidents", "/incidents/shop.1"):
            answer = await http.get(path, headers=PEOPLE)
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            assert 'http-equiv="refresh"' in await answer.text()


async def test_where_incidents_are_not_known_every_page_says_why(site: Loaded) -> None:
    parts, http = site
    parts.incidents.problem = "The cluster has no such kind."
    assert "The cluster has no such kind." in (await read(http, "/")).text
    assert "The cluster has no such kind." in (await read(http, "/incidents/unheard", 503)).text
    for name in ("shop.1", "shop.2"):
        parts.incidents._put(name, None)
    assert parts.incidents.open_ones == 0
    # That there is none, and that nobody knows, are not the same.
    assert "No incident is open." not in (await read(http, "/incidents")).text
    assert "No open incident" not in (await read(http, "/applications/shop")).text
    assert "none" not in (await read(http, "/")).text
    parts.incidents.problem = ""
    assert "No incident is open." in (await read(http, "/incidents")).text
    assert "No open incident" in (await read(http, "/applications/shop")).text
    assert "none" in (await read(http, "/")).text


def named(page: Markup) -> list[str]:
    """The applications that a page leads to, in its order."""
    return [link.removeprefix("/applications/") for link in page.links if link.startswith("/applications/")]


async def test_what_needs_somebody_comes_first(site: Loaded) -> None:
    assert named(await read(site[1], "/")) == ["shop", "dock", "quay"]
    assert named(await read(site[1], "/?sort=name")) == ["dock", "quay", "shop"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=O", {"dock", "shop"}),
        ("sync=OutOfSync", {"shop"}),
        ("health=Healthy", {"dock", "shop", "quay"}),
        ("project=harbour", {"quay"}),
        ("incident=open", {"shop"}),
        ("sync=OutOfSync&project=harbour", set()),
        ("sort=nonsense&page=-1", {"dock", "shop", "quay"}),
        ("page=99999", {"dock", "shop", "quay"}),
        ("page=" + "9" * 5_000, {"dock", "shop", "quay"}),
    ],
)
async def test_a_list_shows_what_its_address_asks_for(site: Loaded, query: str, found: set[str]) -> None:
    assert set(named(await read(site[1], f"/?{query}"))) == found


async def test_a_thousand_applications_come_page_by_page(site: Loaded) -> None:
    parts, http = site
    for number in range(1_000):
        parts.snapshots.followed["Application"].on_change(None, application(f"app-{number:04}"))
    seen: set[str] = set()
    address: str | None = "/?sort=name"
    pages = 0
    while address is not None:
        text = await (await http.get(address, headers=PEOPLE)).text()
        assert len(text) < 200_000
        page = Markup(text)
        seen |= {link for link in page.links if link.startswith("/applications/")}
        following = re.search(r'rel="next" href="([^"]+)"', text)
        address = following[1].replace("&amp;", "&") if following else None
        pages += 1
    assert len(seen) == 1_003
    assert pages == -(-1_003 // ROWS_MAX)


async def test_an_own_file_is_kept_for_ever_under_a_name_that_changes_with_it(site: Loaded) -> None:
    for link in (await read(site[1], "/")).links:
        if link.startswith("/assets/"):
            answer = await site[1].get(link)
            assert "immutable" in answer.headers["Cache-Control"]
            assert re.search(r"\.[0-9a-f]{16}\.(css|js|svg)$", link)
            assert answer.content_type in ("text/css", "text/javascript", "image/svg+xml")


async def test_without_a_worker_the_record_is_shown_and_called_one(site: Loaded) -> None:
    page = await read(site[1], "/applications/shop")
    assert "The look could not be asked for" in page.text
    assert "This is what was on record 2026-03-01 14:05:09 UTC." in page.text
    assert "data.mood" in page.text
    assert "alice" in page.text


async def test_a_program_that_calls_itself_a_person_is_called_a_manager_on_every_page(site: Loaded) -> None:
    parts, http = site
    incident = drifted("dock", NOW, by="mallory")
    flip = Flip(incident.objects[0].key, "data.mood", "mallory", (NOW, NOW))
    turn = HistoryEntry(NOW, "Opened", incident.writers, 1)
    parts.incidents._put("dock.1", replace(incident, name="dock.1", flips=(flip,), history=(turn,)))
    for path in ("/incidents", "/incidents/dock.1", "/applications/dock"):
        text = " ".join((await read(http, path)).text.split())
        assert text.count("mallory") == text.count("manager mallory") > 0, path


async def test_an_incident_says_all_that_the_api_server_knows_of_who_did_it(site: Loaded) -> None:
    text = (await read(site[1], "/incidents/shop.2")).text
    assert all(word in text for word in ("alice", "sailors", "192.0.2.7", "kubectl/v1.36"))
    assert "as the API server knows them" not in (await read(site[1], "/incidents/shop.1")).text


async def test_of_a_spec_nothing_shows_that_is_not_named(site: Loaded) -> None:
    parts, http = site
    source = {
        "repoURL": "https://ada:canary-1@git.example.com/a.git",
        "path": "a",
        "helm": {"parameters": [{"name": "password", "value": "canary-2"}], "values": "token: canary-3"},
    }
    raw = application("vault", source=source)
    raw["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "canary-4"}
    parts.snapshots.followed["Application"].on_change(None, raw)
    for path in ("/", "/applications/vault"):
        assert "canary" not in (await read(http, path)).text


async def test_what_looks_like_a_credential_in_a_message_is_masked(site: Loaded) -> None:
    parts, http = site
    raw = application("vault")
    told = "cloning https://ada:canary-1@git.example.com/a.git with ghp_0123456789abcdefcanary"
    raw["status"]["conditions"] = [{"type": "ComparisonError", "message": told}]
    raw["status"]["health"]["message"] = told
    raw["status"]["operationState"] = {"phase": "Failed", "message": told, "finishedAt": "2026-03-01T14:05:09Z"}
    raw["status"]["resources"][0]["health"] = {"status": "Degraded", "message": told}
    parts.snapshots.followed["Application"].on_change(None, raw)
    page = await read(http, "/applications/vault")
    assert page.text.count("cloning https://") == 4
    assert "canary" not in page.text


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+01:00", "yesterday", ""])
async def test_a_time_that_is_none_stays_what_it_is(site: Loaded, time: str) -> None:
    parts, http = site
    raw = application("clock")
    raw["status"]["operationState"] = {"phase": "Succeeded", "message": "done", "finishedAt": time}
    parts.snapshots.followed["Application"].on_change(None, raw)
    assert time in (await read(http, "/applications/clock")).text


def test_an_object_that_another_application_delivers_is_called_that() -> None:
    view = ApplicationView(None, "c0ffee", NOW, (ObjectView(ResourceKey("", "Pod", "shop", "web"), "OutOfSync", ()),))
    sheet = sheet_of(parse_application(application("shop")), None)
    facts = {"topics": [], "open_incidents": 0, "incidents_problem": "", "incidents": [], "incidents_left_out": 0}
    html = TEMPLATES.render("application.html", view=view, untold="", sheet=sheet, incident=None, **facts)
    assert "It is in the hands of another application." in Markup(html).text


# No value is markup


TEXT = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            "<script>alert(1)</script>",
            '"><img src=x onerror=alert(1)>',
            "' onmouseover='alert(1)",
            "</table></main><h1>gotcha</h1>",
            "{{ 7 * 7 }}",
            "{% include 'base.html' %}",
            "javascript:alert(1)",
            "<!--",
            "]]>",
            "&lt;b&gt;",
            "\x00\x1b[31m",
            "\u202egnp.exe",
        ]
    ),
)


def everything(value: str) -> dict[str, str]:
    """Every page with this text wherever a text can stand."""
    text = value or "-"
    raw = application(text, sync=text, health=text, project=text)
    raw["metadata"]["name"] = text
    raw["spec"]["destination"] = {"name": text, "namespace": text}
    raw["spec"]["source"] = {"repoURL": text, "path": text, "targetRevision": text}
    raw["status"]["conditions"] = [{"type": f"{text}Error", "message": text}]
    raw["status"]["health"]["message"] = text
    raw["status"]["sync"]["revision"] = text
    raw["status"]["operationState"] = {"phase": text, "message": text, "finishedAt": text}
    raw["status"]["resources"] = [
        {"kind": text, "group": text, "namespace": text, "name": text, "status": text, "health": {"status": text}}
    ]
    key = ResourceKey(text, text, text, text)
    by = Attribution(text, text, text, text, Person(text, (text,), text, text))
    places = (Field(text, "changed", text, text, text, text, text, by.person), Field(text, "extra", text, text, text))
    incident = Incident(
        ApplicationId("argocd", text),
        "uid",
        text,
        "Drift",
        text,
        NOW,
        NOW,
        (DriftedObject(key, "OutOfSync", places), DriftedObject(key, "Missing", deleted_by=by)),
        trouble=text,
        times=2,
        flips=(Flip(key, text, text, (NOW,), text),),
        history=(HistoryEntry(NOW, "Opened", (text,), 2), HistoryEntry(NOW, "Closed", (text,), 0, "Reverted")),
        name=text,
    )
    lines = (
        Line("same", 0, text, text),
        Line("changed", 1, text, text, text, by, text),
        Line("extra", 1, None, text, text, by, text, counts=False),
        Line("fold", 1, None, None, note=text),
    )
    view = ApplicationView(
        None, text, NOW, (ObjectView(key, "OutOfSync", lines, 3),), 2, (Deployment(1, text, text, text),)
    )
    facts = {"topics": [text], "last": text, "open_incidents": 1, "incidents_problem": text}
    sheet = sheet_of(parse_application(raw), incident)
    about: dict[str, object] = {"sheet": sheet, "incident": incident, "incidents": [incident], "incidents_left_out": 1}
    return {
        "application": TEMPLATES.render("application.html", view=view, untold="", **about, **facts),
        "untold": TEMPLATES.render("application.html", view=None, untold=text, **about, **facts),
        "incident": TEMPLATES.render("incident.html", incident=incident, flips=incident.flips, **facts),
        "incidents": TEMPLATES.render(
            "incidents.html", opened=[incident], closed=[incident], opened_left_out=1, closed_left_out=0, **facts
        ),
        "failure": TEMPLATES.render("failure.html", status=404, sentence=text, retry_after_seconds=1, **facts),
    }


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXT)
def test_no_value_changes_the_markup_of_a_page(value: str) -> None:
    plain = {name: Markup(html).tags for name, html in everything("plain").items()}
    assert {name: Markup(html).tags for name, html in everything(value).items()} == plain
