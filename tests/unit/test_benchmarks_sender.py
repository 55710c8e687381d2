"""The sender of the benchmark keeps its schedule whatever the server does, and forgets nothing that happened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from benchmarks.sender import Message, Order, Outcome, Pool, Request, send

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SECONDS_MAX = 30.0
PER_SECOND = 1_000.0


@asynccontextmanager
async def served(handle: Handler) -> AsyncIterator[tuple[str, int]]:
    application = web.Application()
    application.router.add_post("/hook", handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield host, port
    finally:
        await runner.cleanup()


async def sent(
    handle: Handler, count: int, *, connections: int = 4, answer_seconds_max: float = SECONDS_MAX
) -> Outcome:
    async with served(handle) as (host, port), asyncio.timeout(SECONDS_MAX):
        messages = [Message({"X-Number": str(number)}, f"body {number}") for number in range(3)]
        url = f"http://{host}:{port}/hook"
        return await send(Order(url, PER_SECOND, count / PER_SECOND, connections, answer_seconds_max, messages))


async def test_messages_take_turns_each_with_a_delivery_of_its_own() -> None:
    got: list[tuple[str, str, str]] = []

    async def take(request: web.Request) -> web.Response:
        got.append((request.headers["X-GitHub-Delivery"], request.headers["X-Number"], await request.text()))
        return web.Response(status=202)

    outcome = await sent(take, 9)
    assert outcome.answers == {"202": 9}
    assert len(outcome.times) == len(outcome.lateness) == 9
    assert len({delivery for delivery, _, _ in got}) == 9
    assert sorted(pair for _, *pair in got) == sorted([str(n), f"body {n}"] for n in (0, 1, 2) for _ in range(3))


async def test_an_answer_that_is_held_back_keeps_no_other_request_waiting() -> None:
    got = 0
    all_came = asyncio.Event()

    async def hold_the_first(_: web.Request) -> web.Response:
        nonlocal got
        got += 1
        if got == 1:
            await all_came.wait()
        elif got == 10:
            all_came.set()
        return web.Response(status=202)

    outcome = await sent(hold_the_first, 10, connections=2)
    assert outcome.answers == {"202": 10}


async def test_the_time_of_a_request_runs_from_when_it_was_due() -> None:
    async def take(_: web.Request) -> web.Response:
        return web.Response(status=202)

    async with served(take) as (host, port), asyncio.TaskGroup() as group:
        pool = Pool(host, port, 1, group)
        await pool.open()
        now = asyncio.get_running_loop().time()
        pool.send(Request(now - 5, b"POST /hook HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n"))
        await pool.finish(SECONDS_MAX)
    assert pool.outcome.times[0] >= 5
    assert pool.outcome.lateness[0] >= 5


async def test_every_status_and_every_broken_connection_is_counted_and_the_rest_is_sent_all_the_same() -> None:
    got = 0

    async def now_and_then(request: web.Request) -> web.Response:
        nonlocal got
        got += 1
        if got == 1 and request.transport is not None:
            request.transport.abort()
        response = web.Response(status=503 if got == 2 else 202)
        if got == 3:
            response.force_close()
        return response

    outcome = await sent(now_and_then, 12, connections=1)
    assert outcome.answers == {"none": 1, "503": 1, "202": 10}
    assert len(outcome.times) == 11


async def test_what_is_never_answered_is_counted_as_that() -> None:
    async def never(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    outcome = await sent(never, 3, connections=2, answer_seconds_max=0.05)
    assert outcome.answers == {"none": 3}
    assert not outcome.times
