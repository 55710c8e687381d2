"""What rests is spared pushes and sweeps until its rest is over; they are joined, and nobody else waits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.queues import app, claimed, clocked_queue, only
from trueup.domain.job import Priority


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[SimpleNamespace]:
    async with clocked_queue(tmp_path) as (queue, clock, client):
        yield SimpleNamespace(queue=queue, clock=clock, client=client)


async def resting(at: SimpleNamespace, *arriving: Priority) -> None:
    """One job has run and rests for five seconds; others of its key arrived meanwhile."""
    await at.queue.enqueue([app("a")])
    claim = await claimed(at.queue)
    for priority in arriving:
        await at.queue.enqueue([app("a", priority, scope=only("during"))])
    await at.queue.settle(claim, rest_seconds=5)


async def none_is_due(at: SimpleNamespace) -> bool:
    return await at.queue.claim(wait_seconds_max=0) is None


@pytest.mark.parametrize("priority", [Priority.PUSH, Priority.SWEEP])
async def test_what_arrives_during_the_run_and_after_it_is_one_run_when_the_rest_is_over(at, priority):
    await resting(at, priority)
    assert await none_is_due(at)
    await at.queue.enqueue([app("a", priority, scope=only("after"))])
    await at.clock.advance(4.999)
    assert await none_is_due(at)
    await at.clock.advance(0.001)
    assert (await claimed(at.queue)).job.scope == only("during", "after")
    assert await none_is_due(at)


async def test_what_comes_when_nothing_arrived_during_the_run_waits_too(at):
    await resting(at)
    await at.queue.enqueue([app("a")])
    assert await none_is_due(at)
    await at.clock.advance(5)
    await claimed(at.queue)


@pytest.mark.parametrize("priority", [Priority.MANUAL, Priority.DRIFT])
async def test_a_person_and_a_live_object_do_not_wait_and_take_along_what_does(at, priority):
    await resting(at, Priority.PUSH)
    await at.queue.enqueue([app("a", priority, scope=only("now"))])
    assert (await claimed(at.queue)).job.scope == only("during", "now")


async def test_other_keys_do_not_rest(at):
    await resting(at)
    await at.queue.enqueue([app("b")])
    assert (await claimed(at.queue)).job.subject.endswith("b")


async def test_a_run_that_ends_without_a_rest_ends_the_one_before(at):
    await resting(at)
    await at.queue.enqueue([app("a", Priority.MANUAL)])
    await at.queue.settle(await claimed(at.queue))
    await at.queue.enqueue([app("a")])
    await claimed(at.queue)


async def test_a_rest_that_is_over_leaves_nothing_behind(at):
    await resting(at)
    assert await at.client.pttl("{trueup}:resting") > 0
    await at.clock.advance(6)
    await at.queue.enqueue([app("b")])
    await at.queue.settle(await claimed(at.queue))
    assert await at.client.zcard("{trueup}:resting") == 0
