"""A stranger can take only so much: memory, time and connections, on a real socket."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest_asyncio
from aiohttp import web

from service.connections import ConnectionBounds, Gate, GatedSite, note_request
from tests.support.fixtures import in_own_task
from tests.support.github import SECRET, delivery, push_of
from tests.support.service import (
    REPO,
    SECONDS,
    Service,
    create_application,
    running_service,
    set_webhook_secret,
    settings_for,
)
from tests.support.wait import wait_until
from trueup.clients.cluster import Cluster

BODY_BYTES_MAX = 64 * 1024
IN_FLIGHT_BYTES_MAX = 100 * 1024
BOUNDS: dict[str, Any] = {
    "webhook_body_bytes_max": BODY_BYTES_MAX,
    "webhook_bytes_in_flight_max": IN_FLIGHT_BYTES_MAX,
    "connections_max": 30,
}


@pytest_asyncio.fixture(loop_scope="session")
async def service(cluster: Cluster, namespace: str, valkey_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    await set_webhook_secret(cluster, namespace, webhook_github_secret=SECRET)
    await create_application(cluster, namespace, "shop", REPO)
    async with in_own_task(running_service(settings_for(namespace, valkey_url, tmp_path, **BOUNDS), cluster)) as it:
        yield it


class Wire:
    """One connection, spoken to byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def status(self) -> int:
        async with asyncio.timeout(SECONDS):
            return int((await self.reader.readline()).split()[1])

    async def is_closed(self) -> bool:
        try:
            async with asyncio.timeout(SECONDS):
                return await self.reader.read(-1) is not None
        except ConnectionResetError:
            return True


@asynccontextmanager
async def wire_to(address: str) -> AsyncIterator[Wire]:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()


def head(*lines: str) -> bytes:
    fixed = ("POST /api/webhook HTTP/1.1", "Host: localhost", "Content-Type: application/json", "X-GitHub-Event: push")
    return "\r\n".join((*fixed, *lines, "", "")).encode()


CHUNKED = head("Transfer-Encoding: chunked")


def chunk(size: int) -> bytes:
    return b"%x\r\n%s\r\n" % (size, b"x" * size)


async def is_well(service: Service) -> None:
    assert (await service.push()).status == 202


async def test_stated_length_over_the_bound_is_refused_before_the_body(service: Service) -> None:
    async with wire_to(service.listen) as wire:
        await wire.send(head(f"Content-Length: {BODY_BYTES_MAX + 1}"))
        assert await wire.status() == 413
        # The sender is told, so that it does not send the rest.
        assert b"\r\nConnection: close\r\n" in await wire.reader.readuntil(b"\r\n\r\n")
    await is_well(service)


async def test_endless_chunked_body_is_cut_at_the_bound(service: Service) -> None:
    async with wire_to(service.listen) as wire:
        await wire.send(CHUNKED)
        answered = asyncio.create_task(wire.status())
        sent = 0
        while not answered.done() and sent < 1000 * BODY_BYTES_MAX:
            try:
                await wire.send(chunk(4096))
            except ConnectionError:
                break
            sent += 4096
        assert await answered == 413
    await is_well(service)


async def test_body_of_exactly_the_bound_is_read(service: Service) -> None:
    body = push_of(REPO)
    body += b" " * (BODY_BYTES_MAX - len(body))
    assert (await service.post(body, delivery(body))).status == 202


async def test_compressed_body_is_refused_and_not_inflated(service: Service) -> None:
    bomb = gzip.compress(b"0" * 10_000_000)
    for encoding in ("gzip", "deflate", "br", "zstd", "identity", "x"):
        answer = await service.post(bomb, delivery(bomb) | {"Content-Encoding": encoding})
        assert answer.status == 415
    await is_well(service)


async def test_body_that_never_comes_ends_at_the_deadline(
    cluster: Cluster, namespace: str, valkey_url: str, tmp_path: Path
) -> None:
    settings = settings_for(namespace, valkey_url, tmp_path, webhook_body_seconds_max=0.2)
    async with running_service(settings, cluster) as service, wire_to(service.listen) as wire:
        await wire.send(head("Content-Length: 100") + b"x")
        assert await wire.status() == 408
        assert await wire.is_closed()


async def test_bodies_under_way_are_bounded_together(service: Service) -> None:
    async with AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(wire_to(service.listen)) for _ in range(4)]
        for wire in wires:
            await wire.send(CHUNKED + chunk(BODY_BYTES_MAX // 2))
        answers = [asyncio.create_task(wire.status()) for wire in wires]
        done, waiting = await asyncio.wait(answers, timeout=SECONDS, return_when=asyncio.FIRST_COMPLETED)
        assert {answer.result() for answer in done} == {503}
        assert waiting
        for answer in waiting:
            answer.cancel()

    async def has_room_again() -> bool:
        return (await service.push()).status == 202

    await wait_until(has_room_again, SECONDS, "the room of those who left is free")


async def test_announced_lengths_reserve_nothing(service: Service) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(10):
            wire = await stack.enter_async_context(wire_to(service.listen))
            await wire.send(head(f"Content-Length: {BODY_BYTES_MAX}"))
        await is_well(service)


async def test_sender_that_leaves_midway_harms_nobody(service: Service) -> None:
    for start in (head("Content-Length: 100") + b"x", CHUNKED + b"5\r\nab", CHUNKED + b"zz\r\n", b"POST /api"):
        async with wire_to(service.listen) as wire:
            await wire.send(start)
    await is_well(service)


async def test_two_lengths_or_a_length_beside_chunks_are_refused(service: Service) -> None:
    for lines in (("Content-Length: 5", "Content-Length: 6"), ("Content-Length: 5", "Transfer-Encoding: chunked")):
        async with wire_to(service.listen) as wire:
            await wire.send(head(*lines) + b"0\r\n\r\n")
            assert await wire.status() == 400
            assert await wire.is_closed()


async def test_connections_are_bounded_and_probes_have_their_own(service: Service) -> None:
    async with AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(wire_to(service.listen)) for _ in range(BOUNDS["connections_max"] + 5)]
        reads = [asyncio.create_task(wire.status()) for wire in wires]
        done, waiting = await asyncio.wait(reads, timeout=SECONDS, return_when=asyncio.FIRST_COMPLETED)
        assert {read.result() for read in done} == {503}
        assert len(waiting) <= BOUNDS["connections_max"]
        assert (await service.get("/readyz", ops=True)).status == 200
        for read in waiting:
            read.cancel()

    async def is_free_again() -> bool:
        return (await service.push()).status == 202

    await wait_until(is_free_again, SECONDS, "room for connections again")


async def hello(_request: web.Request) -> web.Response:
    return web.Response(text="hello")


@asynccontextmanager
async def gated(bounds: ConnectionBounds) -> AsyncIterator[tuple[str, Gate]]:
    app = web.Application(middlewares=[note_request])
    app.router.add_get("/", hello)
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=bounds.keepalive_seconds_max)
    await runner.setup()
    gate = Gate(bounds)
    site = GatedSite(runner, "127.0.0.1", 0, gate)
    await site.start()
    try:
        yield site.address, gate
    finally:
        await runner.cleanup()


async def test_headers_that_never_end_end_the_connection() -> None:
    async with gated(ConnectionBounds(connections_max=5, headers_seconds_max=0.2)) as (address, gate):
        for start in (b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: 1"):
            async with wire_to(address) as wire:
                await wire.send(start)
                assert await wire.is_closed()
        await wait_until(lambda: gate.open == 0, SECONDS, "every connection is counted out")


async def test_connection_that_has_asked_is_kept_past_that_deadline() -> None:
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    async with (
        gated(ConnectionBounds(connections_max=5, headers_seconds_max=0.3)) as (address, _gate),
        wire_to(address) as kept,
        wire_to(address) as silent,
    ):
        await kept.send(request)
        assert await kept.status() == 200
        assert await silent.is_closed()
        await kept.send(request)
        assert b"hello" in await kept.reader.readuntil(b"hello")
        assert await kept.status() == 200


async def test_idle_connection_is_ended() -> None:
    bounds = ConnectionBounds(connections_max=5, keepalive_seconds_max=0.2)
    async with gated(bounds) as (address, _gate), wire_to(address) as wire:
        await wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await wire.status() == 200
        assert await wire.is_closed()
