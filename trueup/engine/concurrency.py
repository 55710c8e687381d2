"""Many small pieces of work, a bounded number at a time, under one roof."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def each(items: Iterable[T], work: Callable[[T], Awaitable[None]], *, in_flight_max: int) -> None:
    """Do the work for every item, at most `in_flight_max` at a time.

    The first error cancels the rest and is raised as it is, not in a group: callers tell errors
    apart by class.
    """
    slots = asyncio.Semaphore(in_flight_max)

    async def one(item: T) -> None:
        async with slots:
            await work(item)

    async def every_one() -> None:
        async with asyncio.TaskGroup() as group:
            for item in items:
                group.create_task(one(item))

    try:
        # In a task of its own: until Python 3.13 a group that is left while one of its tasks fails keeps
        # the task that waits for it marked as cancelled, and whoever asks later takes that for a stop.
        await asyncio.create_task(every_one())
    except BaseExceptionGroup as errors:
        raise _first(errors) from errors


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
