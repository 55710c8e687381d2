"""Keeping something open for as long as a fixture lives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

T = TypeVar("T")


@asynccontextmanager
async def in_own_task(context: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
    """Enter and leave `context` in one task, as task groups and timeouts inside it require.

    pytest-asyncio sets a fixture up in one task and tears it down in another.
    """
    entered: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    leave = asyncio.Event()

    async def live() -> None:
        async with context as value:
            entered.set_result(value)
            await leave.wait()

    life = asyncio.create_task(live())
    await asyncio.wait({entered, life}, return_when=asyncio.FIRST_COMPLETED)
    if not entered.done():
        await life
    try:
        yield entered.result()
    finally:
        leave.set()
        await life
