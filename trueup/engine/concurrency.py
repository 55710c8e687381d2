"""Several pieces of work under one roof: many, a bounded number at a time, or two side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")
U = TypeVar("U")


async def each(items: Iterable[T], work: Callable[[T], Awaitable[None]], *, in_flight_max: int) -> None:
    """Do the work for every item, at most `in_flight_max` at a time.

    The first error cancels the rest and is raised as it is, not in a group: callers tell errors
    apart by class.
    """
    wanted = list(items)
    if len(wanted) == 1:
        # Most Applications have one of everything, which needs no task.
        await work(wanted[0])
        return
    slots = asyncio.Semaphore(in_flight_max)

    async def one(item: T) -> None:
        async with slots:
            await work(item)

    async def every_one() -> None:
        async with asyncio.TaskGroup() as group:
            for item in wanted:
                group.create_task(one(item))

    try:
        # In a task of its own: until Python 3.13 a group that is left while one of its tasks fails keeps
        # the task that waits for it marked as cancelled, and whoever asks later takes that for a stop.
        await asyncio.create_task(every_one())
    except BaseExceptionGroup as errors:
        raise _first(errors) from errors


async def both(first: Awaitable[T], second: Coroutine[Any, Any, U]) -> tuple[T, U]:
    """Do the two side by side. An error of the first ends the second, and each error is raised as it is."""
    beside = asyncio.create_task(second)
    try:
        answer = await first
    except BaseException:
        beside.cancel()
        await asyncio.gather(beside, return_exceptions=True)
        raise
    return answer, await beside


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
