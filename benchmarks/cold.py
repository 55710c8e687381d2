"""How long a service takes that was not running: its imports, and its first answer."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from benchmarks.figures import Cold, Series
from benchmarks.processes import paused
from benchmarks.stage import Stage
from tests.support.product import SCRIPT
from trueup.clients.process import Argument, base_environment, run, spawn

#: What `python -m trueup.service` imports before it does anything, and what no such service can do without.
SERVICE, BARE = "import trueup.service.__main__", "import aiohttp"
POLL_SECONDS = 0.002
COLD_SECONDS_MAX = 60.0


async def cold(place: Stage, starts: int) -> Cold:
    """Starts of a further replica, while the others stand still; interpreters in between, in turn."""
    found = Cold()
    await place.caught_up()
    for number in range(starts):
        with paused(place.product):
            await _interpreter(SERVICE, found.imported)
            await _interpreter(BARE, found.floor)
            await _answered(place, place.trueup.directory / f"cold-{number}", found.answered)
        await place.caught_up()
    return found


async def _interpreter(code: str, into: Series) -> None:
    argv: Sequence[Argument] = (sys.executable, "-c", code)
    began = time.monotonic()
    done = await run(argv, env=base_environment(), timeout_seconds=COLD_SECONDS_MAX, output_bytes_max=64 * 1024)
    into.add(time.monotonic() - began)
    if done.returncode != 0:
        raise RuntimeError(f"python -c {code!r} ended with {done.returncode}: {done.stderr.decode(errors='replace')}")


async def _answered(place: Stage, data: Path, into: Series) -> None:
    listen = f"127.0.0.1:{_free_port()}"
    env = place.trueup.environment(TRUEUP_DATA_DIR=str(data), TRUEUP_LISTEN=listen)
    with data.with_suffix(".log").open("wb") as log:
        began = time.monotonic()
        child = await spawn([SCRIPT, "service"], env=env, stdout=log, stderr=log)
        try:
            async with asyncio.timeout(COLD_SECONDS_MAX):
                await _until_accepted(place, listen)
            into.add(time.monotonic() - began)
        finally:
            await child.terminate(grace_seconds=15)


async def _until_accepted(place: Stage, listen: str) -> None:
    while True:
        with contextlib.suppress(aiohttp.ClientConnectionError):
            if await place.deliver(f"http://{listen}") == 202:
                return
        await asyncio.sleep(POLL_SECONDS)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
