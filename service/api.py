"""`/api/v1`: what the service knows, for reading. Nothing in an answer comes from a Secret."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from trueup.clients.applications import ApplicationStore
from trueup.clients.queue import Queue
from trueup.domain.application import Application
from trueup.domain.errors import TransientError
from trueup.domain.lenient import as_mapping, as_text
from trueup.domain.repository import redact_url

from .answers import RefusedError, answer


class Api:
    """Answers from the snapshot and from Redis: no request reaches the API server."""

    def __init__(self, applications: ApplicationStore, queue: Queue, *, is_loaded: Callable[[], bool]) -> None:
        self._applications = applications
        self._queue = queue
        self._is_loaded = is_loaded

    async def list_applications(self, _request: web.Request) -> web.Response:
        """Every Application by name, with what its status says."""
        self._check_loaded()
        ordered = sorted(self._applications.all(), key=lambda application: application.id)
        return answer(200, {"items": [_summary(application) for application in ordered]})

    async def list_repositories(self, _request: web.Request) -> web.Response:
        """Every repository that is followed, with what the last day says of its webhooks."""
        self._check_loaded()
        urls = sorted(self._applications.repositories())
        try:
            every = await self._queue.announced(urls)
        except TransientError as error:
            raise RefusedError(
                503, "Redis is away; it remembers which webhooks came.", retry_after_seconds=1
            ) from error
        items = [
            {"repository": url, "applications": len(self._applications.followers(url)), "webhook": announced.word}
            for url, announced in zip(urls, every, strict=True)
        ]
        return answer(200, {"items": items})

    def _check_loaded(self) -> None:
        if not self._is_loaded():
            raise RefusedError(503, "Applications are still being loaded.", retry_after_seconds=1)


def _summary(application: Application) -> dict[str, object]:
    status = application.status
    return {
        "namespace": application.id.namespace,
        "name": application.id.name,
        "project": application.project,
        "repository": redact_url(application.source.repo_url),
        "path": application.source.path,
        "targetRevision": application.source.target_revision,
        "sync": as_text(as_mapping(status.get("sync")).get("status")) or "Unknown",
        "health": as_text(as_mapping(status.get("health")).get("status")) or "Unknown",
        "revision": application.revision,
    }
