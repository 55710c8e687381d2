"""Bytes to and from one API server.

Uses the aiohttp session of kubernetes_asyncio's HTTP client directly: a body goes in as bytes and
comes out as bytes, and no model is built in between. Credentials are renewed while it runs.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
import structlog
from yarl import URL

from trueup import telemetry
from trueup.clients.api_errors import Asked, ServerError, ThrottledError, check_response
from trueup.clients.credentials import Credentials, CredentialsSource
from trueup.clients.kubernetes_light import RESTClientObject
from trueup.clients.places import Places
from trueup.domain.concurrency import ConcurrencyLimit, LimitBounds
from trueup.domain.errors import StalledError, TransientError

_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
#: How long these take says nothing of how busy the server is.
_OF_ANY_LENGTH = frozenset({"LIST", "WATCH"})
_ERROR_BODY_BYTES_MAX = 1024 * 1024
#: What is longer is sent in parts, so that the loop is not held.
BODY_BYTES_AT_ONCE_MAX = 512 * 1024
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TransportBounds:
    """How much of an API server one process takes, and how long it waits."""

    request_seconds_max: float = 30.0
    connect_seconds_max: float = 10.0
    #: Requests under way at a time, between these as the server's answers tell; watches are counted apart.
    requests_in_flight_min: int = 4
    requests_in_flight_max: int = 64
    #: No server that asks for a pause is left alone for longer.
    pause_seconds_max: float = 30.0
    #: And so many places are kept for Leases: what keeps a process at work must not wait behind that work.
    lease_requests_in_flight_max: int = 4
    watches_max: int = 512
    response_bytes_max: int = 256 * 1024 * 1024
    #: Credentials older than this are read again before the next request.
    credentials_seconds_max: float = 60.0
    #: A wave of 401s reads the source (an exec plugin, say) no more often than this.
    credentials_seconds_min: float = 2.0
    credentials_read_seconds_max: float = 30.0

    @property
    def limit(self) -> LimitBounds:
        return LimitBounds(
            requests_min=self.requests_in_flight_min,
            requests_max=self.requests_in_flight_max,
            pause_seconds_max=self.pause_seconds_max,
        )


@dataclass(frozen=True, slots=True)
class Request:
    """One request, in the terms of HTTP."""

    asked: Asked
    method: str
    #: Path from the server's root, with every segment quoted.
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    content_type: str = "application/json"
    accept: str = "application/json"


class _Session:
    """The library's HTTP client over one TLS context."""

    def __init__(self, credentials: Credentials, connections_max: int) -> None:
        try:
            self._rest = RESTClientObject(credentials.configuration, maxsize=connections_max)
        except (OSError, ValueError) as error:
            raise StalledError(f"The certificates for {credentials.server} cannot be used: {error}") from error
        self.fingerprint = credentials.tls_fingerprint

    def request(self, method: str, url: str, **arguments: Any) -> Any:
        rest = self._rest
        through = {"proxy": rest.proxy, "proxy_headers": rest.proxy_headers, "server_hostname": rest.server_hostname}
        arguments |= {name: value for name, value in through.items() if value}
        # A redirect could carry the token to another server.
        return rest.pool_manager.request(method, URL(url, encoded=True), allow_redirects=False, **arguments)

    async def close(self) -> None:
        await self._rest.close()


class Transport:
    """Requests and streams to one API server, within bounds, with credentials that stay fresh."""

    def __init__(self, source: CredentialsSource, bounds: TransportBounds) -> None:
        self.bounds = bounds
        self._source = source
        self._credentials: Credentials | None = None
        self._read_at = float("-inf")
        self._renewal = asyncio.Lock()
        self._sessions: list[_Session] = []
        self._limit = ConcurrencyLimit(bounds.limit)
        self._places = Places(self._limit)
        self._lease_places = asyncio.Semaphore(bounds.lease_requests_in_flight_max)
        self._limit_told = 0
        self._watches = 0

    async def __aenter__(self) -> Self:
        await self._fresh_credentials()
        self._tell_limit()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._places.close()
        while self._sessions:
            await self._sessions.pop().close()

    @property
    def server(self) -> str:
        """URL of the API server."""
        return self._credentials.server if self._credentials else ""

    async def send(self, request: Request) -> bytes:
        """The body of a 2xx answer.

        Raises what `check_response` makes of any other, and ServerError where there was none within
        `request_seconds_max`.
        """
        async with self._lease_places if _is_of_lease(request) else self._places:
            limits = aiohttp.ClientTimeout(
                total=self.bounds.request_seconds_max, sock_connect=self.bounds.connect_seconds_max
            )
            async with self._answer(request, limits) as response:
                return await self._body(request, response)

    @asynccontextmanager
    async def stream(self, request: Request, *, silence_seconds_max: float) -> AsyncIterator[aiohttp.StreamReader]:
        """The body of a 2xx answer as it arrives; ServerError after `silence_seconds_max` without a byte."""
        if self._watches >= self.bounds.watches_max:
            raise ThrottledError(f"{request.asked}: over {self.bounds.watches_max} watches on {self.server}")
        self._watches += 1
        try:
            if not _is_of_lease(request):
                # A watch keeps no place, but it is a request to begin with.
                async with self._places:
                    pass
            limits = aiohttp.ClientTimeout(
                total=None, sock_connect=self.bounds.connect_seconds_max, sock_read=silence_seconds_max
            )
            async with self._answer(request, limits) as response:
                yield response.content
        finally:
            self._watches -= 1

    @asynccontextmanager
    async def _answer(self, request: Request, limits: aiohttp.ClientTimeout) -> AsyncIterator[aiohttp.ClientResponse]:
        asked_at = monotonic()
        try:
            credentials = await self._fresh_credentials()
            asked_at = monotonic()
            response = await self._open(request, credentials, limits)
            if response.status == 401:
                renewed = await self._fresh_credentials(instead_of=credentials)
                if renewed.authorization != credentials.authorization or (
                    renewed.tls_fingerprint != credentials.tls_fingerprint
                ):
                    response.close()
                    response = await self._open(request, renewed, limits)
            try:
                if not 200 <= response.status < 300:
                    await self._refuse(request, response, asked_at)
                elif request.asked.verb not in _OF_ANY_LENGTH:
                    self._limit.answered((request.asked.verb, request.asked.resource), asked_at, monotonic())
                    self._tell_limit()
                yield response
            finally:
                # A body read to its end gives the connection back by itself; any other ends it.
                response.close()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if isinstance(error, TimeoutError) and limits.total is not None:
                self._too_busy(asked_at, None)
            raise self._no_answer(request, error) from error

    async def _refuse(self, request: Request, response: aiohttp.ClientResponse, asked_at: float) -> None:
        """Raise what the answer means, and take it to heart where the server is too busy."""
        try:
            check_response(request.asked, response.status, response.headers, await _error_body(response))
        except TransientError as error:
            seconds = error.retry_after_seconds
            if response.status == 429 or (response.status == 503 and seconds):
                self._too_busy(asked_at, seconds)
            raise

    def _too_busy(self, asked_at: float, pause_seconds: float | None) -> None:
        self._limit.refused(asked_at, monotonic(), pause_seconds)
        self._places.obey()
        self._tell_limit()

    def _tell_limit(self) -> None:
        if self._limit_told != self._limit.requests_max:
            self._limit_told = self._limit.requests_max
            telemetry.API_REQUESTS_MAX.labels(self.server).set(self._limit_told)

    async def _open(
        self, request: Request, credentials: Credentials, limits: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": request.accept, "User-Agent": "trueup"}
        if credentials.authorization:
            headers["Authorization"] = credentials.authorization
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        body: bytes | io.BytesIO | None = request.body
        if request.body is not None and len(request.body) > BODY_BYTES_AT_ONCE_MAX:
            body = io.BytesIO(request.body)
        url = f"{credentials.server}{request.path}"
        if request.query:
            url += "?" + urlencode(request.query)
        response: aiohttp.ClientResponse = await self._sessions[-1].request(
            request.method, url, data=body, headers=headers, timeout=limits
        )
        telemetry.API_REQUESTS.labels(request.asked.verb, request.asked.resource, str(response.status)).inc()
        return response

    async def _body(self, request: Request, response: aiohttp.ClientResponse) -> bytes:
        parts: list[bytes] = []
        size = 0
        async for part in response.content.iter_any():
            size += len(part)
            if size > self.bounds.response_bytes_max:
                raise StalledError(f"{request.asked}: the answer is over {self.bounds.response_bytes_max} bytes")
            parts.append(part)
        return b"".join(parts)

    def _no_answer(self, request: Request, error: Exception) -> ServerError:
        connected = not isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
        telemetry.API_REQUESTS.labels(
            request.asked.verb, request.asked.resource, "cut" if connected else "unreachable"
        ).inc()
        unknown = "; whether it took effect is unknown" if connected and request.method in _WRITES else ""
        what = "no answer from" if connected else "cannot reach"
        return ServerError(f"{request.asked}: {what} {self.server} ({type(error).__name__}){unknown}")

    async def _fresh_credentials(self, *, instead_of: Credentials | None = None) -> Credentials:
        """The credentials to use now, read anew where they are old or where these were refused."""
        if instead_of is None and self._credentials and self._age() < self.bounds.credentials_seconds_max:
            return self._credentials
        async with self._renewal:
            if self._credentials:
                others_read = instead_of is not None and self._credentials is not instead_of
                enough = (
                    self.bounds.credentials_seconds_max if instead_of is None else self.bounds.credentials_seconds_min
                )
                if others_read or self._age() < enough:
                    return self._credentials
            return await self._renewed(forced=instead_of is not None)

    async def _renewed(self, *, forced: bool) -> Credentials:
        """Credentials read anew; the old ones where that fails, since they may be good for a while yet."""
        try:
            async with asyncio.timeout(self.bounds.credentials_read_seconds_max):
                credentials = await self._source.read(forced=forced)
        except (StalledError, TimeoutError) as error:
            if self._credentials is None:
                if isinstance(error, TimeoutError):
                    raise StalledError("The kubeconfig's credentials plugin gives no answer: run it by hand") from error
                raise
            self._read_at = monotonic()
            _log.warning("credentials cannot be renewed", server=self.server, error=str(error) or "timeout")
            return self._credentials
        await self._adopt(credentials)
        return credentials

    def _age(self) -> float:
        return monotonic() - self._read_at

    async def _adopt(self, credentials: Credentials) -> None:
        if not self._sessions or self._sessions[-1].fingerprint != credentials.tls_fingerprint:
            bounds = self.bounds
            connections = bounds.requests_in_flight_max + bounds.lease_requests_in_flight_max + bounds.watches_max
            self._sessions.append(_Session(credentials, connections))
        self._credentials, self._read_at = credentials, monotonic()
        # The one before may still carry requests; the one before that no longer.
        while len(self._sessions) > 2:
            await self._sessions.pop(0).close()


def _is_of_lease(request: Request) -> bool:
    return request.asked.resource == "leases"


async def _error_body(response: aiohttp.ClientResponse) -> bytes:
    body = b""
    async for part in response.content.iter_any():
        body += part
        if len(body) > _ERROR_BODY_BYTES_MAX:
            break
    return body
