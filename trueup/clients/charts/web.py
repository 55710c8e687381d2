"""HTTP as charts are fetched by it: within bounds, by hand from redirect to redirect, with a login for one host alone.

A login is bound to the scheme, host and port that it is for. Wherever a redirect or an index leads, what
stands elsewhere is asked without it. Link-local addresses and those of clouds' metadata are never asked, whatever
name resolves to them; loopback and private networks are, for that is where many registries are. Behind a
proxy the proxy resolves names, and what it may reach is for it to say.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Self
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from trueup import __version__
from trueup.clients.charts.model import ChartBounds
from trueup.clients.charts.refusal import AWAY_SECONDS, refused, retry_after_seconds
from trueup.clients.git_pauses import Pauses
from trueup.domain.chart_repository import WHY_REFUSED, check_host, is_refused_address
from trueup.domain.credentials import RepositoryCredentials
from trueup.domain.errors import StalledError, TransientError
from trueup.domain.repository import redact_url

REDIRECTS_MAX = 5
URL_CHARS_MAX = 8_192
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PROXY_SCHEMES = frozenset({"http", "https"})


class _AddressRefusedError(OSError):
    """A name that leads where nothing is asked for."""


class _Resolver(AbstractResolver):
    """Resolves names as the system does, and refuses a name with even one address that is refused."""

    def __init__(self) -> None:
        self._inner = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if any(is_refused_address(one["host"]) for one in found):
            raise _AddressRefusedError(f"{host} resolves to {WHY_REFUSED}")
        return found

    async def close(self) -> None:
        await self._inner.close()


class Asked:
    """One thing that is asked for: where, on whose behalf, and whether the login goes along."""

    __slots__ = ("credentials", "headers", "is_raw", "origin", "shown", "url")

    def __init__(
        self,
        url: URL,
        *,
        shown: str,
        credentials: RepositoryCredentials | None = None,
        origin: URL | None = None,
        headers: Mapping[str, str] | None = None,
        is_raw: bool = False,
    ) -> None:
        """`is_raw` takes the body as it is sent: servers call an archive encoded that is only a file in gzip.

        `origin` is the one that the login is for, and that the Secret's other switches speak of; None for nobody.
        """
        self.url = url
        self.shown = shown
        self.credentials = credentials
        self.origin = origin
        self.headers = dict(headers or {}) | ({"Accept-Encoding": "identity"} if is_raw else {})
        self.is_raw = is_raw

    def headers_for(self, url: URL) -> dict[str, str]:
        """What goes along to this address."""
        if self.origin is not None and url.origin() == self.origin:
            return self.headers
        return {name: value for name, value in self.headers.items() if name != "Authorization"}


class Web:
    """To be used as an async context manager; one per process."""

    def __init__(self, schemes: Collection[str], bounds: ChartBounds) -> None:
        self._schemes = {"https", "http"}.intersection(schemes) | {"https"}
        self.bounds = bounds
        self._pauses = Pauses()
        self._turns = asyncio.Semaphore(bounds.requests_in_flight_max)

    async def __aenter__(self) -> Self:
        # The system's authorities and those of SSL_CERT_FILE; reading them takes a while.
        self._trust = await asyncio.to_thread(ssl.create_default_context)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=_Resolver(), limit=self.bounds.requests_in_flight_max),
            cookie_jar=aiohttp.DummyCookieJar(),
            # No .netrc: a login comes from a Secret or from nowhere. Proxies are looked up below.
            trust_env=False,
            headers={"User-Agent": f"trueup/{__version__}"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    @asynccontextmanager
    async def get(self, asked: Asked, *, accepted: Collection[int] = (200,)) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer, whose status is one of `accepted`, while it lasts; its body is not read yet.

        Raises TransientError where time may mend it, StalledError where it will not. What it raises while the
        body is read is made of the same cloth.
        """
        try:
            async with (
                self._turns,
                asyncio.timeout(self.bounds.request_seconds_max),
                self._followed(asked) as response,
            ):
                if response.status not in accepted:
                    raise self._refused(asked, response)
                yield response
        except TimeoutError as error:
            text = f"{asked.shown}: no whole answer came in time; it is asked again later"
            raise TransientError(text, retry_after_seconds=AWAY_SECONDS) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _understood(asked.shown, error) from error

    async def read(self, response: aiohttp.ClientResponse, asked: Asked, bytes_max: int) -> bytes:
        """The whole body; StalledError where it is longer."""
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > bytes_max:
                raise StalledError(f"{asked.shown}: the answer is longer than {bytes_max} bytes, which is refused")
        return bytes(body)

    @asynccontextmanager
    async def _followed(self, asked: Asked) -> AsyncIterator[aiohttp.ClientResponse]:
        url = asked.url
        for _ in range(REDIRECTS_MAX + 1):
            self._check(url, asked.shown)
            self._pauses.check(str(url), asked.credentials)
            async with self._once(url, asked) as response:
                if response.status not in _REDIRECTS:
                    yield response
                    return
                url = self._next(url, response, asked.shown)
        raise StalledError(f"{asked.shown}: more than {REDIRECTS_MAX} redirects in a row; correct the URL")

    def _once(self, url: URL, asked: Asked) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        credentials, bounds = asked.credentials, self.bounds
        insecure = credentials is not None and credentials.insecure and url.origin() == asked.origin
        return self._session.get(
            url,
            headers=asked.headers_for(url),
            allow_redirects=False,
            auto_decompress=not asked.is_raw,
            proxy=_proxy(url, credentials, asked.shown),
            ssl=False if insecure else self._trust,
            timeout=aiohttp.ClientTimeout(
                sock_connect=bounds.connect_seconds_max, sock_read=bounds.request_seconds_max
            ),
        )

    def _check(self, url: URL, shown: str) -> None:
        if url.scheme not in self._schemes:
            raise StalledError(f"{shown} leads to {url.scheme or 'nowhere'}, which is refused; use https")
        check_host(url.raw_host or "", shown)

    def _next(self, url: URL, response: aiohttp.ClientResponse, shown: str) -> URL:
        location = response.headers.get("Location", "")
        try:
            further = url.join(URL(location, encoded=True)) if 0 < len(location) <= URL_CHARS_MAX else None
        except ValueError:
            further = None
        if further is None or not further.raw_host:
            raise StalledError(f"{shown}: its host redirects ({response.status}) without saying where; correct the URL")
        if url.scheme == "https" and further.scheme != "https":
            raise StalledError(f"{shown}: its host redirects from https to {further.scheme}, which is refused")
        return further.with_user(None).with_fragment(None)

    def _refused(self, asked: Asked, response: aiohttp.ClientResponse) -> StalledError | TransientError:
        seconds_max = self.bounds.pause_seconds_max
        error = refused(asked.shown, response.status, response.headers, asked.credentials, seconds_max)
        limited = response.status == 429 or retry_after_seconds(response.headers.get("Retry-After", ""), seconds_max)
        if limited and isinstance(error, TransientError) and error.retry_after_seconds:
            self._pauses.ask_for(str(response.url), asked.credentials, error.retry_after_seconds)
        return error


def _proxy(url: URL, credentials: RepositoryCredentials | None, shown: str) -> URL | None:
    """The proxy that the Secret names, else that of the environment; None to go there directly."""
    host = url.host or ""
    if credentials is not None and credentials.proxy:
        if proxy_bypass_environment(host, {"no": credentials.no_proxy}):
            return None
        text = credentials.proxy
    else:
        named = getproxies_environment()
        if proxy_bypass_environment(host, named):
            return None
        text = named.get(url.scheme, "")
    if not text:
        return None
    try:
        proxy = URL(text)
    except ValueError:
        proxy = URL()
    if proxy.scheme not in _PROXY_SCHEMES or not proxy.host:
        raise StalledError(f"{shown}: its proxy {redact_url(text)} is no http:// or https:// address; correct it")
    return proxy


def _understood(shown: str, error: BaseException) -> StalledError | TransientError:
    inner = getattr(error, "os_error", error)
    if isinstance(inner, _AddressRefusedError):
        return StalledError(f"{shown} is refused: {inner}")
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError | ssl.SSLError):
        return StalledError(
            f"{shown}: its TLS certificate or connection is not accepted; add its authority to SSL_CERT_FILE, or set "
            "insecure: 'true' in its Secret"
        )
    if isinstance(error, aiohttp.InvalidURL | ValueError):
        return StalledError(f"{shown} is no address that can be asked; correct the URL")
    what = "cannot be reached" if isinstance(error, aiohttp.ClientConnectorError) else "broke the connection off"
    text = f"{shown}: its host {what} ({type(error).__name__}); it is asked again later"
    return TransientError(text, retry_after_seconds=AWAY_SECONDS)
