"""What finds the events that were missed: a look at every repository, now and then and after a loss of Redis.

One replica of the service sweeps at intervals; every one looks after the epoch, and sweeps for a new one.
Redis without an epoch was emptied: the epoch is raised in Kubernetes first and opened in Redis then.
Any number of replicas may do this at once, since only a higher epoch is ever opened. Each replica
that sees an epoch it has not seen before sweeps, so that no sweep hangs on one that dies meanwhile.
What an emptied Redis has forgotten, or one that came back without its last writes, may have been live
edits as well as pushes, so then every application is looked at too; at the start the watches see to that.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from time import monotonic

import structlog

from trueup.clients.applications import ApplicationStore
from trueup.clients.queue import Queue
from trueup.clients.queue_records import NOTHING_ANNOUNCED
from trueup.clients.queue_scripts import DEFAULT_BOUNDS as QUEUE_BOUNDS
from trueup.domain.errors import TransientError, TrueupError
from trueup.domain.job import Priority
from trueup.telemetry import REPOSITORIES_MISSED, SWEEPS

from .dispatch import Dispatcher, Owed
from .pace import Pace, PaceBounds, next_pace
from .quiet import QuietLog
from .triggers import jobs_of_everything

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SweepBounds:
    #: How often a repository is swept; the other two bound how far that moves, see `pace`.
    sweep_interval_seconds: float = 300.0
    sweep_interval_seconds_min: float = 60.0
    sweep_interval_seconds_max: float = 1_800.0
    epoch_check_seconds: float = 2.0
    #: For one look at the epoch, with all that follows from it.
    epoch_seconds_max: float = 20.0
    #: A part of its interval by which each repository's sweep may come early or late, so that neither
    #: replicas nor repositories keep step.
    jitter: float = 0.1

    @property
    def pace(self) -> PaceBounds:
        usual = self.sweep_interval_seconds
        return PaceBounds(
            usual, min(usual, self.sweep_interval_seconds_min), max(usual, self.sweep_interval_seconds_max)
        )


@dataclass(frozen=True, slots=True)
class EpochLease:
    """The epoch in Kubernetes."""

    read: Callable[[], Awaitable[int | None]]
    bump: Callable[[], Awaitable[int]]


class Sweep:
    """Watches the epoch and sweeps; enqueues only through the dispatcher."""

    def __init__(
        self,
        queue: Queue,
        dispatcher: Dispatcher,
        applications: ApplicationStore,
        lease: EpochLease,
        *,
        bounds: SweepBounds,
    ) -> None:
        self._queue = queue
        self._dispatcher = dispatcher
        self._applications = applications
        self._lease = lease
        self._bounds = bounds
        #: The epoch and the run of the server that were seen last.
        self._known: tuple[int, str] | None = None
        self._behind: tuple[int, int | None] | None = None
        #: By repository: its pace, and when it is swept next by `time.monotonic()`.
        self._paces: dict[str, tuple[Pace, float]] = {}
        self._soon = asyncio.Event()
        self._opened = asyncio.Event()
        self._quiet = QuietLog(__name__)
        #: Why nothing can be queued or claimed now; empty where all is well.
        self.problem = "Redis was not asked yet."
        #: `time.monotonic()` of the last look, whatever it found.
        self.last_look = monotonic()

    def check_soon(self) -> None:
        """Look at the epoch now: something has just gone wrong with Redis."""
        self._soon.set()

    async def opened(self) -> None:
        """Wait until Redis has had an epoch once."""
        await self._opened.wait()

    async def run(self) -> None:
        """Keep the epoch until cancelled, in every replica; each new one is a reason to sweep.

        The Applications must be loaded: a sweep asks the store what there is.
        """
        while True:
            try:
                async with asyncio.timeout(self._bounds.epoch_seconds_max):
                    await self._check_epoch()
                self.problem = ""
                self._opened.set()
            except TimeoutError:
                self.problem = "Redis or Kubernetes did not answer in time."
            except TrueupError as error:
                self.problem = str(error)
            if self.problem:
                self._quiet.warning("no epoch", error=self.problem)
            self.last_look = monotonic()
            self._soon.clear()
            # A failure asks for a look at once; the next may be asked for only after a pause.
            await asyncio.sleep(self._bounds.epoch_check_seconds / 4)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._bounds.epoch_check_seconds * 3 / 4):
                    await self._soon.wait()

    async def _check_epoch(self) -> None:
        run = await self._queue.server_run()
        epoch = await self._queue.current_epoch()
        if epoch is not None and (epoch, run) == self._known:
            return
        await self._queue.check_server()
        if epoch is None or await self._is_from_backup(epoch):
            epoch = await self._open()
        self._dispatcher.owe(Owed.REPOSITORIES if self._known is None else Owed.EVERYTHING)
        self._known = (epoch, run)
        _log.info("epoch", epoch=epoch)
        SWEEPS.labels("epoch").inc()

    async def _is_from_backup(self, epoch: int) -> bool:
        """Whether Redis is behind Kubernetes, so that its counter of tokens has gone back.

        At first sight another replica may be about to open the raised epoch: TransientError then.
        """
        raised = await self._lease.read()
        if raised is not None and epoch >= raised:
            return False
        behind = (epoch, raised)
        if self._behind == behind:
            return True
        self._behind = behind
        raise TransientError(f"Redis has epoch {epoch} and Kubernetes {raised}: it is looked at again")

    async def _open(self) -> int:
        epoch = await self._lease.bump()
        if await self._queue.open_epoch(epoch):
            return epoch
        opened = await self._queue.current_epoch()
        if opened is None:
            raise TransientError("Redis was emptied while its epoch was being opened")
        return opened

    async def run_at_intervals(self) -> None:
        """Sweep each repository when its turn comes, until cancelled: one replica does it for all."""
        # What was due while another replica did this was done by it.
        self._paces.clear()
        try:
            await self._sweep_at_intervals()
        finally:
            REPOSITORIES_MISSED.set(0)

    async def _sweep_at_intervals(self) -> None:
        bounds = self._bounds
        everything_at = monotonic() + bounds.sweep_interval_seconds
        while True:
            await asyncio.sleep(self._stretched(bounds.pace.interval_seconds_min))
            due = self._due()
            jobs = jobs_of_everything(due, self._applications.all(), live=False)
            if monotonic() < everything_at:
                jobs = tuple(job for job in jobs if job.kind == "repository")
            else:
                everything_at = monotonic() + bounds.sweep_interval_seconds
                await self._retry_what_outages_ended()
            if due:
                SWEEPS.labels("interval").inc()
            self._dispatcher.mark(jobs)
            await self._set_paces(due)

    def _due(self) -> list[str]:
        """Whose turn it is; a repository seen for the first time comes up within one interval, at random."""
        now = monotonic()
        usual = self._bounds.sweep_interval_seconds
        followed = self._applications.repositories()
        self._paces = {
            url: self._paces.get(url) or (Pace(usual), now + usual * random.random())  # noqa: S311 -- no secret
            for url in followed
        }
        return [url for url, (_, at) in self._paces.items() if at <= now]

    async def _set_paces(self, due: Sequence[str]) -> None:
        """When each is due again, from what webhooks have done since it was last asked about."""
        try:
            every = await self._queue.announced(list(self._paces))
        except TrueupError as error:
            self._quiet.warning("what is known of webhooks cannot be read", error=str(error))
            every = [NOTHING_ANNOUNCED] * len(self._paces)
        REPOSITORIES_MISSED.set(sum(seen.is_missed for seen in every))
        known = dict(zip(self._paces, every, strict=True))
        for url in due:
            pace = next_pace(self._paces[url][0], known[url], self._bounds.pace)
            self._paces[url] = (pace, monotonic() + self._stretched(pace.interval_seconds))

    def _stretched(self, seconds: float) -> float:
        return seconds * random.uniform(1 - self._bounds.jitter, 1 + self._bounds.jitter)  # noqa: S311 -- no secret

    async def _retry_what_outages_ended(self) -> None:
        """A job whose every try met an outage waits for time alone: each sweep is its next chance."""
        try:
            letters = await self._queue.dead_letters(jobs_max=QUEUE_BOUNDS.dead_letters_max)
        except TrueupError as error:
            self._quiet.warning("dead letters cannot be read", error=str(error))
            return
        self._dispatcher.mark(replace(letter.job, priority=Priority.SWEEP) for letter in letters if letter.of_outage)
