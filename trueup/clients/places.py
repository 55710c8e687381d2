"""Places for requests under way to one API server: as many as its limit allows, none while it asks for a pause."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from time import monotonic

from trueup.domain.concurrency import ConcurrencyLimit

#: After a pause those who waited are let go one by one, with gaps of up to so many seconds between them, until
#: this long after its end: neither they nor other processes with the same pause return all at once.
GAP_SECONDS_MAX = 0.05
RETURN_SECONDS_MAX = 1.0


class Places:
    """An async context manager for each request: first come, first served."""

    def __init__(self, limit: ConcurrencyLimit) -> None:
        self._limit = limit
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        #: When the next one may go, and from when on nobody has to wait for others but for a place;
        #: 0 where there was no pause.
        self._open_at = 0.0
        self._calm_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> None:
        if self._taken < self._limit.requests_max and not self._waiting and not self._is_restrained():
            self._taken += 1
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._let_go()
        try:
            await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():
                self._give_back()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._give_back()

    def obey(self) -> None:
        """Take note of a pause that the limit has come to know."""
        spread = random.uniform(0, GAP_SECONDS_MAX)  # noqa: S311 -- no secret
        self._open_at = max(self._open_at, self._limit.paused_until + spread)
        self._calm_at = max(self._calm_at, self._limit.paused_until + RETURN_SECONDS_MAX)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _is_restrained(self) -> bool:
        if not self._calm_at:
            return False
        if monotonic() < self._calm_at:
            return True
        self._calm_at = self._open_at = 0.0
        return False

    def _give_back(self) -> None:
        self._taken -= 1
        if self._waiting:
            self._let_go()

    def _let_go(self) -> None:
        """Hand free places to those who wait."""
        while self._waiting and self._taken < self._limit.requests_max:
            if self._is_restrained():
                now = monotonic()
                if now < self._open_at:
                    self._come_back(self._open_at - now)
                    return
                self._open_at = now + random.uniform(0, GAP_SECONDS_MAX)  # noqa: S311 -- no secret
            waiter = self._waiting.popleft()
            if not waiter.done():
                self._taken += 1
                waiter.set_result(None)

    def _come_back(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._let_go)
