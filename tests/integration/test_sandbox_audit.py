"""The sandbox passes audit events on, whatever becomes of some of them."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from tests.support.fixtures import in_own_task
from trueup.sandbox.audit_relay import audit_relay
from trueup.sandbox.component import watching
from trueup.sandbox.errors import SandboxError

LARGE = b"x" * (3 * 1024 * 1024)


class Receiver:
    """Takes what comes, but hangs up on as many as `refused`."""

    def __init__(self) -> None:
        self.bodies: asyncio.Queue[bytes] = asyncio.Queue()
        self.refused = 0
        self.url = ""

    async def receive(self, request: web.Request) -> web.Response:
        if self.refused:
            self.refused -= 1
            assert request.transport is not None
            request.transport.abort()
        else:
            self.bodies.put_nowait(await request.read())
        return web.Response()


@pytest_asyncio.fixture(loop_scope="session")
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    application = web.Application(client_max_size=2 * len(LARGE))
    application.add_routes([web.post("/audit", receiver.receive)])
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/audit"
    yield receiver
    await runner.cleanup()


@asynccontextmanager
async def relayed(target: Path) -> AsyncIterator[str]:
    async with watching() as watch, audit_relay(target, watch) as url:
        yield url


async def send(url: str, *batches: bytes) -> None:
    async with aiohttp.ClientSession() as session:
        for batch in batches:
            async with session.post(url, data=io.BytesIO(batch)) as answer:
                assert answer.status == 200


@pytest.mark.parametrize("batch", [b"small", LARGE], ids=["small", "large"])
async def test_a_batch_goes_on_to_the_target_whole(receiver: Receiver, tmp_path: Path, batch: bytes) -> None:
    target = tmp_path / "target"
    target.write_text(receiver.url)
    async with in_own_task(relayed(target)) as url:
        await send(url, batch, b"next")
        assert [await receiver.bodies.get(), await receiver.bodies.get()] == [batch, b"next"]


@pytest.mark.parametrize("named", ["", "no URL", "http://127.0.0.1:1/"], ids=["nobody", "nonsense", "nobody-there"])
async def test_a_target_that_takes_nothing_costs_its_batches_alone(
    receiver: Receiver, tmp_path: Path, named: str
) -> None:
    target = tmp_path / "target"
    target.write_text(named)
    async with in_own_task(relayed(target)) as url:
        await send(url, b"lost")
        target.write_text(receiver.url)
        await send(url, b"next")
        # Where the first one was looked at late it is not lost.
        while await receiver.bodies.get() != b"next":
            pass


async def test_a_receiver_that_hangs_up_is_sent_the_next_batch(receiver: Receiver, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text(receiver.url)
    async with in_own_task(relayed(target)) as url:
        receiver.refused = 1
        await send(url, b"lost", b"next")
        assert await receiver.bodies.get() == b"next"


async def test_a_relay_that_fails_is_heard_of(tmp_path: Path) -> None:
    async def relay_what_cannot_be_read() -> None:
        async with relayed(tmp_path) as url:
            await send(url, b"lost")
            await asyncio.Event().wait()

    with pytest.raises(SandboxError, match="the audit relay ended while the sandbox was running: IsADirectoryError"):
        await relay_what_cannot_be_read()
