"""Reading a stranger's body within bounds: of one body, of all bodies at a time, and of time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from .answers import RefusedError


@dataclass(frozen=True, slots=True)
class BodyBounds:
    webhook_body_bytes_max: int
    webhook_body_seconds_max: float
    webhook_bytes_in_flight_max: int


class BodyReader:
    """Counts what is held in memory for all requests together, as it arrives.

    A length that a request states reserves nothing, so that nobody can take the room by announcing.
    """

    def __init__(self, bounds: BodyBounds) -> None:
        self._bounds = bounds
        self.bytes_in_flight = 0

    @asynccontextmanager
    async def body_of(self, request: web.Request) -> AsyncIterator[bytes]:
        """The whole body, counted until the block ends. Raises RefusedError with 400, 408, 413, 415 or 503."""
        if "Content-Encoding" in request.headers:
            raise RefusedError(415, "Send the body without a Content-Encoding.", close=True)
        if (request.content_length or 0) > self._bounds.webhook_body_bytes_max:
            raise self._too_large()
        held = 0
        chunks: list[bytes] = []
        try:
            try:
                async with asyncio.timeout(self._bounds.webhook_body_seconds_max):
                    while chunk := await request.content.readany():
                        held += len(chunk)
                        self.bytes_in_flight += len(chunk)
                        self._check(held)
                        chunks.append(chunk)
            except TimeoutError as error:
                seconds = self._bounds.webhook_body_seconds_max
                raise RefusedError(408, f"The body was not there within {seconds:g} s.", close=True) from error
            except (web.RequestPayloadError, aiohttp.ClientError, OSError) as error:
                raise RefusedError(400, "The body was cut off or is not framed as HTTP asks.", close=True) from error
            body = b"".join(chunks)
            chunks.clear()
            yield body
        finally:
            self.bytes_in_flight -= held

    def _check(self, held: int) -> None:
        if held > self._bounds.webhook_body_bytes_max:
            raise self._too_large()
        if self.bytes_in_flight > self._bounds.webhook_bytes_in_flight_max:
            raise RefusedError(503, "Too many bodies are under way; try again.", retry_after_seconds=1, close=True)

    def _too_large(self) -> RefusedError:
        limit = self._bounds.webhook_body_bytes_max
        return RefusedError(413, f"A body may have {limit} bytes at the most.", close=True)
