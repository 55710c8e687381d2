"""Reading what Amazon SNS publishes: the certificates it signs with, and its answer to a confirmation.

Only over HTTPS, only from `sns.<region>.amazonaws.com`, never by a redirect, and within bounds.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

import aiohttp

from trueup.domain.errors import StalledError, TransientError

_ADDRESS = re.compile(r"https://sns\.[a-z0-9-]{1,32}\.amazonaws\.com/\S*")
_RETRY_SECONDS = 5


@dataclass(frozen=True, slots=True)
class SnsBounds:
    request_seconds_max: float = 5.0
    answer_bytes_max: int = 65_536
    requests_in_flight_max: int = 4
    #: Amazon has one certificate per region at a time and changes it about once a year.
    cached_max: int = 32
    cached_seconds_max: float = 3_600.0


class SnsReader:
    """Reads addresses of Amazon SNS; what lasts is kept for a while."""

    def __init__(
        self,
        bounds: SnsBounds | None = None,
        connector: Callable[[], aiohttp.BaseConnector] = aiohttp.TCPConnector,
    ) -> None:
        """`connector` makes what a request goes out by: it resolves names and checks certificates."""
        self._bounds = bounds or SnsBounds()
        self._connector = connector
        self._running = asyncio.Semaphore(self._bounds.requests_in_flight_max)
        #: Address to (when it was read, what it said); the oldest first.
        self._kept: dict[str, tuple[float, bytes]] = {}

    async def read(self, url: str, *, lasting: bool) -> bytes:
        """What the address answers. TransientError where it does not; StalledError where it is not asked at all."""
        if not _ADDRESS.fullmatch(url):
            raise StalledError("an address that is not Amazon SNS' own is not read")
        async with self._running:
            kept = self._kept.get(url)
            if kept and monotonic() - kept[0] < self._bounds.cached_seconds_max:
                return kept[1]
            body = await self._get(url)
            if lasting:
                self._kept.pop(url, None)
                self._kept[url] = (monotonic(), body)
                while len(self._kept) > self._bounds.cached_max:
                    del self._kept[next(iter(self._kept))]
            return body

    async def _get(self, url: str) -> bytes:
        timeout = aiohttp.ClientTimeout(total=self._bounds.request_seconds_max)
        limit = self._bounds.answer_bytes_max
        try:
            async with (
                aiohttp.ClientSession(connector=self._connector(), timeout=timeout, trust_env=True) as session,
                session.get(url, allow_redirects=False) as response,
            ):
                if response.status != 200:
                    raise TransientError(f"Amazon SNS answered {response.status}", retry_after_seconds=_RETRY_SECONDS)
                body = bytearray()
                async for chunk in response.content.iter_any():
                    body += chunk
                    if len(body) > limit:
                        raise TransientError(
                            f"Amazon SNS answered more than {limit} bytes", retry_after_seconds=_RETRY_SECONDS
                        )
                return bytes(body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TransientError(
                f"Amazon SNS cannot be read: {type(error).__name__}", retry_after_seconds=_RETRY_SECONDS
            ) from error
