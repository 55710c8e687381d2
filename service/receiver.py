"""`POST /api/webhook`: verified, matched against what Applications name, enqueued, answered.

It asks nobody but Redis, and Redis only for a delivery that is genuine and that somebody follows; and
Amazon SNS, for the certificates that its messages are signed with. A payload's other addresses are
compared, never opened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web

from trueup.clients.applications import ApplicationStore
from trueup.clients.sns import SnsReader
from trueup.domain.errors import TransientError, TrueupError
from trueup.domain.job import Priority, repository_job
from trueup.domain.repository import URL_CHARS_MAX, normalize_url
from trueup.telemetry import WEBHOOKS

from .answers import RefusedError, answer, refusal
from .body import BodyReader
from .dispatch import Dispatcher
from .quiet import QuietLog
from .webhook_secrets import WebhookSecrets
from .webhooks.detect import PROVIDERS, detect
from .webhooks.event import (
    Fetch,
    Headers,
    Ignored,
    MalformedError,
    Ping,
    Provider,
    PushEvent,
    UnauthorizedError,
)

#: A body over this is verified and parsed beside the event loop.
PARSED_INLINE_BYTES_MAX = 256 * 1024
RETRY_AFTER_SECONDS = 5
#: Refs that an answer names; a push may move any number.
REFS_SHOWN_MAX = 20
STRANGER = "unknown"


class Receiver:
    """The webhook endpoint."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        applications: ApplicationStore,
        secrets: WebhookSecrets,
        bodies: BodyReader,
        sns: SnsReader,
        *,
        is_loaded: Callable[[], bool],
    ) -> None:
        """`is_loaded` says whether `applications` and `secrets` are complete."""
        self._dispatcher = dispatcher
        self._applications = applications
        self._secrets = secrets
        self._bodies = bodies
        self._sns = sns
        self._is_loaded = is_loaded
        self._log = QuietLog(__name__)

    async def receive(self, request: web.Request) -> web.Response:
        """Answers 202 once Redis has confirmed the jobs; every answer is counted."""
        headers = Headers(request.headers.items())
        name = detect(headers)
        try:
            response = await self._receive(request, headers, name)
        except RefusedError as error:
            response = refusal(error)
        except Exception:
            self._count(name, 500)
            raise
        self._count(name, response.status)
        return response

    async def refuse_hook(self, request: web.Request) -> web.Response:
        """Hooks with secrets of their own are not there yet, and a delivery must not seem to have been taken."""
        del request
        raise RefusedError(404, "No such hook. Point the Git host at /api/webhook.", close=True)

    async def _receive(self, request: web.Request, headers: Headers, name: str) -> web.Response:
        if not self._is_loaded():
            raise RefusedError(
                503, "Applications are still being loaded.", retry_after_seconds=RETRY_AFTER_SECONDS, close=True
            )
        provider = PROVIDERS.get(name)
        if provider is None:
            known = ", ".join(sorted(PROVIDERS))
            raise RefusedError(400, f"No header names a host that is known here: {known}.", close=True)
        async with self._bodies.body_of(request) as body:
            event = await self._event(provider, headers, body, peer=request.remote or "")
        match event:
            case Ping():
                return answer(200, {"status": "pong"})
            case Ignored(reason):
                return answer(200, {"status": "ignored", "reason": reason})
            case PushEvent():
                return await self._push(event)

    async def _event(
        self, provider: Provider, headers: Headers, body: bytes, *, peer: str
    ) -> PushEvent | Ping | Ignored:
        secrets = self._secrets.known_to(provider)
        try:
            if len(body) <= PARSED_INLINE_BYTES_MAX:
                event = provider.parse(headers, body, secrets)
            else:
                event = await asyncio.to_thread(provider.parse, headers, body, secrets)
            while isinstance(event, Fetch):
                event = event.resume(await self._sns.read(event.url, lasting=event.lasting))
        except UnauthorizedError as error:
            self._log.warning("a delivery is not genuine", provider=provider.name, peer=peer, error=str(error))
            raise RefusedError(401, str(error)) from error
        except MalformedError as error:
            raise RefusedError(400, str(error)) from error
        except TransientError as error:
            self._log.warning("a delivery cannot be judged", provider=provider.name, error=str(error))
            raise RefusedError(503, f"{error}.", retry_after_seconds=RETRY_AFTER_SECONDS) from error
        return event

    async def _push(self, event: PushEvent) -> web.Response:
        names = (normalize_url(url) for url in event.repository_urls if len(url) <= URL_CHARS_MAX)
        followed = [url for url in dict.fromkeys(names) if self._applications.followers(url)]
        if not followed:
            return answer(200, {"status": "ignored", "reason": "No Application follows this repository."})
        try:
            await self._dispatcher.submit([repository_job(url, Priority.PUSH) for url in followed])
        except TrueupError as error:
            raise RefusedError(
                503,
                "Redis does not take the job now. It is remembered here, and done when Redis is back.",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            ) from error
        refs = [change.ref for change in event.changes[:REFS_SHOWN_MAX]]
        accepted = {"status": "accepted", "repositories": followed, "refs": refs, "delivery": event.delivery_id}
        return answer(202, accepted)

    def _count(self, name: str, status: int) -> None:
        WEBHOOKS.labels(name or STRANGER, str(status)).inc()
