"""Many small pieces of work under one roof: bounded, and their first failure comes out as it is."""

from __future__ import annotations

import asyncio

import pytest

from trueup.engine.concurrency import both, each


async def test_no_more_than_allowed_are_under_way() -> None:
    under_way = most = 0

    async def work(_: int) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1

    await each(range(20), work, in_flight_max=3)
    assert most == 3


async def test_the_first_error_ends_the_rest_and_leaves_no_mark_on_the_caller() -> None:
    ended = []

    async def work(number: int) -> None:
        try:
            if number == 1:
                await asyncio.sleep(0)
                raise ValueError(number)
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    with pytest.raises(ValueError, match="1"):
        await each(range(3), work, in_flight_max=3)
    assert sorted(ended) == [0, 1, 2]
    caller = asyncio.current_task()
    assert caller is not None
    assert caller.cancelling() == 0, "nobody has asked the caller to stop"


async def test_a_caller_that_is_cancelled_ends_the_work() -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def work(_: int) -> None:
        try:
            started.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    caller = asyncio.create_task(each([1], work, in_flight_max=1))
    await started.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert ended.is_set()


async def test_two_run_side_by_side_and_both_answers_come() -> None:
    first_began, second_began = asyncio.Event(), asyncio.Event()

    async def first() -> int:
        first_began.set()
        await second_began.wait()
        return 1

    async def second() -> str:
        second_began.set()
        await first_began.wait()
        return "2"

    assert await both(first(), second()) == (1, "2")


async def test_an_error_of_the_first_ends_the_second_and_is_raised_as_it_is() -> None:
    ended = asyncio.Event()

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(ValueError, match=r"^$"):
        await both(fails(), waits())
    assert ended.is_set()


async def test_a_cancellation_ends_both() -> None:
    ended = []

    async def waits(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    task = asyncio.create_task(both(waits(1), waits(2)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(ended) == [1, 2]
