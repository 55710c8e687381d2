"""How idle workers wait: in Redis, woken by what they wait for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from tests.support.queues import claimed, real_queue
from tests.support.wait import wait_until
from trueup.clients.queue import EpochMissingError
from trueup.clients.queue_scripts import QueueBounds
from trueup.domain.job import EVERYTHING, Job, Priority

# Long enough that a worker which is not woken fails its test.
BOUNDS = QueueBounds(lease_seconds=600, block_seconds_max=600)
PATIENCE_SECONDS = 20


def app(name: str, *, delay_seconds: float = 0) -> Job:
    return Job("application", f"argocd/{name}", EVERYTHING, Priority.PUSH, delay_seconds)


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[SimpleNamespace]:
    async with real_queue(tmp_path, bounds=BOUNDS) as (queue, client, server):
        yield SimpleNamespace(queue=queue, client=client, server=server)


async def blocked(client: Redis, workers: int) -> None:
    async def all_blocked() -> bool:
        return (await client.info("clients"))["blocked_clients"] == workers

    await wait_until(all_blocked, PATIENCE_SECONDS, f"{workers} blocked workers")


def calls(name: str) -> float:
    return REGISTRY.get_sample_value("trueup_redis_calls_total", {"call": name}) or 0.0


async def test_a_blocked_worker_wakes_at_an_event(at):
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
        claim = group.create_task(claimed(at.queue, wait_seconds_max=600))
        await blocked(at.client, 1)
        await at.queue.enqueue([app("a")])
    assert claim.result().job == app("a")


async def test_a_blocked_worker_wakes_when_a_job_is_due(at):
    await at.queue.enqueue([app("later", delay_seconds=600), app("a", delay_seconds=0.3)])
    async with asyncio.timeout(PATIENCE_SECONDS):
        claim = await claimed(at.queue, wait_seconds_max=600)
    assert claim.job == app("a")


async def test_a_blocked_worker_learns_of_a_job_that_is_due_sooner(at):
    await at.queue.enqueue([app("later", delay_seconds=600)])
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
        claim = group.create_task(claimed(at.queue, wait_seconds_max=600))
        await blocked(at.client, 1)
        await at.queue.enqueue([app("a", delay_seconds=0.2)])
    assert claim.result().job == app("a")


async def test_a_worker_that_gets_a_job_leaves_the_watch_to_another(at):
    """Only one is woken for the job that is ready; the other must be told that there is a later one."""
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
        workers = [group.create_task(claimed(at.queue, wait_seconds_max=600)) for _ in range(2)]
        await blocked(at.client, 2)
        await at.queue.enqueue([app("later", delay_seconds=0.5), app("now")])
    assert {worker.result().job.subject for worker in workers} == {"argocd/now", "argocd/later"}


async def test_every_blocked_worker_gets_one_of_many_jobs(at):
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
        workers = [group.create_task(claimed(at.queue, wait_seconds_max=600)) for _ in range(8)]
        await blocked(at.client, 8)
        await at.queue.enqueue([app(str(i)) for i in range(8)])
    assert len({worker.result().job.key for worker in workers}) == 8


async def test_a_blocked_worker_wakes_when_the_run_of_its_key_ends(at):
    await at.queue.enqueue([app("a")])
    first = await claimed(at.queue)
    await at.queue.enqueue([app("a")])
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
        second = group.create_task(claimed(at.queue, wait_seconds_max=600))
        await blocked(at.client, 1)
        await at.queue.settle(first)
    assert second.result().token > first.token


async def test_a_blocked_worker_takes_over_when_a_lease_made_meanwhile_lapses(tmp_path):
    bounds = QueueBounds(lease_seconds=0.5, block_seconds_max=600)
    async with real_queue(tmp_path, bounds=bounds) as (queue, client, _):
        async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
            workers = [group.create_task(claimed(queue, wait_seconds_max=600)) for _ in range(2)]
            await blocked(client, 2)
            await queue.enqueue([app("a")])
        first, second = sorted((worker.result() for worker in workers), key=lambda claim: claim.token)
        assert (first.job, first.attempt, second.job, second.attempt) == (app("a"), 0, app("a"), 1)


async def test_opening_an_epoch_lets_what_waits_be_claimed(tmp_path):
    async with real_queue(tmp_path, bounds=BOUNDS, epoch=None) as (queue, _, _):
        await queue.enqueue([app("a")])
        await queue.open_epoch(1)
        assert (await claimed(queue)).job == app("a")


async def test_an_idle_worker_does_not_poll(at):
    await at.queue.enqueue([app(str(i)) for i in range(20)])
    for _ in range(20):
        await at.queue.settle(await claimed(at.queue))
    assert await at.queue.claim(wait_seconds_max=0) is None
    claims, blocks = calls("claim"), calls("blpop")
    assert await at.queue.claim(wait_seconds_max=1) is None
    assert (calls("claim") - claims, calls("blpop") - blocks) == (2, 1)


async def test_a_worker_sees_within_its_bound_that_redis_was_emptied(tmp_path):
    async with real_queue(tmp_path, bounds=QueueBounds(block_seconds_max=0.2)) as (queue, client, _):
        waiting = asyncio.create_task(queue.claim(wait_seconds_max=600))
        await blocked(client, 1)
        await client.flushall()
        with pytest.raises(EpochMissingError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await waiting
