"""Runs and their leases, by real time and with real workers in the way of each other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.queues import claimed, client_of, real_queue
from tests.support.wait import wait_until
from trueup.clients.queue import Queue
from trueup.clients.queue_records import Depth
from trueup.clients.queue_scripts import QueueBounds
from trueup.domain.errors import StalledError, SupersededError
from trueup.domain.job import EVERYTHING, Job, Priority

PATIENCE_SECONDS = 20


def app(name: str) -> Job:
    return Job("application", f"argocd/{name}", EVERYTHING, Priority.PUSH)


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[SimpleNamespace]:
    async with real_queue(tmp_path, bounds=QueueBounds(lease_seconds=1)) as (queue, client, server):
        yield SimpleNamespace(queue=queue, client=client, server=server)


async def test_two_workers_never_get_the_same_job(at):
    await at.queue.enqueue([app(str(i)) for i in range(100)])
    async with client_of(at.server.url) as other_client:
        other = Queue(other_client)
        taken: list[str] = []

        async def work(queue: Queue) -> None:
            while (claim := await queue.claim(wait_seconds_max=0)) is not None:
                taken.append(claim.job.key)
                await queue.settle(claim)

        async with asyncio.TaskGroup() as group:
            for queue in (at.queue, other) * 4:
                group.create_task(work(queue))
    assert sorted(taken) == sorted(app(str(i)).key for i in range(100))


async def test_a_run_longer_than_its_lease_is_kept_by_heartbeats(at):
    await at.queue.enqueue([app("a"), app("b")])
    claim = await claimed(at.queue)
    expiry = await at.client.zscore("{trueup}:leases", claim.job.key)

    async def two_leases_on() -> bool:
        seconds, _ = await at.client.time()
        return seconds * 1000 > expiry + 1000

    async with at.queue.running(claim):
        await wait_until(two_leases_on, PATIENCE_SECONDS, "two leases to pass")
        assert (await claimed(at.queue)).job == app("b")
        assert await at.queue.claim(wait_seconds_max=0) is None
    await at.queue.settle(claim)


async def test_a_run_that_loses_its_lease_is_cancelled(at):
    await at.queue.enqueue([app("a")])
    claim = await claimed(at.queue)
    ended = asyncio.Event()

    async def work() -> None:
        async with at.queue.running(claim):
            try:
                await at.queue.open_epoch(2)
                await asyncio.Event().wait()
            finally:
                ended.set()

    with pytest.raises(SupersededError, match="argocd/a"):
        await asyncio.wait_for(work(), PATIENCE_SECONDS)
    assert ended.is_set()


async def test_a_run_is_cancelled_when_redis_is_away_for_longer_than_the_lease(tmp_path):
    async with real_queue(tmp_path, bounds=QueueBounds(lease_seconds=0.5)) as (queue, _, server):
        await queue.enqueue([app("a")])
        claim = await claimed(queue)

        async def work() -> None:
            async with queue.running(claim):
                await server.component.child.terminate(grace_seconds=0)
                await asyncio.Event().wait()

        with pytest.raises(SupersededError, match="away"):
            await asyncio.wait_for(work(), PATIENCE_SECONDS)


async def test_a_body_that_fails_as_its_lease_is_lost_is_superseded_and_not_cancelled(at):
    await at.queue.enqueue([app("a")])
    claim = await claimed(at.queue)
    worker = asyncio.current_task()
    before = asyncio.all_tasks()

    async def work() -> None:
        async with at.queue.running(claim):
            await at.queue.open_epoch(2)
            (keeper,) = asyncio.all_tasks() - before
            while not keeper.done():  # noqa: ASYNC110 -- to be there in the very turn in which it ends
                await asyncio.sleep(0)
            raise ValueError("at the same moment")

    with pytest.raises(SupersededError):
        await work()
    assert worker.cancelling() == 0, "nobody has asked the worker to stop"


async def test_a_host_that_was_paused_past_the_lease_knows_it_before_it_hears_from_redis(tmp_path):
    async with real_queue(tmp_path, bounds=QueueBounds(lease_seconds=0.3)) as (queue, _, _server):
        await queue.enqueue([app("a")])
        claim = await claimed(queue)

        async def work() -> None:
            async with queue.running(claim) as lease:
                lease.check()
                time.sleep(0.4)  # noqa: ASYNC251 -- nothing of this process moves, as in a pause
                lease.check()

        with pytest.raises(SupersededError, match="may have lapsed"):
            await work()


async def test_what_the_body_raises_passes_through_as_it_is(at):
    await at.queue.enqueue([app("a")])
    claim = await claimed(at.queue)
    error, cause = StalledError("render"), ValueError("kustomize")
    with pytest.raises(StalledError) as raised:
        async with at.queue.running(claim):
            raise error from cause
    assert raised.value is error
    assert error.__cause__ is cause
    await at.queue.fail(claim, delay_seconds=None, reason="render")


async def test_a_cancelled_worker_ends_as_cancelled_and_can_still_hand_back(at):
    await at.queue.enqueue([app("a")])
    claim = await claimed(at.queue)
    started = asyncio.Event()

    async def work() -> None:
        try:
            async with at.queue.running(claim):
                started.set()
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            await at.queue.release(claim)
            raise

    worker = asyncio.create_task(work())
    await started.wait()
    worker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await worker
    again = await claimed(at.queue)
    assert (again.job, again.attempt) == (app("a"), 0)


async def test_a_worker_cancelled_while_its_lost_run_ends_is_cancelled(at):
    await at.queue.enqueue([app("a")])
    claim = await claimed(at.queue)
    ending = asyncio.Event()

    async def work() -> None:
        async with at.queue.running(claim):
            try:
                await at.queue.open_epoch(2)
                await asyncio.Event().wait()
            finally:
                ending.set()
                await asyncio.Event().wait()

    worker = asyncio.create_task(work())
    await asyncio.wait_for(ending.wait(), PATIENCE_SECONDS)
    worker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await worker


async def test_a_claim_cancelled_while_it_blocks_loses_no_job(at):
    waiting = asyncio.create_task(at.queue.claim(wait_seconds_max=600))

    async def is_blocked() -> bool:
        return (await at.client.info("clients"))["blocked_clients"] == 1

    await wait_until(is_blocked, PATIENCE_SECONDS, "a blocked worker")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await at.queue.enqueue([app("a")])
    assert (await claimed(at.queue)).attempt == 0


async def test_a_claim_cancelled_while_its_answer_is_on_the_way_gives_the_job_back(tmp_path):
    async with real_queue(tmp_path, bounds=QueueBounds(lease_seconds=600)) as (queue, client, _):
        await queue.enqueue([app("a")])
        await client.client_pause(600_000, all=False)
        asking = asyncio.create_task(queue.claim(wait_seconds_max=0))

        async def has_arrived() -> bool:
            return (await client.info("clients"))["paused_reason"] != "none" and any(
                entry["cmd"] == "evalsha" and int(entry["qbuf"]) + int(entry["argv-mem"]) > 0
                for entry in await client.client_list()
            )

        await wait_until(has_arrived, PATIENCE_SECONDS, "the claim to wait at the server")
        asking.cancel()
        await client.client_unpause()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await queue.depth() == Depth(ready=1, delayed=0, held=0, running=0, dead=0)
        assert (await claimed(queue)).attempt == 0


async def test_a_claim_whose_answer_is_lost_is_recovered_by_its_lease(tmp_path):
    async with real_queue(tmp_path, bounds=QueueBounds(lease_seconds=0.3)) as (queue, _, server):
        await queue.enqueue([app("a")])
        async with client_of(server.url) as dying_client:
            lost = await claimed(Queue(dying_client, bounds=QueueBounds(lease_seconds=0.3)))
        async with asyncio.timeout(PATIENCE_SECONDS):
            found = await claimed(queue, wait_seconds_max=600)
        assert (found.job, found.attempt) == (app("a"), 1)
        assert found.token > lost.token
