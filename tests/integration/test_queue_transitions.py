from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.queues import START_MS, app, claimed, clocked_queue, only
from trueup.clients.queue import QueueFullError
from trueup.clients.queue_records import Announced, Depth
from trueup.clients.queue_scripts import QueueBounds
from trueup.domain.errors import SupersededError, TransientError
from trueup.domain.job import EVERYTHING, SCOPE_MEMBERS_MAX, Priority, repository_job

BOUNDS = QueueBounds(
    lease_seconds=10, attempts_max=3, queue_jobs_max=5, dead_letters_max=2, dead_letter_seconds_max=1000
)
START = START_MS / 1000


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[SimpleNamespace]:
    async with clocked_queue(tmp_path, bounds=BOUNDS) as (queue, clock, client):
        yield SimpleNamespace(queue=queue, clock=clock, client=client)


async def test_a_waiting_job_holds_the_union_of_its_events(at):
    await at.queue.enqueue([app("a", Priority.SWEEP, scope=only("x"), delay_seconds=9, tip="1")])
    await at.clock.advance(1)
    await at.queue.enqueue([app("a", Priority.DRIFT, scope=only("y"), delay_seconds=3, tip="2")])
    await at.queue.enqueue([app("a", Priority.PUSH, scope=only("z"), delay_seconds=9)])
    assert await at.queue.claim(wait_seconds_max=0) is None
    await at.clock.advance(3)
    claim = await claimed(at.queue)
    assert claim.job == app("a", Priority.DRIFT, scope=only("x", "y", "z"), tip="2")
    assert (claim.enqueued_at, claim.attempt) == (START, 0)
    assert await at.queue.claim(wait_seconds_max=0) is None


async def test_many_events_in_one_call_are_joined_too(at):
    await at.queue.enqueue([app("a", scope=only("x")), app("b"), app("a", Priority.MANUAL, scope=only("y"))])
    assert (await claimed(at.queue)).job == app("a", Priority.MANUAL, scope=only("x", "y"))
    assert (await claimed(at.queue)).job == app("b")


@pytest.mark.parametrize("halves", [1, 2])
async def test_a_scope_over_its_bound_becomes_everything(at, halves):
    members = [f"m{i}" for i in range(SCOPE_MEMBERS_MAX + 1)]
    for part in range(halves):
        await at.queue.enqueue([app("a", scope=only(*members[part::halves]))])
    assert (await claimed(at.queue)).job.scope == EVERYTHING


async def test_a_scope_at_its_bound_and_an_empty_one_are_kept(at):
    members = only(*(f"m{i}" for i in range(SCOPE_MEMBERS_MAX)))
    await at.queue.enqueue([app("a", scope=members), app("b", scope=only())])
    await at.queue.enqueue([app("a", scope=only("m1")), app("b", scope=only())])
    assert (await claimed(at.queue)).job.scope == members
    assert (await claimed(at.queue)).job.scope == only()


async def test_everything_absorbs_a_part(at):
    await at.queue.enqueue([app("a"), app("b", scope=only("x"))])
    await at.queue.enqueue([app("a", scope=only("x")), app("b")])
    assert (await claimed(at.queue)).job.scope == EVERYTHING
    assert (await claimed(at.queue)).job.scope == EVERYTHING


async def test_priority_goes_first_and_then_who_is_due_longest(at):
    await at.queue.enqueue([app("late-push", delay_seconds=2), app("sweep", Priority.SWEEP), app("push")])
    await at.clock.advance(5)
    await at.queue.enqueue([app("drift", Priority.DRIFT), app("a-push")])
    await at.queue.enqueue([app("sweep", Priority.MANUAL)])
    order = [(await claimed(at.queue)).job.subject.removeprefix("argocd/") for _ in range(5)]
    assert order == ["sweep", "drift", "push", "late-push", "a-push"]


async def test_events_mid_run_cause_exactly_one_more_run(at):
    await at.queue.enqueue([app("a", scope=only("x"))])
    first = await claimed(at.queue)
    for member in "yz":
        await at.queue.enqueue([app("a", scope=only(member))])
    assert await at.queue.claim(wait_seconds_max=0) is None
    assert await at.queue.depth() == Depth(ready=0, delayed=0, held=1, running=1, dead=0)
    await at.queue.settle(first)
    second = await claimed(at.queue)
    assert second.job.scope == only("y", "z")
    assert second.token > first.token
    await at.queue.settle(second)
    assert await at.queue.claim(wait_seconds_max=0) is None
    assert await at.queue.depth() == Depth(0, 0, 0, 0, 0)


async def test_an_event_mid_run_keeps_its_own_delay(at):
    await at.queue.enqueue([app("a")])
    first = await claimed(at.queue)
    await at.queue.enqueue([app("a", delay_seconds=4)])
    await at.queue.settle(first)
    assert await at.queue.claim(wait_seconds_max=0) is None
    await at.clock.advance(4)
    await claimed(at.queue)


async def test_a_failed_run_gives_back_what_it_was_to_look_at(at):
    await at.queue.enqueue([app("a", Priority.DRIFT, scope=only("x"), tip="1")])
    await at.queue.fail(await claimed(at.queue), delay_seconds=5, reason="remote away")
    assert await at.queue.depth() == Depth(ready=0, delayed=1, held=0, running=0, dead=0)
    await at.clock.advance(5)
    claim = await claimed(at.queue)
    assert claim.job == app("a", Priority.DRIFT, scope=only("x"), tip="1")
    assert (claim.attempt, claim.enqueued_at) == (1, START)


async def test_a_failed_run_is_joined_with_what_arrived_meanwhile(at):
    await at.queue.enqueue([app("a", Priority.DRIFT, scope=only("x"), tip="1")])
    first = await claimed(at.queue)
    await at.queue.enqueue([app("a", Priority.SWEEP, scope=only("y"), tip="2")])
    await at.queue.fail(first, delay_seconds=60, reason="remote away")
    claim = await claimed(at.queue)
    assert claim.job == app("a", Priority.DRIFT, scope=only("x", "y"), tip="2")
    assert claim.attempt == 1


async def test_new_input_does_not_wait_for_the_retry_and_keeps_the_count(at):
    await at.queue.enqueue([app("a", scope=only("x"))])
    await at.queue.fail(await claimed(at.queue), delay_seconds=600, reason="remote away")
    await at.queue.enqueue([app("a", scope=only("y"), delay_seconds=1)])
    await at.clock.advance(1)
    claim = await claimed(at.queue)
    assert (claim.job.scope, claim.attempt) == (only("x", "y"), 1)


async def test_a_released_job_keeps_its_place_and_counts_no_attempt(at):
    await at.queue.enqueue([app("a", scope=only("x"))])
    await at.clock.advance(1)
    await at.queue.enqueue([app("0")])
    for _ in range(BOUNDS.attempts_max + 1):
        claim = await claimed(at.queue)
        assert (claim.job, claim.attempt) == (app("a", scope=only("x")), 0)
        await at.queue.release(claim)


async def test_too_many_failures_make_a_dead_letter_and_a_new_event_revives_it(at):
    await at.queue.enqueue([app("a", scope=only("x"))])
    for attempt in range(BOUNDS.attempts_max):
        claim = await claimed(at.queue)
        assert claim.attempt == attempt
        await at.queue.fail(claim, delay_seconds=0, reason="because " + "x" * 1000)
    assert await at.queue.claim(wait_seconds_max=0) is None
    assert await at.queue.depth() == Depth(0, 0, 0, 0, dead=1)
    [letter] = await at.queue.dead_letters()
    assert (letter.job, letter.attempts, letter.died_at) == (app("a", scope=only("x")), 3, START)
    assert letter.reason.startswith("because ")
    assert len(letter.reason) == BOUNDS.reason_chars_max
    await at.queue.enqueue([app("a", scope=only("y"))])
    claim = await claimed(at.queue)
    assert (claim.job.scope, claim.attempt) == (only("x", "y"), 0)
    assert await at.queue.dead_letters() == []


async def test_a_revived_dead_letter_is_due_by_the_delay_of_what_revives_it(at):
    await at.queue.enqueue([app("a")])
    await at.queue.fail(await claimed(at.queue), delay_seconds=None, reason="invalid")
    await at.queue.enqueue([app("a", delay_seconds=5)])
    assert await at.queue.claim(wait_seconds_max=0) is None
    await at.clock.advance(5)
    await claimed(at.queue)


async def test_a_job_can_be_given_up_at_once_unless_new_input_came(at):
    await at.queue.enqueue([app("a"), app("b")])
    first, second = await claimed(at.queue), await claimed(at.queue)
    await at.queue.enqueue([app("b", delay_seconds=5)])
    for claim in (first, second):
        await at.queue.fail(claim, delay_seconds=None, reason="invalid")
    assert [letter.job for letter in await at.queue.dead_letters()] == [app("a")]
    assert await at.queue.claim(wait_seconds_max=0) is None
    await at.clock.advance(5)
    claim = await claimed(at.queue)
    assert (claim.job, claim.attempt) == (app("b"), 0)


async def test_a_dead_letter_tells_an_outage_from_other_ends(at):
    for name, of_outage in (("away", True), ("broken", False)):
        await at.queue.enqueue([app(name)])
        await at.queue.fail(await claimed(at.queue), delay_seconds=None, reason="no", of_outage=of_outage)
    assert {letter.job.key: letter.of_outage for letter in await at.queue.dead_letters()} == {
        app("away").key: True,
        app("broken").key: False,
    }
    await at.queue.enqueue([app("away")])
    await at.queue.fail(await claimed(at.queue), delay_seconds=None, reason="no")
    assert not any(letter.of_outage for letter in await at.queue.dead_letters()), "the last try counts"


async def test_dead_letters_are_bounded_in_number_and_age(at):
    for name in "abc":
        await at.queue.enqueue([app(name)])
        await at.queue.fail(await claimed(at.queue), delay_seconds=None, reason=name)
        await at.clock.advance(1)
    assert [letter.reason for letter in await at.queue.dead_letters()] == ["c", "b"]
    await at.clock.advance(BOUNDS.dead_letter_seconds_max + 1)
    await at.queue.enqueue([app("d")])
    await at.queue.fail(await claimed(at.queue), delay_seconds=None, reason="d")
    assert [letter.reason for letter in await at.queue.dead_letters()] == ["d"]
    assert await at.client.hlen("{trueup}:dead") == 1


async def test_a_lapsed_lease_gives_the_job_to_another_and_counts_as_a_failure(at):
    await at.queue.enqueue([app("a", scope=only("x"))])
    lost = await claimed(at.queue)
    await at.clock.advance(BOUNDS.lease_seconds - 0.001)
    assert await at.queue.claim(wait_seconds_max=0) is None
    await at.clock.advance(0.001)
    taken = await claimed(at.queue)
    assert (taken.job, taken.attempt) == (lost.job, 1)
    assert taken.token > lost.token
    for end in (at.queue.settle, at.queue.release, at.queue.heartbeat):
        with pytest.raises(SupersededError):
            await end(lost)
    with pytest.raises(SupersededError):
        await at.queue.fail(lost, delay_seconds=None, reason="")
    await at.queue.settle(taken)
    assert await at.queue.depth() == Depth(0, 0, 0, 0, 0)


async def test_a_lapsed_lease_is_lost_even_before_another_takes_the_job(at):
    await at.queue.enqueue([app("a")])
    lost = await claimed(at.queue)
    await at.clock.advance(BOUNDS.lease_seconds)
    with pytest.raises(SupersededError):
        await at.queue.heartbeat(lost)
    with pytest.raises(SupersededError):
        await at.queue.settle(lost)
    await claimed(at.queue)


async def test_a_heartbeat_keeps_the_lease(at):
    await at.queue.enqueue([app("a")])
    claim = await claimed(at.queue)
    for _ in range(5):
        await at.clock.advance(BOUNDS.lease_seconds - 1)
        await at.queue.heartbeat(claim)
        assert await at.queue.claim(wait_seconds_max=0) is None
    await at.queue.settle(claim)


async def test_a_job_that_kills_its_workers_becomes_a_dead_letter(at):
    await at.queue.enqueue([app("poison")])
    for attempt in range(BOUNDS.attempts_max):
        assert (await claimed(at.queue)).attempt == attempt
        await at.clock.advance(BOUNDS.lease_seconds)
    assert await at.queue.claim(wait_seconds_max=0) is None
    [letter] = await at.queue.dead_letters()
    assert letter.job == app("poison")
    assert "worker" in letter.reason


async def test_a_full_queue_refuses_the_whole_call_but_joins_and_gives_back(at):
    names = [app(f"a{i}") for i in range(BOUNDS.queue_jobs_max)]
    await at.queue.enqueue(names[:-1])
    with pytest.raises(QueueFullError, match="queue_jobs_max") as refused:
        await at.queue.enqueue([names[-1], app("one-more")])
    assert isinstance(refused.value, TransientError)
    assert (await at.queue.depth()).ready == BOUNDS.queue_jobs_max - 1
    await at.queue.enqueue([names[-1]])
    await at.queue.enqueue([names[0], names[1]])
    claim = await claimed(at.queue)
    await at.queue.enqueue([app("another")])
    await at.queue.release(claim)
    assert (await at.queue.depth()).ready == BOUNDS.queue_jobs_max + 1


async def test_a_server_whose_clock_goes_back_keeps_a_job_in_one_line(at):
    await at.queue.enqueue([app("a")])
    await at.clock.advance(-100)
    await at.queue.enqueue([app("a", delay_seconds=50)])
    assert await at.queue.depth() == Depth(ready=0, delayed=1, held=0, running=0, dead=0)
    await at.clock.advance(50)
    await claimed(at.queue)
    assert await at.queue.depth() == Depth(ready=0, delayed=0, held=0, running=1, dead=0)


async def test_an_idle_worker_waits_for_the_first_of_due_time_lease_and_bound(at):
    bound = at.queue._bounds.block_seconds_max
    assert await at.queue._claim_once() == bound
    await at.queue.enqueue([app("a")])
    await claimed(at.queue)
    await at.clock.advance(BOUNDS.lease_seconds - 3)
    assert await at.queue._claim_once() == 3
    await at.queue.enqueue([app("b", delay_seconds=2)])
    assert await at.queue._claim_once() == 2


async def test_a_webhook_that_was_missed_is_news_once_a_day_and_only_where_none_came(at):
    await at.queue.enqueue([repository_job("host/r", Priority.SWEEP)])
    claim = await claimed(at.queue)
    missed = await at.queue.note_catch(claim)
    assert missed == Announced(caught=str(claim.token))
    assert missed.is_missed
    assert await at.queue.note_catch(claim) is None
    assert 0 < await at.client.ttl("{trueup}:caught:host/r") <= 86_400
    await at.queue.note_hook(claim)
    [seen, other] = await at.queue.announced(["host/r", "host/other"])
    assert (seen.is_missed, other.is_missed) == (False, False)
    await at.client.delete("{trueup}:caught:host/r")
    told = await at.queue.note_catch(claim)
    assert told is not None
    assert not told.is_missed
