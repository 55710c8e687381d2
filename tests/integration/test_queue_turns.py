"""Who is served next: by priority, then the lanes in turn, then who is due longest.

A model says exactly which job each claim gives. Beside it stands a history that knows nothing of how
the queue chooses, and holds it to what people are promised.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from service.dispatch import Dispatcher
from tests.support.queues import ManualClock, claimed, clocked_queue
from trueup.clients.queue import Queue
from trueup.clients.queue_scripts import QueueBounds
from trueup.clients.redis import connect
from trueup.domain.application import ApplicationId
from trueup.domain.job import EVERYTHING, Claim, Job, Priority, application_job, repository_job
from trueup.sandbox.valkey import valkey_server

T = TypeVar("T")
BOUNDS = QueueBounds(lease_seconds=1_000_000, attempts_max=1_000)
LANES = ["", "a", "b", "a repository", "b\0c"]
JOBS = st.builds(
    Job,
    st.just("application"),
    st.sampled_from([f"argocd/{n}" for n in range(8)]),
    st.just(EVERYTHING),
    st.sampled_from(Priority),
    st.sampled_from([0.0, 0.0, 0.0, 3.0]),
    st.just(""),
    st.sampled_from(LANES),
)


class TurnsMachine(RuleBasedStateMachine):
    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.client = connect(self.url)
        self.queue = Queue(self.client, bounds=BOUNDS, clock=ManualClock.source)
        self.clock = ManualClock(self.client)
        #: What waits, with its due time; which of it stands in line; whose turn it is, by priority.
        self.waiting: dict[str, tuple[Job, int]] = {}
        self.line: set[str] = set()
        self.turns: dict[Priority, list[str]] = {priority: [] for priority in Priority}
        self.running: dict[str, tuple[Claim, int]] = {}
        #: By (priority, lane) that waits: how often each other lane of the priority was served meanwhile.
        self.passed: dict[tuple[Priority, str], dict[str, int]] = {}

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(call)

    @initialize()
    def opened(self) -> None:
        self.run(self.client.flushall())
        self.run(self.clock.restore())
        assert self.run(self.queue.open_epoch(1))

    def in_lane(self, priority: Priority, lane: str) -> list[str]:
        here = (priority, lane)
        return [key for key in self.line if (self.waiting[key][0].priority, self.waiting[key][0].lane) == here]

    def place(self, key: str, job: Job, due: int) -> None:
        before = self.waiting.get(key)
        lined = key in self.line
        self.waiting[key] = (job, due)
        self.line.discard(key)
        if key not in self.running and due <= self.clock.milliseconds:
            self.line.add(key)
            if job.lane not in self.turns[job.priority]:
                self.turns[job.priority].append(job.lane)
        if before and lined and not self.in_lane(before[0].priority, before[0].lane):
            self.turns[before[0].priority].remove(before[0].lane)
            # Who left and comes back, even within one call, waits anew.
            self.passed.pop((before[0].priority, before[0].lane), None)

    def join(self, key: str, job: Job, due: int) -> None:
        if key in self.waiting:
            older, earlier = self.waiting[key]
            priority = min(older.priority, job.priority)
            job, due = replace(job, priority=priority, lane=job.lane or older.lane), min(earlier, due)
        self.place(key, job, due)

    @rule(jobs=st.lists(JOBS, min_size=1, max_size=6))
    def enqueue(self, jobs: list[Job]) -> None:
        self.run(self.queue.enqueue(jobs))
        for job in jobs:
            plain = replace(job, delay_seconds=0.0, lane=job.lane.replace("\0", ""))
            self.join(job.key, plain, self.clock.milliseconds + round(job.delay_seconds * 1000))

    @rule(seconds=st.sampled_from([0.001, 1, 3]))
    def time_passes(self, seconds: float) -> None:
        self.run(self.clock.advance(seconds))

    def due_now(self) -> None:
        """What was put off goes into line at the next claim, the longest due first."""
        late = [(due, key) for key, (_, due) in self.waiting.items() if key not in self.line | self.running.keys()]
        for due, key in sorted(late):
            if due <= self.clock.milliseconds:
                self.place(key, self.waiting[key][0], due)

    @rule()
    def claim(self) -> None:
        self.due_now()
        claim = self.run(self.queue.claim(wait_seconds_max=0))
        if claim is None:
            assert not self.line
            return
        priority = min(self.waiting[key][0].priority for key in self.line)
        lane = self.turns[priority].pop(0)
        expected = min(self.in_lane(priority, lane), key=lambda key: (self.waiting[key][1], key))
        assert claim.job == self.waiting[expected][0]
        self.line.remove(expected)
        if self.in_lane(priority, lane):
            self.turns[priority].append(lane)
        self.running[expected] = (claim, self.waiting.pop(expected)[1])
        self.hold_to_the_promise(claim.job)

    def hold_to_the_promise(self, served: Job) -> None:
        assert all(self.waiting[key][0].priority >= served.priority for key in self.line), "overtaken by a lower one"
        for (priority, lane), passed in self.passed.items():
            if priority == served.priority and lane != served.lane:
                passed[served.lane] = passed.get(served.lane, 0) + 1
                assert passed[served.lane] <= 1, f"{lane} waits while {served.lane} is served again"
        self.passed.pop((served.priority, served.lane), None)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), how=st.sampled_from(["settle", "release", "fail"]))
    def end(self, data: st.DataObject, how: str) -> None:
        key = data.draw(st.sampled_from(sorted(self.running)))
        claim, due = self.running.pop(key)
        arrived = self.waiting.get(key)
        if how == "settle":
            self.run(self.queue.settle(claim))
            if arrived:
                self.place(key, *arrived)
            return
        if how == "release":
            self.run(self.queue.release(claim))
        else:
            self.run(self.queue.fail(claim, delay_seconds=2.0, reason="no"))
            due = self.clock.milliseconds + 2000
        job = claim.job
        if arrived:
            job = replace(arrived[0], priority=min(job.priority, arrived[0].priority), lane=arrived[0].lane or job.lane)
            due = min(due, arrived[1])
        self.place(key, job, due)

    @invariant()
    def who_waits_is_watched(self) -> None:
        waiting = {(self.waiting[key][0].priority, self.waiting[key][0].lane) for key in self.line}
        self.passed = {lane: self.passed.get(lane, {}) for lane in waiting}

    @invariant()
    def each_lane_that_waits_has_one_turn(self) -> None:
        turns = self.run(self.client.zrange("{trueup}:turns", 0, -1))
        assert [turn.decode() for turn in turns] == [f"{int(p)}{lane}" for p in Priority for lane in self.turns[p]]
        assert self.run(self.client.zcard("{trueup}:ready")) == len(self.line)

    def teardown(self) -> None:
        self.run(self.client.aclose())
        self.runner.close()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory: Path = tmp_path_factory.mktemp("valkey")
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        server = runner.run(stack.enter_async_context(valkey_server(directory)))
        yield server.url
        runner.run(stack.aclose())


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[SimpleNamespace]:
    async with clocked_queue(tmp_path) as (queue, clock, client):
        yield SimpleNamespace(queue=queue, clock=clock, client=client)


def test_manual_before_drift_before_push_before_sweep_and_no_lane_twice_while_another_waits(url: str) -> None:
    machine = type("Machine", (TurnsMachine,), {"url": url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=50,
            stateful_step_count=40,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


async def test_a_commit_that_touches_every_application_lets_another_repository_through(at):
    storm = [
        application_job(ApplicationId("argocd", f"app-{n}"), Priority.PUSH, repository="host/monorepo")
        for n in range(5_000)
    ]
    await at.queue.enqueue(storm)
    await claimed(at.queue)
    await at.clock.advance(60)
    other = application_job(ApplicationId("argocd", "other"), Priority.PUSH, repository="host/other")
    await at.queue.enqueue(
        [repository_job("host/monorepo", Priority.PUSH), repository_job("host/other", Priority.PUSH)]
    )
    await at.queue.enqueue([other])
    served = [(await claimed(at.queue)).job.key for _ in range(4)]
    assert served[1:] == ["repository:host/monorepo", "repository:host/other", other.key]


async def test_ten_thousand_repeats_of_one_delivery_are_one_run_and_one_more_for_those_that_came_during_it(at):
    dispatcher = Dispatcher(at.queue, lambda _: ())

    async def deliveries(count: int) -> None:
        for _ in range(count // 100):
            await asyncio.gather(*(dispatcher.submit([repository_job("host/r", Priority.PUSH)]) for _ in range(100)))

    await deliveries(5_000)
    first = await claimed(at.queue)
    await deliveries(5_000)
    assert await at.queue.claim(wait_seconds_max=0) is None, "one fetch at a time"
    await at.queue.settle(first)
    await at.queue.settle(await claimed(at.queue))
    assert await at.queue.claim(wait_seconds_max=0) is None


async def test_a_line_that_lost_its_turns_is_served_all_the_same(at):
    jobs = [application_job(ApplicationId("argocd", n), Priority.PUSH, repository=n) for n in "abc"]
    await at.queue.enqueue(jobs)
    await at.client.delete("{trueup}:turns")
    assert {(await claimed(at.queue)).job.key for _ in jobs} == {job.key for job in jobs}
