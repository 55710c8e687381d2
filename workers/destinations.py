"""The Applications that wait for another cluster: looked at once its Secret is there or corrected, or it answers again.

Each worker tells of what it has seen itself, so that the last one to hear of a Secret makes for a look
that meets no worker without it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import structlog

from trueup.clients.applications import ApplicationStore
from trueup.clients.queue import Queue
from trueup.domain.application import Application, ApplicationId
from trueup.domain.cluster_secret import ClusterSecret, parse_cluster_secret
from trueup.domain.clusters import concerns
from trueup.domain.errors import TrueupError
from trueup.domain.job import EVERY_LIVE_OBJECT, Priority, application_job
from trueup.domain.standing import is_unknown

log = structlog.get_logger()

#: The pause after Redis did not take the jobs.
AWAY_SECONDS = 1.0


class Arrivals:
    """Enqueues the Applications whose cluster came, changed, went or answers again."""

    def __init__(self, queue: Queue, applications: ApplicationStore, *, is_loaded: Callable[[], bool]) -> None:
        """What is there at the start, before `is_loaded`, is no news: the watches and the sweep look at everything."""
        self._queue = queue
        self._applications = applications
        self._is_loaded = is_loaded
        self._waiting: set[ApplicationId] = set()
        self._wake = asyncio.Event()

    def observe(self, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
        """The informer's callback, after the book's own: O(Applications) per change of what a Secret says."""
        if not self._is_loaded():
            return
        before, after = (parse_cluster_secret(raw) if raw is not None else None for raw in (old, new))
        if before == after:
            return
        for secret in (before, after):
            if secret is not None:
                self._look(partial(concerns, secret))

    def came_back(self, secret: ClusterSecret) -> None:
        """The cluster gives answers again."""
        self._look(lambda app: concerns(secret, app) and (is_unknown(app) or app.deleting))

    async def run(self) -> None:
        """Hand them over until cancelled, again and again while Redis is away."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            waiting, self._waiting = self._waiting, set()
            try:
                await self._queue.enqueue(
                    [application_job(app, Priority.DRIFT, scope=EVERY_LIVE_OBJECT) for app in sorted(waiting)]
                )
            except TrueupError as error:
                log.warning("applications that a cluster Secret concerns wait for Redis", reason=str(error))
                self._waiting |= waiting
                self._wake.set()
                await asyncio.sleep(AWAY_SECONDS)

    def _look(self, concerned: Callable[[Application], bool]) -> None:
        found = {app.id for app in self._applications.all() if concerned(app)}
        if found:
            self._waiting |= found
            self._wake.set()
