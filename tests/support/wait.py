"""Waiting for something to become true, with an end to the patience."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, TypeVar, overload

T = TypeVar("T")

POLL_SECONDS = 0.02


@overload
async def wait_until(predicate: Callable[[], Awaitable[T]], seconds: float, what: str) -> T: ...


@overload
async def wait_until(predicate: Callable[[], T], seconds: float, what: str) -> T: ...


async def wait_until(predicate: Callable[[], Any], seconds: float, what: str) -> Any:
    """Ask until `predicate` answers something true, and return that.

    Raises AssertionError naming `what` after `seconds`.
    """
    deadline = monotonic() + seconds
    while True:
        answer = predicate()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        if monotonic() >= deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        await asyncio.sleep(POLL_SECONDS)
