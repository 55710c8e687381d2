"""The two halves as child processes: `standalone`, several workers, and the demo.

A child that ends by itself ends its siblings and the command, with a sentence that names it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson

from trueup.clients.process import Child, spawn
from trueup.domain.errors import StalledError
from trueup.settings import read_settings

START_SECONDS_MAX = 60.0
#: Above `shutdown_seconds_max`, so that a worker can finish before it is killed.
GRACE_SECONDS = 30.0
POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Half:
    """One running process and where it listens, once it said so."""

    name: str
    child: Child


@asynccontextmanager
async def running(
    name: str, *arguments: str, env: Mapping[str, str], log: IO[bytes] | None = None
) -> AsyncIterator[Half]:
    """Run `trueup NAME`'s module as a child; it is told to stop, and then made to, at the end."""
    module = "trueup.service" if name == "service" else "trueup.workers"
    child = await spawn([sys.executable, "-m", module, *arguments], env=env, stdout=log, stderr=log)
    try:
        yield Half(name, child)
    finally:
        await child.terminate(grace_seconds=GRACE_SECONDS)


async def ready(half: Half, data_dir: Path) -> Mapping[str, Any]:
    """The bound addresses, from the file that the half writes once it is ready."""
    file = data_dir / f"{half.name}.json"
    try:
        async with asyncio.timeout(START_SECONDS_MAX):
            while half.child.returncode is None:
                with contextlib.suppress(FileNotFoundError):
                    found: dict[str, Any] = orjson.loads(file.read_bytes())
                    if found.get("pid") == half.child.pid:
                        return found
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise StalledError(f"the {half.name} was not ready within {START_SECONDS_MAX:.0f} s") from None
    raise StalledError(f"the {half.name} ended with {half.child.returncode} before it was ready; its log says why")


async def until_one_ends(halves: list[Half], *, drain: bool = False) -> None:
    """Return on SIGINT or SIGTERM; StalledError when a half ends by itself (draining: when one fails)."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    stopped = asyncio.create_task(stop.wait())
    ends = {asyncio.create_task(half.child.wait()): half for half in halves}
    try:
        while ends and not stopped.done():
            done, _ = await asyncio.wait({stopped, *ends}, return_when=asyncio.FIRST_COMPLETED)
            for end in [end for end in ends if end in done]:
                half = ends.pop(end)
                if end.result() != 0 or not drain:
                    raise StalledError(f"the {half.name} ended with {end.result()}; its log says why")
    finally:
        for task in (stopped, *ends):
            task.cancel()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def worker_processes() -> int:
    """`TRUEUP_WORKERS`."""
    return read_settings().workers


async def run_workers(*, drain: bool) -> None:
    """As many worker processes as the settings say, until a signal or until one fails."""
    settings = read_settings()
    async with contextlib.AsyncExitStack() as stack:
        halves = []
        for number in range(settings.workers):
            # Each has its own file of addresses and, beyond the first, a port of its own choosing.
            data_dir = settings.data_dir / f"worker-{number}"
            env = {**os.environ, "TRUEUP_WORKERS": "1", "TRUEUP_DATA_DIR": str(data_dir)}
            if number:
                env["TRUEUP_WORKER_OPS_LISTEN"] = "127.0.0.1:0"
            halves.append(await stack.enter_async_context(running("worker", *(["--drain"] if drain else []), env=env)))
        await until_one_ends(halves, drain=drain)


async def run_standalone() -> None:
    """Service and worker, and a Valkey where TRUEUP_REDIS_URL names none, until a signal."""
    from trueup.sandbox.valkey import valkey_server

    settings = read_settings()
    async with contextlib.AsyncExitStack() as stack:
        env = dict(os.environ)
        if "TRUEUP_REDIS_URL" not in env:
            settings.data_dir.mkdir(parents=True, exist_ok=True)
            valkey = await stack.enter_async_context(valkey_server(settings.data_dir / "valkey"))
            env["TRUEUP_REDIS_URL"] = valkey.url
        halves = [await stack.enter_async_context(running(name, env=env)) for name in ("service", "worker")]
        await until_one_ends(halves)
