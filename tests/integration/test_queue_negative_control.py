"""The same pause, flush and check against the queue and against two locks that are known to be unsafe.

If the check did not catch those, it would prove nothing about the queue.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from redis.asyncio import Redis

from tests.support.queues import ManualClock, claimed, client_of
from trueup.clients.queue import Queue
from trueup.domain.job import EVERYTHING, Job, Priority, Token
from trueup.sandbox.valkey import valkey_server

JOB = Job("application", "argocd/a", EVERYTHING, Priority.PUSH)


class Lock(Protocol):
    #: Whether what the workers write to looks at the token.
    fenced: bool

    async def take(self) -> Token: ...
    async def lapse(self) -> None: ...
    async def reopen(self) -> None: ...


@dataclass
class SetNxLock:
    """`SET NX PX` and trust that the work is done before it expires."""

    client: Redis
    fenced: bool = False

    async def take(self) -> Token:
        assert await self.client.set("lock", "held", nx=True, px=60_000)
        return Token(0, 0)

    async def lapse(self) -> None:
        await self.client.delete("lock")

    async def reopen(self) -> None: ...


@dataclass
class IncrLock(SetNxLock):
    """The same with a fencing token that lives only in Redis."""

    fenced: bool = True

    async def take(self) -> Token:
        await super().take()
        return Token(0, await self.client.incr("fence"))


@dataclass
class QueueLock:
    queue: Queue
    clock: ManualClock
    epoch: int = 0
    fenced: bool = True

    async def take(self) -> Token:
        await self.queue.enqueue([JOB])
        return (await claimed(self.queue)).token

    async def lapse(self) -> None:
        await self.clock.advance(3600)

    async def reopen(self) -> None:
        self.epoch += 1
        assert await self.queue.open_epoch(self.epoch)


async def violations(lock: Lock, client: Redis) -> set[str]:
    """Let workers be paused past their lease and Redis be lost, and say what went wrong."""
    found = set()
    highest = Token(0, 0)

    def write(token: Token, *, holder: bool) -> None:
        # A worker may be paused between its last look at the lock and the write: only the fence can tell.
        nonlocal highest
        accepted = not lock.fenced or token >= highest
        highest = max(token, highest)
        if accepted and not holder:
            found.add("a stale worker wrote")
        if holder and not accepted:
            found.add("the holder was locked out")

    await lock.reopen()
    paused = await lock.take()
    await lock.lapse()
    second = await lock.take()
    write(second, holder=True)
    write(paused, holder=False)
    await client.flushall()
    await lock.reopen()
    third = await lock.take()
    write(third, holder=True)
    write(second, holder=False)
    return found


async def test_the_check_catches_locks_that_are_known_to_be_unsafe(tmp_path: Path):
    async with valkey_server(tmp_path) as server, client_of(server.url) as client:
        assert await violations(SetNxLock(client), client) == {"a stale worker wrote"}
        await client.flushall()
        assert await violations(IncrLock(client), client) == {"a stale worker wrote", "the holder was locked out"}


async def test_the_queue_passes_the_same_check(tmp_path: Path):
    async with valkey_server(tmp_path) as server, client_of(server.url) as client:
        queue = Queue(client, clock=ManualClock.source)
        clock = ManualClock(client)
        assert await violations(QueueLock(queue, clock), client) == set()
