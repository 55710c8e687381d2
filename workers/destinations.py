"""The Applications that wait for another cluster: looked at once its Secret is there or corrected, or it answers again.

Each worker tells of what it has seen itself, so that the last one to hear of a Secret makes for a look
that meets no worker without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from trueup.clients.applications import ApplicationStore
from trueup.clients.queue import Queue
from trueup.domain.application import Application, ApplicationId
from trueup.domain.cluster_secret import ClusterSecret, parse_cluster_secret
from trueup.domain.clusters import concerns
from trueup.domain.job import EVERY_LIVE_OBJECT, Job, Priority, application_job
from trueup.domain.standing import is_unknown

from .handover import Handover


class Arrivals:
    """Enqueues the Applications whose cluster came, changed, went or answers again."""

    def __init__(self, queue: Queue, applications: ApplicationStore, *, is_loaded: Callable[[], bool]) -> None:
        """What is there at the start, before `is_loaded`, is no news: the watches and the sweep look at everything."""
        self._applications = applications
        self._is_loaded = is_loaded
        self._handover = Handover(queue, _job, said="a look at what a cluster Secret concerns")

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
        await self._handover.run()

    def _look(self, concerned: Callable[[Application], bool]) -> None:
        self._handover.put({app.id for app in self._applications.all() if concerned(app)})


def _job(application: ApplicationId) -> Job:
    return application_job(application, Priority.DRIFT, scope=EVERY_LIVE_OBJECT)
