"""`/api/v1`: what the service knows, for reading. Nothing in an answer comes from a Secret."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from aiohttp import web

from trueup.clients.applications import ApplicationStore
from trueup.clients.queue import Queue
from trueup.domain.application import ApplicationId
from trueup.domain.errors import TransientError
from trueup.domain.githost import REPOSITORIES_PATH

from .answers import RefusedError, answer
from .application_answers import summary, whole
from .incidents import Incidents


class Api:
    """Answers from the snapshot and from Redis: no request reaches the API server."""

    def __init__(
        self,
        applications: ApplicationStore,
        incidents: Incidents,
        queue: Queue,
        *,
        namespace: str,
        is_loaded: Callable[[], bool],
    ) -> None:
        """`namespace` is where Applications live."""
        self._applications = applications
        self._incidents = incidents
        self._queue = queue
        self._namespace = namespace
        self._is_loaded = is_loaded

    def mount(self, public: web.Application) -> None:
        """Answer at its paths."""
        public.router.add_get("/api/v1/applications", self.list_applications)
        public.router.add_get("/api/v1/applications/{name}", self.get_application)
        public.router.add_get(REPOSITORIES_PATH, self.list_repositories)

    async def list_applications(self, _request: web.Request) -> web.Response:
        """Every Application by name, with what its status says."""
        self._check_loaded()
        ordered = sorted(self._applications.all(), key=lambda application: application.id)
        return answer(200, {"items": [summary(application) for application in ordered]})

    async def get_application(self, request: web.Request) -> web.Response:
        """One Application with its objects, its conditions and its latest incidents."""
        self._check_loaded()
        identity = ApplicationId(self._namespace, request.match_info["name"])
        application = self._applications.get(identity)
        if application is None:
            raise RefusedError(404, "There is no such Application; /api/v1/applications names those there are.")
        known = None if self._incidents.problem else self._incidents.of(identity)
        return answer(200, whole(application, known, datetime.now(UTC)))

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
