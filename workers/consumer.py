"""Claims jobs, runs them under a lease, and settles each with what its run came to.

One claim waits in Redis at a time, and only while a slot is free. A stop claims nothing more, lets
what runs finish for a bounded time, and hands the rest back without counting an attempt.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from trueup.clients.queue import EpochMissingError, Lease, Queue
from trueup.domain.backoff import backoff_seconds
from trueup.domain.errors import ClusterAwayError, ClusterBusyError, StalledError, SupersededError, TransientError
from trueup.domain.job import Claim
from trueup.settings import Settings
from trueup.telemetry import JOB_SECONDS, JOBS_RUN, place_of

log = structlog.get_logger()

#: How long one claim waits in Redis before it asks again; a new job ends the wait at once.
CLAIM_WAIT_SECONDS_MAX = 20.0
#: When draining, the longest wait for a job that another worker may yet hand back.
DRAIN_WAIT_SECONDS_MAX = 1.0
#: The pause after Redis or its epoch was found away.
AWAY_SECONDS = 0.5

#: Runs a job; for how many seconds pushes and sweeps under its key are to wait after it.
Handler = Callable[[Claim, Lease], Awaitable[float]]


class Consumer:
    """Runs jobs until it is told to stop or, when draining, until there is none left."""

    def __init__(self, queue: Queue, handler: Handler, settings: Settings) -> None:
        self._queue = queue
        self._handler = handler
        self._settings = settings
        self._slots = asyncio.Semaphore(settings.jobs_running_max)
        self._runs: set[asyncio.Task[None]] = set()
        self._is_draining = False
        #: When draining: jobs that are due too late to wait for.
        self.jobs_left = 0
        #: When the loop last came round, by the monotonic clock: what a liveness probe asks.
        self.last_turn = time.monotonic()

    async def run(self, stop: asyncio.Event, *, drain: bool = False) -> None:
        """Claim and run until `stop`; with `drain`, also return once no job is left in Redis that is due soon."""
        self._is_draining = drain
        claiming = asyncio.create_task(self._claim_and_start(drain=drain))
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({claiming, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if claiming.done():
                claiming.result()
        finally:
            stopped.cancel()
            claiming.cancel()
            await asyncio.gather(claiming, return_exceptions=True)
            await self._finish()

    async def _finish(self) -> None:
        if self._runs:
            await asyncio.wait(self._runs, timeout=self._settings.shutdown_seconds_max)
        for run in self._runs:
            run.cancel()
        await asyncio.gather(*self._runs, return_exceptions=True)

    async def _slot(self) -> None:
        """Wait for a free slot; runs that take long are no standstill."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLAIM_WAIT_SECONDS_MAX):
                    await self._slots.acquire()
                    return
            self.last_turn = time.monotonic()

    async def _claim_and_start(self, *, drain: bool) -> None:
        while True:
            self.last_turn = time.monotonic()
            await self._slot()
            claim = None
            try:
                wait = DRAIN_WAIT_SECONDS_MAX if drain else CLAIM_WAIT_SECONDS_MAX
                claim = await self._claim(wait, drain=drain)
                if claim is None and drain and await self._is_drained():
                    return
            except TransientError as error:
                log.warning("nothing can be claimed", reason=str(error))
                await asyncio.sleep(error.retry_after_seconds or AWAY_SECONDS)
            finally:
                if claim is None:
                    self._slots.release()
            if claim is not None:
                run = asyncio.create_task(self._run(claim))
                self._runs.add(run)
                run.add_done_callback(self._ended)

    async def _claim(self, wait_seconds_max: float, *, drain: bool) -> Claim | None:
        try:
            return await self._queue.claim(wait_seconds_max=wait_seconds_max)
        except EpochMissingError:
            # Whoever drains does not wait for an epoch where there is nothing to be done in it.
            if not (drain and await self._is_drained()):
                raise
            return None

    def _ended(self, run: asyncio.Task[None]) -> None:
        self._runs.discard(run)
        self._slots.release()

    async def _is_drained(self) -> bool:
        depth = await self._queue.depth()
        if self._runs or depth.ready or depth.held or depth.running:
            return False
        delay = await self._queue.delay_seconds() if depth.delayed else None
        if delay is not None and delay <= self._settings.drain_delay_seconds_max:
            return False
        self.jobs_left = depth.delayed
        if delay is not None:
            log.warning("jobs are left to a later worker", jobs=depth.delayed, first_due_in_seconds=round(delay))
        return True

    async def _run(self, claim: Claim) -> None:
        started = time.monotonic()
        with structlog.contextvars.bound_contextvars(job=claim.job.key, token=str(claim.token)):
            try:
                outcome = await self._run_and_settle(claim)
            except SupersededError as error:
                outcome = "superseded"
                log.info("this run is void", reason=str(error))
                await self._hand_back(claim)
            except TransientError as error:
                outcome = "unsettled"
                log.warning("the run could not be settled; its lease will expire", reason=str(error))
            except asyncio.CancelledError:
                JOBS_RUN.labels(claim.job.kind, "released").inc()
                await self._hand_back(claim)
                raise
        JOBS_RUN.labels(claim.job.kind, outcome).inc()
        JOB_SECONDS.labels(claim.job.kind).observe(time.monotonic() - started)

    async def _run_and_settle(self, claim: Claim) -> str:
        try:
            async with self._queue.running(claim) as lease:
                rest_seconds = await self._handler(claim, lease)
        except SupersededError:
            raise
        except StalledError as error:
            log.warning("stalled", reason=str(error))
            await self._queue.settle(claim)
            return "stalled"
        except (ClusterAwayError, ClusterBusyError) as error:
            return await self._put_off(claim, error)
        except TransientError as error:
            log.warning("failed, will be tried again", reason=str(error), attempt=claim.attempt)
            delay = self._delay_seconds(claim, error)
            await self._queue.fail(claim, delay_seconds=delay, reason=str(error), of_outage=True)
            return "failed"
        except Exception as error:  # noqa: BLE001 - one job's fault is not the process'
            # A poison object must not stop the others: bounded retries, then the dead letters. What the
            # error says may hold values of Secrets; its class and its place do not.
            log.error("an error that nobody foresaw", error=type(error).__name__, place=place_of(error))  # noqa: TRY400
            await self._queue.fail(claim, delay_seconds=self._delay_seconds(claim), reason=type(error).__name__)
            return "broken"
        await self._queue.settle(claim, rest_seconds=rest_seconds)
        return "done"

    async def _put_off(self, claim: Claim, error: ClusterAwayError | ClusterBusyError) -> str:
        """Leave the slot to others and come back, without counting a try.

        Whoever drains the queue does not wait for a cluster that is away: that is left to a later worker.
        """
        delay = (error.retry_after_seconds or AWAY_SECONDS) * random.uniform(1.0, 1.5)  # noqa: S311 - spreads load
        if self._is_draining and isinstance(error, ClusterAwayError):
            delay = max(delay, 2 * self._settings.drain_delay_seconds_max)
        log.info("put off", reason=str(error), seconds=round(delay, 1))
        await self._queue.enqueue([replace(claim.job, delay_seconds=delay)])
        await self._queue.settle(claim)
        return "put off"

    async def _hand_back(self, claim: Claim) -> None:
        try:
            await self._queue.release(claim)
        except (TransientError, SupersededError) as error:
            log.info("the job was not handed back; its lease will expire", reason=str(error))

    def _delay_seconds(self, claim: Claim, error: TransientError | None = None) -> float:
        asked_for = (error and error.retry_after_seconds) or 0.0
        return max(
            asked_for,
            backoff_seconds(
                claim.attempt,
                seconds_min=self._settings.retry_seconds_min,
                seconds_max=self._settings.retry_seconds_max,
                jitter=random.random(),  # noqa: S311 - spreads load, keeps no secret
            ),
        )
