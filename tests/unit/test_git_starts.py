"""Fetches begin a few at a time, and one that lasts keeps nobody from beginning."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.wait import wait_until
from trueup.clients.git_starts import Starts

LONG = 3_600.0


async def begun(starts: Starts, count: int) -> tuple[list[int], list[asyncio.Task[None]], asyncio.Event]:
    """Which of so many fetches have begun by now; they go on until the event is set."""
    order: list[int] = []
    over = asyncio.Event()

    async def fetch(number: int) -> None:
        async with starts.one():
            order.append(number)
            await over.wait()

    tasks = [asyncio.create_task(fetch(number)) for number in range(count)]
    for _ in range(count):
        await asyncio.sleep(0)
    return order, tasks, over


async def test_no_more_than_allowed_begin_at_a_time_and_the_others_in_their_order() -> None:
    order, tasks, over = await begun(Starts(fetches_max=2, seconds_max=LONG), 4)
    assert order == [0, 1]
    over.set()
    await asyncio.gather(*tasks)
    assert order == [0, 1, 2, 3]


async def test_one_that_lasts_keeps_nobody_from_beginning() -> None:
    order, tasks, over = await begun(Starts(fetches_max=1, seconds_max=0.001), 3)
    await wait_until(lambda: order == [0, 1, 2], 10, "all have begun")
    assert not any(task.done() for task in tasks)
    over.set()
    await asyncio.gather(*tasks)


async def test_a_place_is_given_back_once_however_a_fetch_ends() -> None:
    starts = Starts(fetches_max=1, seconds_max=LONG)
    with pytest.raises(ValueError, match="no"):
        async with starts.one():
            raise ValueError("no")
    order, tasks, _ = await begun(starts, 2)
    assert order == [0], "the place is there again"
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    lasting = Starts(fetches_max=1, seconds_max=0.001)
    async with lasting.one():
        await wait_until(lambda: not lasting._places.locked(), 10, "its time is over")
    assert lasting._places._value == 1, "not given back twice"
