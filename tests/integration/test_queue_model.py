"""The queue against a model of it, on a real Valkey, over sequences that Hypothesis makes up.

Beside the model, which predicts every answer, two histories are kept that know nothing of how the
queue works: which events no settled run has covered yet, and which tokens were handed out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.support.queues import ManualClock
from trueup.clients.queue import EpochMissingError, Queue, QueueFullError
from trueup.clients.queue_records import Depth
from trueup.clients.queue_scripts import QueueBounds
from trueup.clients.redis import connect
from trueup.domain.errors import SupersededError
from trueup.domain.job import EVERYTHING, Claim, Job, Priority, Scope, Token
from trueup.sandbox.valkey import valkey_server

T = TypeVar("T")

BOUNDS = QueueBounds(lease_seconds=10, attempts_max=2, queue_jobs_max=3, dead_letters_max=100)
LEASE_MS = 10_000
TIP = "repository main"

SCOPES = st.one_of(st.just(EVERYTHING), st.builds(Scope, st.frozensets(st.sampled_from("xyz"), max_size=2)))
JOBS = st.builds(
    Job,
    st.just("application"),
    st.sampled_from(["argocd/a", "argocd/b", "argocd/c", "argocd/d"]),
    SCOPES,
    st.sampled_from(Priority),
    st.sampled_from([0.0, 0.0, 1.0, 15.0]),
    st.sampled_from(["", "1", "2"]),
)


@dataclass
class Entry:
    """What waits, runs or is dead under one key."""

    job: Job
    due: int
    at: int
    attempt: int = 0
    token: Token | None = None
    lapses: int = 0

    def joined(self, newer: Entry) -> Entry:
        job = Job(
            self.job.kind,
            self.job.subject,
            self.job.scope.union(newer.job.scope),
            min(self.job.priority, newer.job.priority),
            0.0,
            newer.job.tip or self.job.tip,
        )
        return Entry(job, min(self.due, newer.due), min(self.at, newer.at), max(self.attempt, newer.attempt))


@dataclass
class Model:
    now: int
    epoch: int | None = None
    waiting: dict[str, Entry] = field(default_factory=dict)
    running: dict[str, Entry] = field(default_factory=dict)
    dead: dict[str, Entry] = field(default_factory=dict)
    tip: str | None = None
    #: Until when a key rests.
    resting: dict[str, int] = field(default_factory=dict)

    def rested(self, entry: Entry) -> Entry:
        ends = self.resting.get(entry.job.key, 0) if entry.job.priority >= Priority.PUSH else 0
        return replace(entry, due=max(entry.due, ends))

    def settle(self, key: str, rest_ms: int) -> None:
        del self.running[key]
        self.resting.pop(key, None)
        if rest_ms:
            self.resting[key] = self.now + rest_ms
        if key in self.waiting:
            self.waiting[key] = self.rested(self.waiting[key])

    def enqueue(self, jobs: list[Job]) -> bool:
        if len(self.waiting.keys() | {job.key for job in jobs}) > max(BOUNDS.queue_jobs_max, len(self.waiting)):
            return False
        for job in jobs:
            entry = Entry(replace(job, delay_seconds=0.0), self.now + round(job.delay_seconds * 1000), self.now)
            entry = self.rested(entry)
            if job.key in self.dead:
                entry = replace(self.dead.pop(job.key), due=entry.due, attempt=0).joined(entry)
            self.waiting[job.key] = self.waiting[job.key].joined(entry) if job.key in self.waiting else entry
        return True

    def claim(self) -> Entry | None:
        for key in [k for k, entry in self.running.items() if entry.lapses <= self.now]:
            self.give_back(key, due=self.now, failed=True)
        due = [
            (e.job.priority, e.due, k) for k, e in self.waiting.items() if k not in self.running and e.due <= self.now
        ]
        if not due:
            return None
        key = min(due)[2]
        self.running[key] = replace(self.waiting.pop(key), lapses=self.now + LEASE_MS)
        return self.running[key]

    def holds(self, claim: Claim) -> bool:
        entry = self.running.get(claim.job.key)
        return entry is not None and entry.token == claim.token and entry.lapses > self.now

    def give_back(self, key: str, *, due: int | None, failed: bool = False, dead: bool = False) -> None:
        run = self.running.pop(key)
        arrived = self.waiting.pop(key, None)
        attempt = run.attempt + failed
        back = Entry(run.job, run.due if due is None else due, run.at, attempt)
        if not dead and not (failed and attempt >= BOUNDS.attempts_max):
            self.waiting[key] = back.joined(arrived) if arrived else back
        elif arrived:
            self.waiting[key] = replace(back, due=arrived.due, attempt=0).joined(arrived)
        else:
            self.dead[key] = back

    @property
    def depth(self) -> Depth:
        lines = [entry for key, entry in self.waiting.items() if key not in self.running]
        ready = sum(entry.due <= self.now for entry in lines)
        held = len(self.waiting) - len(lines)
        return Depth(ready, len(lines) - ready, held, len(self.running), len(self.dead))


class QueueMachine(RuleBasedStateMachine):
    url = ""
    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.client = connect(self.url)
        self.queue = Queue(self.client, bounds=BOUNDS, clock=ManualClock.source)
        self.clock = ManualClock(self.client)
        self.model = Model(self.clock.milliseconds)
        self.last_epoch = 0
        self.last_token = Token(0, 0)
        # Events by key that no settled run has covered, and which of them each run was started for.
        self.uncovered: dict[str, list[Job]] = {}
        self.started_for: dict[Token, list[Job]] = {}

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(call)

    @initialize()
    def emptied_and_opened(self) -> None:
        self.flush()
        self.open_epoch()

    @rule(jobs=st.lists(JOBS, min_size=1, max_size=4))
    def enqueue(self, jobs: list[Job]) -> None:
        try:
            self.run(self.queue.enqueue(jobs))
        except QueueFullError:
            assert not self.model.enqueue(jobs)
        else:
            assert self.model.enqueue(jobs)
            self.remember(jobs)

    def remember(self, jobs: list[Job]) -> None:
        for job in jobs:
            self.uncovered.setdefault(job.key, []).append(job)

    @rule(seconds=st.sampled_from([0.001, 0.999, 5, 9.999, 10]))
    def time_passes(self, seconds: float) -> None:
        self.run(self.clock.advance(seconds))
        self.model.now = self.clock.milliseconds

    @rule(target=claims)
    def claim(self) -> Claim | MultipleResults[Claim]:
        return self.claimed() or multiple()

    def claimed(self) -> Claim | None:
        if self.model.epoch is None:
            with pytest.raises(EpochMissingError):
                self.run(self.queue.claim(wait_seconds_max=0))
            return None
        expected = self.model.claim()
        claim = self.run(self.queue.claim(wait_seconds_max=0))
        if expected is None or claim is None:
            assert claim is None
            assert expected is None
            return None
        expected.token = claim.token
        assert claim == Claim(expected.job, claim.token, expected.attempt, expected.at / 1000)
        self.watch(claim)
        return claim

    def watch(self, claim: Claim) -> None:
        """What any queue owes, whatever it is made of."""
        assert claim.token > self.last_token
        assert claim.token.epoch == self.model.epoch
        self.last_token = claim.token
        events = self.uncovered.get(claim.job.key, [])
        assert events, "a run that nobody asked for"
        for event in events:
            assert claim.job.scope.is_everything or (event.scope.members or set()) <= (claim.job.scope.members or set())
            assert event.scope.is_everything <= claim.job.scope.is_everything
            assert event.priority >= claim.job.priority
        self.started_for[claim.token] = list(events)

    def settled(self, claim: Claim) -> None:
        for event in self.started_for[claim.token]:
            self.uncovered[claim.job.key].remove(event)

    def attempt(self, claim: Claim, call: Coroutine[Any, Any, None]) -> bool:
        """Whether the queue let this claim act; the model must say the same."""
        valid = self.model.holds(claim)
        try:
            self.run(call)
        except SupersededError:
            assert not valid
            return False
        assert valid
        return True

    @precondition(lambda self: self.model.running)
    @rule(claim=claims)
    def heartbeat(self, claim: Claim) -> None:
        if self.attempt(claim, self.queue.heartbeat(claim)):
            self.model.running[claim.job.key].lapses = self.model.now + LEASE_MS

    @rule(claim=claims, rest=st.sampled_from([0.0, 0.0, 3.0, 12.0]))
    def settle(self, claim: Claim, rest: float = 0.0) -> None:
        if self.attempt(claim, self.queue.settle(claim, rest_seconds=rest)):
            self.model.settle(claim.job.key, round(rest * 1000))
            self.settled(claim)

    @rule(claim=claims, delay=st.sampled_from([0.0, 2.0, None]))
    def fail(self, claim: Claim, delay: float | None) -> None:
        if self.attempt(claim, self.queue.fail(claim, delay_seconds=delay, reason="no")):
            due = self.model.now + round((delay or 0) * 1000)
            self.model.give_back(claim.job.key, due=due, failed=True, dead=delay is None)

    @rule(claim=claims)
    def release(self, claim: Claim) -> None:
        if self.attempt(claim, self.queue.release(claim)):
            self.model.give_back(claim.job.key, due=None)

    @rule(claim=consumes(claims))
    def crash(self, claim: Claim) -> None:
        """The worker is gone: nobody holds this claim any more."""

    @rule(claim=claims, jobs=st.lists(JOBS, max_size=2), new=st.sampled_from(["s1", "s2"]), honest=st.booleans())
    def move_tip(self, claim: Claim, jobs: list[Job], new: str, honest: bool) -> None:
        expected = self.model.tip if honest else "another"
        allowed = self.model.holds(claim) and self.model.tip in (None, expected)
        try:
            self.run(self.queue.enqueue_and_move_tip(claim, jobs, {TIP: (expected, new)}))
        except SupersededError:
            assert not allowed
        except QueueFullError:
            assert allowed
            assert not self.model.enqueue(jobs)
        else:
            assert allowed
            assert self.model.enqueue(jobs)
            self.remember(jobs)
            self.model.tip = new

    @rule(higher=st.sampled_from([-1, 0, 1, 1, 1]))
    def open_epoch(self, higher: int = 1) -> None:
        # The Lease in Kubernetes only ever counts up, and does so when Redis has no epoch.
        epoch = self.last_epoch + (1 if self.model.epoch is None else higher)
        opened = self.run(self.queue.open_epoch(epoch))
        assert opened == (self.model.epoch is None or epoch > self.model.epoch)
        if not opened:
            return
        self.last_epoch = self.model.epoch = epoch
        for key in list(self.model.running):
            self.model.give_back(key, due=None)

    @rule()
    def flush(self) -> None:
        """Redis is lost: with it what only it knew, which the sweep will find."""
        self.run(self.client.flushall())
        self.run(self.clock.restore())
        self.model = Model(self.clock.milliseconds)
        self.uncovered = {}

    @rule()
    def scripts_are_forgotten(self) -> None:
        self.run(self.client.script_flush())

    @invariant()
    def the_queue_is_as_the_model_says(self) -> None:
        assert self.run(self.queue.depth()) == self.model.depth
        assert self.run(self.queue.examined_tips([TIP])) == [self.model.tip]
        letters = {letter.job.key: letter.job for letter in self.run(self.queue.dead_letters())}
        assert letters == {key: entry.job for key, entry in self.model.dead.items()}

    @invariant()
    def at_most_one_token_per_key_is_valid(self) -> None:
        running = self.run(self.client.hkeys("{trueup}:running"))
        lines = self.run(self.client.zrange("{trueup}:ready", 0, -1)) + self.run(
            self.client.zrange("{trueup}:delayed", 0, -1)
        )
        assert len(lines) == len(set(lines))
        assert not set(lines) & set(running)
        assert set(self.run(self.client.zrange("{trueup}:leases", 0, -1))) == set(running)

    @invariant()
    def every_uncovered_event_is_in_the_queue(self) -> None:
        known = self.model.waiting.keys() | self.model.running.keys() | self.model.dead.keys()
        assert {key for key, events in self.uncovered.items() if events} <= known

    def teardown(self) -> None:
        try:
            if self.model.epoch is not None:
                self.drain()
        finally:
            self.run(self.client.aclose())
            self.runner.close()

    def drain(self) -> None:
        """Left alone, every event that is not a dead letter gets its run, and each key no more than one."""
        self.time_passes(1000)
        seen = set()
        while (claim := self.claimed()) is not None:
            assert claim.job.key not in seen
            seen.add(claim.job.key)
            self.settle(claim)
        assert {key for key, events in self.uncovered.items() if events} == self.model.dead.keys()
        assert self.model.waiting == self.model.running == {}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory: Path = tmp_path_factory.mktemp("valkey")
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        server = runner.run(stack.enter_async_context(valkey_server(directory)))
        yield server.url
        runner.run(stack.aclose())


def test_the_queue_keeps_its_promises_over_any_sequence_of_events(url: str) -> None:
    machine = type("Machine", (QueueMachine,), {"url": url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
