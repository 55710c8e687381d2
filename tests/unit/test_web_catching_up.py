"""Between a page and its stream nothing is lost, and what does not concern the page does not have it fetched anew."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, make_mocked_request

from service.parts import Parts
from service.web.events import RELOAD
from tests.support.pages import application, change, read_event, unstarted
from tests.support.records import drifted

NOW = datetime(2026, 3, 1, 14, 5, 9, tzinfo=UTC)
Live = tuple[Parts, TestClient[Any, Any]]


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    async with unstarted(tmp_path) as (parts, http):
        parts.snapshots._loaded.set()
        parts.incidents.problem = ""
        parts.snapshots.followed["Application"].on_change(None, application("shop"))
        yield parts, http


def position(html: str) -> str:
    """Where a page says that its stream is to go on."""
    found = re.search(r'<body [^>]*data-last="([^"]+)"', html)
    assert found is not None
    return found[1]


async def rendered(http: TestClient[Any, Any], path: str) -> str:
    return position(await (await http.get(path, headers={"Accept": "text/html"})).text())


async def first_told(parts: Parts, http: TestClient[Any, Any], topic: str, last: str) -> str:
    """What a stream tells first that goes on from there, where `topic` changes once it has begun."""
    async with http.get("/events", params={"on": topic, "last": last}) as stream:
        assert (await read_event(stream))["event"] == "hello"
        change(parts, application("shop"), application("shop", sync="Unknown"))
        return (await read_event(stream))["data"]


@pytest.mark.parametrize(("path", "topic"), [("/", "applications"), ("/applications/shop", "application/shop")])
async def test_what_changes_between_a_page_and_its_stream_is_told(live: Live, path: str, topic: str) -> None:
    parts, http = live
    last = await rendered(http, path)
    assert await first_told(parts, http, topic, last) == topic, "nothing was missed yet"
    last = await rendered(http, path)
    change(parts, application("shop"), application("shop", sync="OutOfSync"))
    assert await first_told(parts, http, topic, last) == RELOAD


async def test_an_incident_that_opens_between_a_page_and_its_stream_is_told(live: Live) -> None:
    parts, http = live
    for path, topic in (("/incidents", "incidents"), ("/incidents/shop.1", "incident/shop.1")):
        parts.incidents._put("shop.1", replace(drifted("shop", NOW), name="shop.1"))
        last = await rendered(http, path)
        parts.incidents._put("shop.1", replace(drifted("shop", NOW, by="kubectl-edit"), name="shop.1"))
        assert await first_told(parts, http, topic, last) == RELOAD


async def test_what_changes_while_a_page_waits_for_a_worker_is_told(live: Live) -> None:
    parts, http = live
    request = make_mocked_request("GET", "/applications/shop", app=parts.public, match_info={"name": "shop"})
    handler = next(
        route.handler
        for route in parts.public.router.routes()
        if route.resource is not None and route.resource.canonical == "/applications/{name}"
    )
    making = asyncio.ensure_future(handler(request))
    # It runs until it first waits: for the answer to its look.
    await asyncio.sleep(0)
    assert not making.done()
    change(parts, application("shop"), application("shop", sync="OutOfSync"))
    page = await making
    assert isinstance(page, web.Response)
    assert page.text is not None
    assert await first_told(parts, http, "application/shop", position(page.text)) == RELOAD


async def test_what_does_not_concern_a_page_does_not_have_it_fetched_anew(live: Live) -> None:
    parts, http = live
    last = await rendered(http, "/applications/shop")
    change(parts, None, application("dock"))
    assert await first_told(parts, http, "application/shop", last) == "application/shop"


@pytest.mark.parametrize("how", ["header", "parameter"])
@pytest.mark.parametrize("last", ["", "of-another-process", "0" * 4_000, "{run}-999", "{run}-00", "{run}-\u0660"])
async def test_a_position_that_was_never_given_has_the_page_fetched_anew_however_it_is_sent(
    live: Live, how: str, last: str
) -> None:
    run = (await rendered(live[1], "/")).partition("-")[0]
    last = last.format(run=run)
    headers, params = ({"Last-Event-ID": last}, {}) if how == "header" else ({}, {"last": last})
    async with live[1].get("/events", params={"on": "applications", **params}, headers=headers) as stream:
        assert (await read_event(stream))["event"] == "hello"
        assert (await read_event(stream))["data"] == RELOAD


async def test_what_a_browser_heard_last_counts_more_than_what_its_address_says(live: Live) -> None:
    parts, http = live
    last = await rendered(http, "/")
    change(parts, None, application("dock"))
    heard = await rendered(http, "/")
    params = {"on": "applications", "last": last}
    async with http.get("/events", params=params, headers={"Last-Event-ID": heard}) as stream:
        await read_event(stream)
        change(parts, None, application("quay"))
        assert (await read_event(stream))["data"] == "applications"


async def test_a_page_that_is_never_live_names_no_position(live: Live) -> None:
    answer = await live[1].get("/nowhere", headers={"Accept": "text/html"})
    assert "data-last" not in await answer.text()
