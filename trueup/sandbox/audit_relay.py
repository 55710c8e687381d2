"""Passes audit events on to whoever wants them now.

The API server has to be told where to send its audit events before it starts,
when nobody is there yet to receive them. So it sends them here, and a file
names the URL that they go on to.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

from trueup.sandbox.component import Watch
from trueup.sandbox.files import read_if_there
from trueup.sandbox.ports import ADDRESS

BATCH_BYTES_MAX = 32 * 1024 * 1024
BATCHES_WAITING_MAX = 256
FORWARD_SECONDS_MAX = 5.0
SHUTDOWN_SECONDS_MAX = 0.5

_HEADERS = {"Content-Type": "application/json"}


@asynccontextmanager
async def audit_relay(target: Path, watch: Watch) -> AsyncIterator[str]:
    """Run the relay until the block ends; yields the URL that takes batches of events.

    `target` is read for each batch and holds the URL to pass it on to, in order
    and once: a batch is dropped when there is no target, when it does not
    answer, and when `BATCHES_WAITING_MAX` are waiting already. `watch` hears of a
    relay that fails: a sandbox whose events are lost in silence is worse than none.
    """
    waiting: asyncio.Queue[bytes] = asyncio.Queue(BATCHES_WAITING_MAX)

    async def receive(request: web.Request) -> web.Response:
        batch = await request.read()
        with contextlib.suppress(asyncio.QueueFull):
            waiting.put_nowait(batch)
        return web.Response()

    application = web.Application(client_max_size=BATCH_BYTES_MAX)
    application.add_routes([web.post("/", receive)])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS_MAX)
    await runner.setup()
    forwarding = watch.over_work("audit relay", _forward(waiting, target))
    try:
        await web.TCPSite(runner, ADDRESS, 0).start()
        yield f"http://{ADDRESS}:{runner.addresses[0][1]}/"
    finally:
        forwarding.cancel()
        await runner.cleanup()


async def _forward(waiting: asyncio.Queue[bytes], target: Path) -> None:
    timeout = aiohttp.ClientTimeout(total=FORWARD_SECONDS_MAX)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        while True:
            batch = await waiting.get()
            if not (url := read_if_there(target)):
                continue
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, ValueError):
                # In parts, since a batch may be large.
                async with session.post(url, data=io.BytesIO(batch), headers=_HEADERS):
                    pass
