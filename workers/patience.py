"""Waiting at the start for whoever is away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from trueup.domain.errors import TransientError

log = structlog.get_logger()
T = TypeVar("T")

AWAY_SECONDS = 1.0


class Patience:
    """Tries again for as long as the other side is away, and knows whom it waits for."""

    def __init__(self) -> None:
        #: Why nothing goes on; empty where nobody is waited for.
        self.reason = ""

    async def __call__(self, attempt: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                answer = await attempt()
            except TransientError as error:
                if self.reason != str(error):
                    log.warning("waiting", reason=str(error))
                self.reason = str(error)
                await asyncio.sleep(error.retry_after_seconds or AWAY_SECONDS)
            else:
                self.reason = ""
                return answer
