"""Waiting for something to become true, with an end to the patience."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.02


async def wait_until(predicate: Callable[[], T] | Callable[[], Awaitable[T]], seconds: float, what: str) -> T:
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
