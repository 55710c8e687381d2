"""Lets a few fetches begin at a time, so that many at once do not take the processor from everything else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Starts:
    """A place for each fetch that begins.

    It is kept until the fetch is over, but for `seconds_max` at the most: one that lasts longer waits for its
    network, and keeps nobody from beginning.
    """

    def __init__(self, *, fetches_max: int, seconds_max: float) -> None:
        self._places = asyncio.Semaphore(fetches_max)
        self._seconds_max = seconds_max

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Wait for a place, first come, first served."""
        await self._places.acquire()
        is_kept = True

        def give_back() -> None:
            nonlocal is_kept
            if is_kept:
                is_kept = False
                self._places.release()

        timer = asyncio.get_running_loop().call_later(self._seconds_max, give_back)
        try:
            yield
        finally:
            timer.cancel()
            give_back()
