"""`POST /api/webhook…`: verified, matched against what Applications name, enqueued, answered.

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
from trueup.domain.credentials import WEBHOOK_SECRET_KEY
from trueup.domain.errors import TransientError, TrueupError
from trueup.domain.expected import Expected, expected_after
from trueup.domain.job import Priority, repository_job
from trueup.domain.repository import URL_CHARS_MAX, normalize_url
from trueup.telemetry import WEBHOOKS

from .answers import RefusedError, answer, refusal
from .body import BodyReader
from .dispatch import Dispatcher
from .proof import Proven, prove
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
    printable,
)

#: A body over this is verified and parsed beside the event loop.
PARSED_INLINE_BYTES_MAX = 256 * 1024
RETRY_AFTER_SECONDS = 5
#: Refs that an answer names; a push may move any number.
REFS_SHOWN_MAX = 20
#: Refs among which one is sought that somebody follows, to be looked for where the remote lags behind.
REFS_LOOKED_MAX = 100
STRANGER = "unknown"
#: The same for a hook that is not there and for one that did not sign: a stranger learns no hook's name.
NO_SUCH_HOOK = (
    "There is no such hook, or its secret did not sign this. The hook's name is that of the repository's Secret, "
    "which holds the secret under webhookSecret; Trueup's log says which of the two it is."
)
NOT_ITS_OWN = (
    "The secret that signs this may speak for other repositories only. Compare the url of the Secret that holds it "
    "with the repository's."
)
UNTRIED = (
    "More secrets are known than are tried here: give the hook the address /api/webhook/PROVIDER/NAME, "
    "NAME being that of the repository's Secret."
)


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
        """`POST /api/webhook`: the headers tell the Git host, and every secret may prove the delivery.

        Answers 202 once Redis has confirmed the jobs; every answer is counted.
        """
        headers = Headers(request.headers.items())
        return await self._counted(request, headers, detect(headers), hook=None)

    async def receive_for_hook(self, request: web.Request) -> web.Response:
        """`POST /api/webhook/{provider}/{hook}`: the address tells the Git host and whose secrets count."""
        provider, hook = request.match_info["provider"], request.match_info["hook"]
        headers = Headers(request.headers.items())
        return await self._counted(request, headers, provider if provider in PROVIDERS else "", hook=hook)

    async def _counted(self, request: web.Request, headers: Headers, name: str, *, hook: str | None) -> web.Response:
        try:
            response = await self._receive(request, headers, name, hook)
        except RefusedError as error:
            response = refusal(error)
        except Exception:
            self._count(name, 500)
            raise
        self._count(name, response.status)
        return response

    async def _receive(self, request: web.Request, headers: Headers, name: str, hook: str | None) -> web.Response:
        if not self._is_loaded():
            raise RefusedError(
                503, "Applications are still being loaded.", retry_after_seconds=RETRY_AFTER_SECONDS, close=True
            )
        provider = PROVIDERS.get(name)
        if provider is None:
            known = ", ".join(sorted(PROVIDERS))
            if hook is not None:
                raise RefusedError(404, f"No such host; known here: {known}.", close=True)
            raise RefusedError(400, f"No header names a host that is known here: {known}.", close=True)
        async with self._bodies.body_of(request) as body:
            event, proven = await self._proven(provider, headers, body, hook, peer=request.remote or "")
        match event:
            case Ping():
                return answer(200, {"status": "pong"})
            case Ignored(reason):
                return answer(200, {"status": "ignored", "reason": reason})
            case PushEvent():
                return await self._push(event, proven)

    async def _proven(
        self, provider: Provider, headers: Headers, body: bytes, hook: str | None, *, peer: str
    ) -> tuple[PushEvent | Ping | Ignored, Proven]:
        if hook is None:
            candidates, untried = self._secrets.of_everybody(self._secrets.known_to(provider))
        else:
            candidates, untried = (self._secrets.of_hook(hook),), 0
        try:
            if len(body) <= PARSED_INLINE_BYTES_MAX:
                proven = prove(provider.parse, headers, body, candidates)
            else:
                proven = await asyncio.to_thread(prove, provider.parse, headers, body, candidates)
            event = proven.event
            while isinstance(event, Fetch):
                event = event.resume(await self._sns.read(event.url, lasting=event.lasting))
        except UnauthorizedError as error:
            say_unproven(self._log, self._secrets, provider.name, hook, str(error), untried=untried, peer=peer)
            if hook is not None:
                raise RefusedError(404, NO_SUCH_HOOK) from error
            raise RefusedError(401, f"{error} {UNTRIED}" if untried else str(error)) from error
        except MalformedError as error:
            raise RefusedError(400, str(error)) from error
        except TransientError as error:
            self._log.warning("a delivery cannot be judged", provider=provider.name, error=str(error))
            raise RefusedError(503, f"{error}.", retry_after_seconds=RETRY_AFTER_SECONDS) from error
        return event, proven

    async def _push(self, event: PushEvent, proven: Proven) -> web.Response:
        named = dict.fromkeys(normalize_url(url) for url in event.repository_urls if len(url) <= URL_CHARS_MAX)
        meant = [url for url in named if proven.speaks_for(url)]
        if named and not meant:
            self._log.warning("a delivery names repositories that are not its sender's", provider=event.provider)
            raise RefusedError(403, NOT_ITS_OWN)
        followed = [url for url in meant if self._applications.followers(url)]
        if not followed:
            return answer(200, {"status": "ignored", "reason": "No Application follows this repository."})
        try:
            await self._dispatcher.submit(
                [repository_job(url, Priority.PUSH, expected=self._expected(url, event)) for url in followed]
            )
        except TrueupError as error:
            raise RefusedError(
                503,
                "Redis does not take the job now. It is remembered here, and done when Redis is back.",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            ) from error
        refs = [change.ref for change in event.changes[:REFS_SHOWN_MAX]]
        accepted = {"status": "accepted", "repositories": followed, "refs": refs, "delivery": event.delivery_id}
        return answer(202, accepted)

    def _expected(self, url: str, event: PushEvent) -> Expected | None:
        """Of what the push moved, the first that somebody follows."""
        revisions = self._applications.followers(url).by_revision.keys()
        announced = (expected_after(change.ref, change.after, revisions) for change in event.changes[:REFS_LOOKED_MAX])
        return next((expected for expected in announced if expected is not None), None)

    def _count(self, name: str, status: int) -> None:
        WEBHOOKS.labels(name or STRANGER, str(status)).inc()


def say_unproven(
    log: QuietLog, secrets: WebhookSecrets, provider: str, hook: str | None, error: str, *, untried: int, peer: str
) -> None:
    """Log for the operator what the stranger is not told."""
    fields = {"provider": provider, "peer": peer}
    if hook is not None:
        fields["hook"] = printable(hook)
        if not secrets.is_hook(hook):
            error = f"No repository Secret of this name has a url and a {WEBHOOK_SECRET_KEY}."
    elif untried:
        fields |= {"secrets_untried": str(untried), "way_out": UNTRIED}
    log.warning("a delivery is not genuine", error=error, **fields)
