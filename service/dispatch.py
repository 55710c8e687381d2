"""The one way from the service into the queue, and the memory of what Redis could not take.

While Redis is away, jobs wait here joined by key; over `dirty_keys_max` keys the memory is given up
for one word, "everything": once Redis is back, every repository and every live object is looked at.
Nothing is lost, only haste.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import count
from time import monotonic

from trueup.clients.queue import Queue
from trueup.domain.errors import TransientError, TrueupError
from trueup.domain.job import Job
from trueup.telemetry import DIRTY_JOBS

from .quiet import QuietLog


@dataclass(frozen=True, slots=True)
class DispatchBounds:
    dirty_keys_max: int = 10_000
    #: Jobs handed to Redis in one call.
    batch_jobs_max: int = 500
    #: For one call; below the 10 s after which GitHub gives a delivery up.
    enqueue_seconds_max: float = 5.0
    retry_seconds_min: float = 0.1
    retry_seconds_max: float = 5.0
    #: How long the loop may be idle without a sign of life.
    heartbeat_seconds: float = 5.0


DEFAULT_BOUNDS = DispatchBounds()


class Owed(IntEnum):
    """How much has to be looked at beside what is marked."""

    NOTHING = 0
    #: What commits may have moved.
    REPOSITORIES = 1
    #: That, and whatever may have moved in the cluster.
    EVERYTHING = 2


class Dispatcher:
    """Hands jobs to the queue: at once and for certain by `submit`, soon and for certain by `mark`."""

    def __init__(
        self,
        queue: Queue,
        jobs_owed: Callable[[Owed], Sequence[Job]],
        *,
        bounds: DispatchBounds = DEFAULT_BOUNDS,
    ) -> None:
        """`jobs_owed` gives the jobs that stand for whatever may have been forgotten."""
        self._queue = queue
        self._jobs_owed = jobs_owed
        self._bounds = bounds
        self._dirty: dict[str, Job] = {}
        #: What is to be looked at at the loop's next turn.
        self.owed = Owed.NOTHING
        self._wake = asyncio.Event()
        self._log = QuietLog(__name__)
        #: `time.monotonic()` of the loop's last turn, for a progress probe.
        self.last_turn = monotonic()
        #: Called when Redis has refused something: whoever watches it may want to look now.
        self.on_failure: Callable[[], None] | None = None

    @property
    def dirty_keys(self) -> int:
        """How many jobs wait for Redis."""
        return len(self._dirty)

    async def submit(self, jobs: Sequence[Job]) -> None:
        """Returns once Redis has confirmed. Where it did not, the jobs are marked and TrueupError is raised."""
        try:
            await self._enqueue(jobs)
        except BaseException:
            self.mark(jobs)
            raise

    def mark(self, jobs: Iterable[Job]) -> None:
        """Remember the jobs; the loop hands them over, now or when Redis is back."""
        for job in jobs:
            waiting = self._dirty.get(job.key)
            self._dirty[job.key] = _joined(waiting, job) if waiting else job
        if len(self._dirty) > self._bounds.dirty_keys_max:
            self._dirty.clear()
            self.owe(Owed.EVERYTHING)
        self._wake.set()
        DIRTY_JOBS.set(len(self._dirty))

    def owe(self, what: Owed) -> None:
        """Look at so much at the next turn of the loop."""
        self.owed = max(self.owed, what)
        self._wake.set()

    async def run(self) -> None:
        """Hand over what is marked until cancelled; while Redis is away, try again with growing pauses."""
        failures = 0
        while True:
            self.last_turn = monotonic()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._bounds.heartbeat_seconds):
                    await self._wake.wait()
            self.last_turn = monotonic()
            try:
                await self._hand_over()
                failures = 0
            except TrueupError as error:
                self._log.warning("Redis takes no jobs; they are kept", error=str(error))
                await asyncio.sleep(self._pause_seconds(failures))
                failures += 1

    async def flush(self, *, seconds_max: float) -> bool:
        """Hand over what is marked before the end of the process; False where some of it stays behind."""
        try:
            async with asyncio.timeout(seconds_max):
                for failures in count():
                    with contextlib.suppress(TrueupError):
                        await self._hand_over()
                        break
                    await asyncio.sleep(self._pause_seconds(failures))
        except TimeoutError:
            return False
        return True

    async def _hand_over(self) -> None:
        self._wake.clear()
        if owed := self.owed:
            self.owed = Owed.NOTHING
            try:
                for batch in self._batches(self._jobs_owed(owed)):
                    await self._enqueue(batch)
                    self.last_turn = monotonic()
            except BaseException:
                self.owe(owed)
                raise
        while self._dirty:
            batch = [self._dirty.pop(key) for key in list(self._dirty)[: self._bounds.batch_jobs_max]]
            await self.submit(batch)
            self.last_turn = monotonic()
            DIRTY_JOBS.set(len(self._dirty))

    def _batches(self, jobs: Sequence[Job]) -> Iterable[Sequence[Job]]:
        size = self._bounds.batch_jobs_max
        return (jobs[start : start + size] for start in range(0, len(jobs), size))

    async def _enqueue(self, jobs: Sequence[Job]) -> None:
        try:
            async with asyncio.timeout(self._bounds.enqueue_seconds_max):
                await self._queue.enqueue(jobs)
        except TimeoutError as error:
            self._tell_failure()
            raise TransientError(
                f"Redis did not confirm within {self._bounds.enqueue_seconds_max:g} s", retry_after_seconds=1
            ) from error
        except TrueupError:
            self._tell_failure()
            raise

    def _tell_failure(self) -> None:
        if self.on_failure is not None:
            self.on_failure()

    def _pause_seconds(self, failures: int) -> float:
        bounds = self._bounds
        ceiling = min(bounds.retry_seconds_max, bounds.retry_seconds_min * 2 ** min(failures, 32))
        return random.uniform(ceiling / 2, ceiling)  # noqa: S311 -- no secret


def _joined(one: Job, other: Job) -> Job:
    """What the queue would make of the two under their one key."""
    return replace(
        other,
        scope=one.scope.union(other.scope),
        priority=min(one.priority, other.priority),
        delay_seconds=min(one.delay_seconds, other.delay_seconds),
        tip=other.tip or one.tip,
        lane=other.lane or one.lane,
    )
