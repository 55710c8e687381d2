"""Queues on a Valkey of the test's own, with real time or with time that the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from redis.asyncio import Redis

from trueup.clients.queue import DEFAULT_PREFIX, Queue
from trueup.clients.queue_scripts import DEFAULT_BOUNDS, QueueBounds
from trueup.clients.redis import connect
from trueup.domain.job import EVERYTHING, Claim, Job, Priority, Scope
from trueup.sandbox.valkey import Valkey, valkey_server

START_MS = 1_800_000_000_000
_CLOCK_KEY = "{trueup}:clock-of-the-test"
_MOVED_BY_HAND = f"local function clock() return tonumber(redis.call('GET', '{_CLOCK_KEY}') or '{START_MS}') end"


class ManualClock:
    """Stands still unless it is told otherwise. The scripts are the real ones; only `clock()` is another."""

    source = _MOVED_BY_HAND

    def __init__(self, client: Redis) -> None:
        self._client = client
        self.milliseconds = START_MS

    @property
    def seconds(self) -> float:
        return self.milliseconds / 1000

    async def advance(self, seconds: float) -> None:
        self.milliseconds += round(seconds * 1000)
        await self.restore()

    async def restore(self) -> None:
        """Set it again after Redis was emptied."""
        await self._client.set(_CLOCK_KEY, self.milliseconds)


def app(
    name: str,
    priority: Priority = Priority.PUSH,
    *,
    scope: Scope = EVERYTHING,
    delay_seconds: float = 0,
    tip: str = "",
) -> Job:
    return Job("application", f"argocd/{name}", scope, priority, delay_seconds, tip)


def only(*members: str) -> Scope:
    return Scope(frozenset(members))


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[Redis]:
    client = connect(url)
    try:
        yield client
    finally:
        await client.aclose()


@asynccontextmanager
async def real_queue(
    directory: Path, *, bounds: QueueBounds = DEFAULT_BOUNDS, epoch: int | None = 1
) -> AsyncIterator[tuple[Queue, Redis, Valkey]]:
    async with valkey_server(directory) as server, client_of(server.url) as client:
        queue = Queue(client, bounds=bounds)
        if epoch is not None:
            assert await queue.open_epoch(epoch)
        yield queue, client, server


@asynccontextmanager
async def clocked_queue(
    directory: Path, *, bounds: QueueBounds = DEFAULT_BOUNDS, epoch: int | None = 1
) -> AsyncIterator[tuple[Queue, ManualClock, Redis]]:
    async with valkey_server(directory) as server, client_of(server.url) as client:
        queue = Queue(client, bounds=bounds, prefix=DEFAULT_PREFIX, clock=ManualClock.source)
        if epoch is not None:
            assert await queue.open_epoch(epoch)
        yield queue, ManualClock(client), client


async def claimed(queue: Queue, *, wait_seconds_max: float = 0) -> Claim:
    claim = await queue.claim(wait_seconds_max=wait_seconds_max)
    assert claim is not None, "nothing to claim"
    return claim
