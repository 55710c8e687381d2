"""What the APIs of Git hosts have in common: JSON, pages, limits, and errors with the way out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import time
from typing import Any, Protocol

import aiohttp
import orjson
from yarl import URL

from trueup.domain.errors import StalledError, TransientError
from trueup.domain.githost import GitHost

REQUEST_SECONDS_MAX = 20.0
#: A host that asks for a longer pause than this is left alone, and the user told.
PAUSE_SECONDS_MAX = 60.0
TRIES_MAX = 3
PAGES_MAX = 50
ANSWER_BYTES_MAX = 32 * 1024 * 1024
SAID_CHARS_MAX = 300


@dataclass(frozen=True, slots=True)
class HostHook:
    """A webhook as the host keeps it."""

    id: int
    url: str
    #: All that the host says of it.
    raw: Mapping[str, Any]


class HookHost(Protocol):
    """One repository's webhooks at its host."""

    async def hooks(self) -> list[HostHook]: ...

    async def create(self, address: str, secret: str) -> None:
        """A new hook for every push, of branches and tags, and for what is created and deleted."""

    async def update(self, hook: HostHook, address: str, secret: str) -> None:
        """Point this hook there; what else somebody chose for it stays."""


@dataclass(frozen=True, slots=True, repr=False)
class HostApi:
    """Calls of one host's API, with its token, about one repository."""

    session: aiohttp.ClientSession
    host: GitHost
    #: What proves who asks, and what the host wants to be told with every request.
    headers: Mapping[str, str]
    #: The right that a token needs to manage webhooks, for messages.
    right: str
    #: The token and other values that no error may show.
    hidden: tuple[str, ...]

    async def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The JSON that is answered. `path` is below the API's URL."""
        answered, _ = await self._tried(method, URL(self.host.api_url + path, encoded=True), body)
        return answered

    async def pages(self, path: str, query: Mapping[str, str]) -> list[Any]:
        """Every item of a list, by the links from page to page (RFC 8288) that all these hosts give."""
        items: list[Any] = []
        url = URL(self.host.api_url + path, encoded=True).update_query(query)
        for _ in range(PAGES_MAX):
            page, further = await self._tried("GET", url, None)
            if not isinstance(page, list):
                raise TransientError(f"{url.host} answered no list; is {self.host.api_url} its API?")
            items += page
            # The token goes nowhere but where it was meant to go.
            if further is None or further.origin() != url.origin():
                return items
            url = further
        return items

    async def _tried(self, method: str, url: URL, body: Mapping[str, Any] | None) -> tuple[Any, URL | None]:
        for attempt in range(1, TRIES_MAX + 1):
            try:
                return await self._once(method, url, body)
            except TransientError as error:
                pause = error.retry_after_seconds
                if pause is None or pause > PAUSE_SECONDS_MAX or attempt == TRIES_MAX:
                    raise
                await asyncio.sleep(pause)
        raise AssertionError("the last attempt raises or returns")

    async def _once(self, method: str, url: URL, body: Mapping[str, Any] | None) -> tuple[Any, URL | None]:
        try:
            async with (
                asyncio.timeout(REQUEST_SECONDS_MAX),
                self.session.request(method, url, json=body, headers=self.headers, allow_redirects=False) as response,
            ):
                text = await response.content.read(ANSWER_BYTES_MAX)
                while not response.content.at_eof() and len(text) < ANSWER_BYTES_MAX:
                    text += await response.content.read(ANSWER_BYTES_MAX - len(text))
                if response.status >= 300:
                    raise self._error(response, text)
                link = response.links.get("next")
                further = link.get("url") if link else None
                return orjson.loads(text or b"null"), further if isinstance(further, URL) else None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TransientError(f"{url.host} cannot be reached ({type(error).__name__}); try again") from error
        except ValueError as error:
            raise TransientError(f"{url.host} answered no JSON; is {self.host.api_url} its API?") from error

    def _error(self, response: aiohttp.ClientResponse, text: bytes) -> StalledError | TransientError:
        status, host, variable = response.status, response.url.host, self.host.token_variable
        pause = _pause_seconds(response)
        if pause is not None:
            return TransientError(f"{host} asks to wait {pause:.0f} s; try again then", retry_after_seconds=pause)
        if status >= 500:
            return TransientError(f"{host} answered {status}; try again")
        if status < 400:
            said = f"says that {self.host.path} has moved; give the repository's present URL or --api-url"
        elif status == 401:
            said = f"does not know the token in {variable}; put a valid one there"
        elif status == 403:
            said = f"forbids this to the token in {variable}; it needs {self.right}"
        elif status == 404:
            said = (
                f"has no repository {self.host.path}, or the token in {variable} may not see its webhooks; "
                f"it needs {self.right}"
            )
        else:
            said = f"refuses it ({status}): {self._said(text)}"
        return StalledError(f"{host} {said}")

    def _said(self, text: bytes) -> str:
        try:
            document = orjson.loads(text)
        except ValueError:
            return "without a reason that can be read"
        said = document.get("message") or document.get("error") if isinstance(document, dict) else document
        details = document.get("errors") if isinstance(document, dict) else None
        shown = orjson.dumps([said, details] if details else said).decode()
        for value in self.hidden:
            shown = shown.replace(value, "********")
        return shown[:SAID_CHARS_MAX]


def _pause_seconds(response: aiohttp.ClientResponse) -> float | None:
    """How long the host asks to wait; None where it does not limit us.

    GitHub limits with 403 as well as with 429, see "Rate limits for the REST API" in its documentation.
    """
    headers = response.headers
    exhausted = headers.get("X-RateLimit-Remaining") == "0" or headers.get("RateLimit-Remaining") == "0"
    if response.status != 429 and not (response.status == 403 and (exhausted or "Retry-After" in headers)):
        return None
    stated = headers.get("Retry-After", "")
    if stated.isascii() and stated.isdigit():
        return float(stated)
    reset = headers.get("X-RateLimit-Reset") or headers.get("RateLimit-Reset") or ""
    if reset.isascii() and reset.isdigit():
        return max(1.0, float(reset) - time())
    return PAUSE_SECONDS_MAX


def hooks_of(items: Sequence[Any], url_of: Callable[[Mapping[str, Any]], object]) -> list[HostHook]:
    """The hooks of a host's list; what has no id or no URL is none."""
    return [
        HostHook(item["id"], url, item)
        for item in items
        if isinstance(item, dict) and isinstance(item.get("id"), int) and isinstance(url := url_of(item), str)
    ]


def config_url(item: Mapping[str, Any]) -> object:
    """Where GitHub, Gitea and Forgejo keep a hook's address."""
    config = item.get("config")
    return config.get("url") if isinstance(config, dict) else None
