"""Epochs, tokens and tips: what a stale worker, a flush or rubbish in Redis must not be able to do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.queues import app, claimed, clocked_queue, only
from trueup.clients.queue import EpochMissingError, QueueFullError
from trueup.clients.queue_records import Depth
from trueup.clients.queue_scripts import QueueBounds
from trueup.domain.errors import SupersededError
from trueup.domain.job import EVERYTHING, Job, Priority, Token

BOUNDS = QueueBounds(
    lease_seconds=10, attempts_max=3, queue_jobs_max=5, dead_letters_max=2, dead_letter_seconds_max=1000
)


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[SimpleNamespace]:
    async with clocked_queue(tmp_path, bounds=BOUNDS) as (queue, clock, client):
        yield SimpleNamespace(queue=queue, clock=clock, client=client)


async def test_without_an_epoch_jobs_are_stored_but_not_claimed(tmp_path):
    async with clocked_queue(tmp_path, bounds=BOUNDS, epoch=None) as (queue, _, _):
        assert await queue.current_epoch() is None
        await queue.enqueue([app("a")])
        with pytest.raises(EpochMissingError):
            await queue.claim(wait_seconds_max=60)
        assert await queue.open_epoch(4)
        assert await queue.current_epoch() == 4
        assert (await claimed(queue)).token.epoch == 4


async def test_an_epoch_never_goes_back(at):
    assert await at.queue.open_epoch(5)
    assert not await at.queue.open_epoch(5)
    assert not await at.queue.open_epoch(4)
    assert await at.queue.current_epoch() == 5


async def test_a_new_epoch_voids_earlier_tokens_at_once_and_loses_no_job(at):
    await at.queue.enqueue([app("a", scope=only("x"))])
    old = await claimed(at.queue)
    await at.queue.enqueue([app("a", scope=only("y"))])
    assert await at.queue.open_epoch(2)
    with pytest.raises(SupersededError):
        await at.queue.settle(old)
    claim = await claimed(at.queue)
    assert (claim.job.scope, claim.attempt) == (only("x", "y"), 0)
    assert claim.token > old.token


async def test_nothing_from_before_a_flush_can_end_a_run_after_it(at):
    await at.queue.enqueue([app("a")])
    old = await claimed(at.queue)
    await at.client.flushall()
    with pytest.raises(SupersededError):
        await at.queue.heartbeat(old)
    assert await at.queue.open_epoch(2)
    await at.queue.enqueue([app("a")])
    new = await claimed(at.queue)
    assert new.token > old.token
    with pytest.raises(SupersededError):
        await at.queue.settle(old)
    await at.queue.settle(new)


async def test_a_token_is_void_while_the_epoch_is_unknown(at):
    await at.queue.enqueue([app("a", scope=only("x"))])
    claim = await claimed(at.queue)
    await at.client.delete("{trueup}:fence")
    with pytest.raises(SupersededError):
        await at.queue.settle(claim)
    assert await at.queue.open_epoch(2)
    assert (await claimed(at.queue)).job == claim.job


async def test_tokens_do_not_repeat_where_a_failover_loses_the_count(at):
    await at.queue.enqueue([app("a")])
    old = await claimed(at.queue)
    await at.queue.release(old)
    await at.client.hset("{trueup}:fence", "n", old.token.n - 1)
    await at.clock.advance(0.001)
    assert (await claimed(at.queue)).token > old.token


async def test_the_affected_and_the_tip_move_together(at):
    repository = Job("repository", "https://git/r", only(), Priority.PUSH)
    await at.queue.enqueue([repository])
    claim = await claimed(at.queue)
    assert await at.queue.examined_tips(["r main", "r dev"]) == [None, None]
    await at.queue.enqueue_and_move_tip(claim, [app("a")], {"r main": (None, "s1"), "r dev": (None, "d1")})
    await at.queue.enqueue_and_move_tip(claim, [], {"r main": ("s1", "s2")})
    assert await at.queue.examined_tips(["r dev", "r main", "r other"]) == ["d1", "s2", None]
    assert [job.subject for job in await at.queue.peek()] == ["argocd/a"]


@pytest.mark.parametrize("expected", [None, "s0"])
async def test_a_tip_that_another_run_moved_is_left_alone(at, expected):
    await at.queue.enqueue([app("a")])
    claim = await claimed(at.queue)
    await at.queue.enqueue_and_move_tip(claim, [], {"r main": (None, "s1")})
    with pytest.raises(SupersededError):
        await at.queue.enqueue_and_move_tip(claim, [app("b")], {"r dev": (None, "d1"), "r main": (expected, "s2")})
    assert await at.queue.examined_tips(["r main", "r dev"]) == ["s1", None]
    assert (await at.queue.depth()).ready == 0


async def test_a_tip_that_was_forgotten_may_be_moved(at):
    await at.queue.enqueue([app("a")])
    claim = await claimed(at.queue)
    await at.queue.enqueue_and_move_tip(claim, [], {"r main": ("forgotten", "s2")})
    assert await at.queue.examined_tips(["r main"]) == ["s2"]


async def test_a_worker_that_lost_its_lease_moves_no_tip_and_enqueues_nothing(at):
    await at.queue.enqueue([app("a")])
    lost = await claimed(at.queue)
    await at.clock.advance(BOUNDS.lease_seconds)
    with pytest.raises(SupersededError):
        await at.queue.enqueue_and_move_tip(lost, [app("b")], {"r main": (None, "s1")})
    assert await at.queue.examined_tips(["r main"]) == [None]
    assert (await at.queue.depth()).ready == 0


async def test_a_full_queue_moves_no_tip(at):
    await at.queue.enqueue([app(f"a{i}") for i in range(BOUNDS.queue_jobs_max)])
    claim = await claimed(at.queue)
    with pytest.raises(QueueFullError):
        await at.queue.enqueue_and_move_tip(claim, [app("x"), app("y")], {"r main": (None, "s1")})
    assert await at.queue.examined_tips(["r main"]) == [None]


async def test_a_token_of_somebody_else_changes_nothing(at):
    await at.queue.enqueue([app("a")])
    claim = await claimed(at.queue)
    for token in (Token(1, claim.token.n + 1), Token(2, claim.token.n), Token(0, 0)):
        forged = type(claim)(claim.job, token, 0, 0)
        with pytest.raises(SupersededError):
            await at.queue.settle(forged)
    await at.queue.settle(claim)


@pytest.mark.parametrize(
    "rubbish", [b"", b"\xff", b"[]", b"{}", b'{"v":1,"all":false,"scope":7}', b'{"v":99,"all":false,"scope":{}}']
)
async def test_a_record_that_cannot_be_read_means_everything(at, rubbish):
    await at.queue.enqueue([app("a", scope=only("x"))])
    await at.client.hset("{trueup}:waiting", "application:argocd/a", rubbish)
    claim = await claimed(at.queue)
    assert claim.job.scope == EVERYTHING
    await at.queue.settle(claim)


async def test_a_job_whose_record_is_gone_is_looked_at_in_full(at):
    await at.queue.enqueue([app("a", scope=only("x"))])
    await at.client.delete("{trueup}:waiting")
    assert (await claimed(at.queue)).job == app("a")


async def test_a_run_whose_lease_is_gone_is_taken_over(at):
    await at.queue.enqueue([app("a", scope=only("x"))])
    lost = await claimed(at.queue)
    await at.client.delete("{trueup}:leases")
    assert (await claimed(at.queue)).job == lost.job
    with pytest.raises(SupersededError):
        await at.queue.settle(lost)


async def test_a_running_key_that_is_put_in_line_by_hand_is_not_claimed_twice(at):
    await at.queue.enqueue([app("a")])
    await claimed(at.queue)
    await at.client.zadd("{trueup}:ready", {"application:argocd/a": 0})
    assert await at.queue.claim(wait_seconds_max=0) is None


async def test_a_kind_of_job_that_nobody_here_knows_is_set_aside(at):
    await at.queue.enqueue([app("b")])
    await at.client.zadd("{trueup}:ready", {"dance:tango": 0})
    assert (await claimed(at.queue)).job == app("b")
    assert await at.queue.depth() == Depth(ready=0, delayed=1, held=0, running=1, dead=0)
