"""Jobs that something besides a job asks for: handed to Redis as soon as it takes them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Generic, Protocol, TypeVar

import structlog

from trueup.clients.queue import Queue
from trueup.domain.errors import TrueupError
from trueup.domain.job import Job

log = structlog.get_logger()

#: The pause after Redis did not take the jobs.
AWAY_SECONDS = 1.0
#: Handed over at a time: nobody waits behind a long list.
BATCH_JOBS_MAX = 500


class _Ordered(Protocol):
    def __lt__(self, other: Any, /) -> bool: ...


Subject = TypeVar("Subject", bound=_Ordered)


class Handover(Generic[Subject]):
    """Subjects that wait to be enqueued, each once."""

    def __init__(self, queue: Queue, job_of: Callable[[Subject], Job], *, said: str) -> None:
        """`said` names the subjects in the log."""
        self._queue = queue
        self._job_of = job_of
        self._said = said
        self._waiting: set[Subject] = set()
        self._wake = asyncio.Event()

    def put(self, subjects: Iterable[Subject]) -> None:
        """Have them enqueued."""
        self._waiting.update(subjects)
        if self._waiting:
            self._wake.set()

    async def run(self) -> None:
        """Hand them over until cancelled, again and again while Redis is away."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch = sorted(self._waiting)[:BATCH_JOBS_MAX]
                self._waiting.difference_update(batch)
                try:
                    await self._queue.enqueue([self._job_of(subject) for subject in batch])
                except TrueupError as error:
                    log.warning("jobs wait for Redis", jobs=self._said, reason=str(error))
                    self._waiting.update(batch)
                    await asyncio.sleep(AWAY_SECONDS)
