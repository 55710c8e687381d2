"""The stream of events: bounded in readers, in what waits for each, and in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient

from service.answers import RefusedError
from service.parts import Parts
from service.web.events import PENDING_MAX, RELOAD, TOPICS_MAX, Events, Reader, StreamBounds
from tests.support.pages import application, change, read_event, unstarted
from trueup.clients.applications import parse_application


def topics(count: int) -> frozenset[str]:
    return frozenset(f"application/{number}" for number in range(count))


async def test_a_reader_hears_once_of_what_changed_many_times() -> None:
    reader = Reader(frozenset({"applications", "incidents"}))
    for _ in range(1_000):
        reader.hear(["applications", "application/shop"])
    assert await reader.next(seconds_max=1) == ("applications",)
    assert await reader.next(seconds_max=0.001) == ()


async def test_a_slow_reader_gets_one_word_for_everything_and_no_growing_queue() -> None:
    reader = Reader(topics(TOPICS_MAX))
    for topic in sorted(topics(TOPICS_MAX)):
        reader.hear([topic])
        assert len(reader._pending) <= PENDING_MAX
    assert await reader.next(seconds_max=1) == (RELOAD,)
    reader.hear(["application/1"])
    assert await reader.next(seconds_max=1) == ("application/1",)


async def test_no_more_readers_than_there_may_be() -> None:
    events = Events(StreamBounds(event_streams_max=2))
    with events.reading(topics(1)), events.reading(topics(1)):
        with pytest.raises(RefusedError) as refused, events.reading(topics(1)):
            pass
        assert refused.value.status == 503
    with events.reading(topics(1)):
        assert events.readers == 1


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[tuple[Parts, TestClient[Any, Any]]]:
    async with unstarted(tmp_path, event_streams_max=2, event_heartbeat_seconds=0.05) as (parts, http):
        yield parts, http


async def test_a_browser_hears_of_what_it_asked_for(live: tuple[Parts, TestClient[Any, Any]]) -> None:
    parts, http = live
    async with http.get("/events?on=applications&on=application/shop") as stream:
        assert stream.content_type == "text/event-stream"
        assert stream.headers["Cache-Control"] == "no-store"
        assert (await read_event(stream))["event"] == "hello"
        raw = application("shop")
        change(parts, None, raw)
        assert [(await read_event(stream))["data"] for _ in range(2)] == ["application/shop", "applications"]


async def test_a_list_hears_nothing_of_what_does_not_show_in_it(live: tuple[Parts, TestClient[Any, Any]]) -> None:
    parts, http = live
    async with http.get("/events?on=applications&on=application/shop") as stream:
        await read_event(stream)
        before, after = application("shop"), application("shop")
        after["status"]["reconciledAt"] = "2026-03-01T00:00:00Z"
        change(parts, before, after)
        assert (await read_event(stream))["data"] == "application/shop"
        change(parts, after, application("shop", sync="OutOfSync"))
        assert [(await read_event(stream))["data"] for _ in range(2)] == ["application/shop", "applications"]
        assert parse_application(after).id.name == "shop"


async def test_who_comes_back_is_told_to_look_anew_only_where_something_passed(
    live: tuple[Parts, TestClient[Any, Any]],
) -> None:
    parts, http = live
    async with http.get("/events?on=applications") as stream:
        last = (await read_event(stream))["id"]
    for missed, told in ((False, "applications"), (True, RELOAD)):
        if missed:
            change(parts, None, application("dock"))
        async with http.get("/events?on=applications", headers={"Last-Event-ID": last}) as stream:
            await read_event(stream)
            if not missed:
                change(parts, None, application("shop"))
            event = await read_event(stream)
            assert event["data"] == told
            last = event["id"]
    async with http.get("/events?on=applications", headers={"Last-Event-ID": "of-another-process"}) as stream:
        await read_event(stream)
        assert (await read_event(stream))["data"] == RELOAD


async def test_too_many_pages_are_told_that_they_are_not_live(live: tuple[Parts, TestClient[Any, Any]]) -> None:
    http = live[1]
    async with http.get("/events?on=a") as one, http.get("/events?on=a") as two:
        await read_event(one)
        await read_event(two)
        assert (await http.get("/events?on=a")).status == 503


@pytest.mark.parametrize(
    "query", ["", "?on=", "?" + "&".join(f"on={number}" for number in range(TOPICS_MAX + 1)), "?on=" + "a" * 400]
)
async def test_a_stream_of_nothing_or_of_too_much_is_refused(
    live: tuple[Parts, TestClient[Any, Any]], query: str
) -> None:
    assert (await live[1].get(f"/events{query}")).status == 400


async def test_a_silent_stream_says_that_it_lives(live: tuple[Parts, TestClient[Any, Any]]) -> None:
    async with live[1].get("/events?on=a") as stream:
        async with asyncio.timeout(10):
            while b"beat" not in await stream.content.readline():
                pass


async def test_the_end_of_the_process_ends_every_stream_and_begins_none(tmp_path: Path) -> None:
    async with unstarted(tmp_path) as (parts, http), http.get("/events?on=a") as stream:
        await read_event(stream)
        await parts.public.shutdown()
        async with asyncio.timeout(10):
            assert await stream.content.read() == b""
        assert (await http.get("/events?on=a")).status == 503


async def test_a_reader_who_takes_nothing_loses_the_stream(tmp_path: Path) -> None:
    bounds = {"event_write_seconds_max": 0.1, "event_heartbeat_seconds": 0.0001}
    async with unstarted(tmp_path, **bounds) as (_, http), http.get("/events?on=a") as stream:
        await read_event(stream)
        server: Any = http.server
        (connection,) = server.runner.server.connections
        # As the transport does it once its buffer is full; 64 KiB more are written before that is waited for.
        connection.pause_writing()
        with pytest.raises(aiohttp.ClientError):
            async with asyncio.timeout(60):
                await stream.content.read()
