"""A bounded number of turns, for which nobody waits long: whoever gets none had better do something else meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from trueup.domain.errors import ClusterBusyError


class Turns:
    """Of those who come when all turns are taken the first wait, and the others do not once these waited in vain."""

    def __init__(self, turns_max: int, *, wait_seconds_max: float, of: str) -> None:
        """`of` says whose turns they are."""
        self._free = asyncio.Semaphore(turns_max)
        self._max = turns_max
        self._wait_seconds_max = wait_seconds_max
        self._of = of
        #: Whether somebody waited in vain and no turn has ended since.
        self._is_stuck = False

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """A turn for as long as the block lasts; ClusterBusyError where none is free soon enough."""
        await self._acquire()
        try:
            yield
        finally:
            self._is_stuck = False
            self._free.release()

    async def _acquire(self) -> None:
        if not self._is_stuck:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._wait_seconds_max):
                    await self._free.acquire()
                    return
        self._is_stuck = True
        raise ClusterBusyError(
            f"{self._of} has {self._max} runs under way", retry_after_seconds=2 * self._wait_seconds_max
        )
