"""The Applications whose objects are held by other rules since `argocd-cm` changed: looked at again, all of them.

Each worker tells of what it has seen itself, so that the last one to hear of a change makes for a look that meets
no worker with the rules of before.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from trueup.clients.applications import ApplicationStore
from trueup.clients.queue import Queue
from trueup.domain.application import ApplicationId
from trueup.domain.ignore_changes import concerned
from trueup.domain.ignore_settings import ResourceSettings
from trueup.domain.job import EVERY_LIVE_OBJECT, Job, Priority, application_job

from .handover import Handover

log = structlog.get_logger()


class Rulings:
    """Enqueues the Applications that a change of the resource settings concerns."""

    def __init__(self, queue: Queue, applications: ApplicationStore, *, is_loaded: Callable[[], bool]) -> None:
        """What is there at the start, before `is_loaded`, is no news: the watches look at everything."""
        self._applications = applications
        self._is_loaded = is_loaded
        self._handover = Handover(queue, _look, said="a look at what a change of argocd-cm concerns")

    def observe(self, before: ResourceSettings, after: ResourceSettings) -> None:
        """Told of every change: O(objects of all Applications), for rules are seldom changed."""
        if not self._is_loaded():
            return
        found = {app.id for app in concerned(before, after, self._applications.all())}
        if found:
            log.info("resource settings have changed", applications=len(found))
            self._handover.put(found)

    async def run(self) -> None:
        """Hand them over until cancelled, again and again while Redis is away."""
        await self._handover.run()


def _look(application: ApplicationId) -> Job:
    return application_job(application, Priority.SWEEP, scope=EVERY_LIVE_OBJECT)
