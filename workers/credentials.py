"""The repository credentials of now, and the repositories that wait for them.

A repository that could not be read is tried again with growing pauses. A Secret that may open it ends
the wait: the repository is examined anew as soon as the Secret is there or corrected.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import structlog

from trueup.clients.applications import ApplicationStore
from trueup.clients.informer import Informer
from trueup.clients.queue import Queue
from trueup.domain.application import Application
from trueup.domain.credentials import RepositoryCredentials, parse_secrets, select_for_source
from trueup.domain.job import Job, Priority, repository_job
from trueup.domain.lenient import as_list, as_mapping

from .handover import Handover

log = structlog.get_logger()


class Credentials:
    """The repository credentials of now, parsed once per change."""

    def __init__(self, secrets: Informer) -> None:
        self._secrets = secrets
        self._parsed: tuple[RepositoryCredentials, ...] = ()
        self._of: Mapping[Any, Any] | None = None

    def __call__(self) -> tuple[RepositoryCredentials, ...]:
        snapshot = self._secrets.snapshot()
        if snapshot is not self._of:
            self._parsed, wrong = parse_secrets(snapshot.values())
            self._of = snapshot
            for sentence in wrong:
                log.warning("a repository Secret is not used", reason=sentence)
        return self._parsed


class Openings:
    """Enqueues the repositories that a new or changed Secret may open."""

    def __init__(self, queue: Queue, applications: ApplicationStore, *, is_loaded: Callable[[], bool]) -> None:
        """What is there at the start, before `is_loaded`, is no news: the sweep looks at every repository then."""
        self._applications = applications
        self._is_loaded = is_loaded
        self._handover = Handover(queue, _look, said="a look at repositories that a Secret may open")

    def observe(self, _old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
        """The informer's callback: O(repositories) per change of a Secret."""
        if new is None or not self._is_loaded():
            return
        found, _ = parse_secrets([new])
        repositories = self._applications.repositories()
        self._handover.put(
            url for url in repositories if any(_waits_for(app, found) for app in self._applications.followers(url))
        )

    async def run(self) -> None:
        """Hand them over until cancelled, again and again while Redis is away."""
        await self._handover.run()


def _look(url: str) -> Job:
    return repository_job(url, Priority.PUSH)


def _waits_for(application: Application, found: tuple[RepositoryCredentials, ...]) -> bool:
    """Whether the application could not be compared and its repository is one of those that these open."""
    troubled = not application.revision or any(
        as_mapping(condition).get("type") == "ComparisonError"
        for condition in as_list(application.status.get("conditions"))
    )
    return troubled and any(
        select_for_source(source, found, project=application.project) is not None for source in application.sources
    )
