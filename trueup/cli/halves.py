"""The two halves as child processes: `standalone`, several workers, and the demo.

A child that ends by itself ends its siblings and the command, with a sentence that names it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from trueup.clients.ops_server import write_addresses
from trueup.clients.process import Child, spawn
from trueup.domain.errors import StalledError
from trueup.settings import EXIT_JOBS_LEFT, Settings, read_settings

START_SECONDS_MAX = 60.0
#: Of the log of a half that ended too early, so much is shown.
LOG_TAIL_BYTES_MAX = 2_000
#: Above `shutdown_seconds_max`, so that a worker can finish before it is killed.
GRACE_SECONDS = 30.0
POLL_SECONDS = 0.02
STANDALONE = "standalone"


@dataclass(frozen=True, slots=True)
class Half:
    """One running process."""

    name: str
    child: Child
    #: Where its words go; None where they go to our own stderr.
    log: Path | None

    def ended(self, when: str = "") -> StalledError:
        """The error to raise when it ended by itself."""
        said = "what it said stands above" if self.log is None else f"it said: {_tail(self.log)}"
        return StalledError(f"the {self.name} ended with {self.child.returncode}{when}; {said}")


def _tail(log: Path) -> str:
    return log.read_bytes()[-LOG_TAIL_BYTES_MAX:].decode(errors="replace").strip() or "nothing"


@asynccontextmanager
async def running(name: str, *arguments: str, env: Mapping[str, str], log: Path | None = None) -> AsyncIterator[Half]:
    """Run `trueup NAME`'s module as a child; it is told to stop, and then made to, at the end."""
    module = "trueup.service" if name == "service" else "trueup.workers"
    with contextlib.ExitStack() as stack:
        words = stack.enter_context(log.open("wb")) if log is not None else None
        child = await spawn([sys.executable, "-m", module, *arguments], env=env, stdout=words, stderr=words)
    try:
        yield Half(name, child, log)
    finally:
        await child.terminate(grace_seconds=GRACE_SECONDS)


async def ready(half: Half, data_dir: Path, *, seconds_max: float | None = START_SECONDS_MAX) -> Mapping[str, Any]:
    """The bound addresses, from the file that the half writes once it is ready; without a bound for ever."""
    file = data_dir / f"{half.name}.json"
    try:
        async with asyncio.timeout(seconds_max):
            while half.child.returncode is None:
                with contextlib.suppress(FileNotFoundError):
                    found: dict[str, Any] = orjson.loads(file.read_bytes())
                    if found.get("pid") == half.child.pid:
                        return found
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise StalledError(f"the {half.name} was not ready within {seconds_max:.0f} s") from None
    raise half.ended(" before it was ready")


async def until_one_ends(halves: list[Half], *, drain: bool = False) -> int:
    """Return on SIGINT or SIGTERM; StalledError when a half ends by itself.

    Draining, each may end, and StalledError is for one that fails; the exit code tells whether jobs are left.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    stopped = asyncio.create_task(stop.wait())
    ends = {asyncio.create_task(half.child.wait()): half for half in halves}
    code = 0
    try:
        while ends and not stopped.done():
            done, _ = await asyncio.wait({stopped, *ends}, return_when=asyncio.FIRST_COMPLETED)
            for end in [end for end in ends if end in done]:
                half = ends.pop(end)
                if end.result() not in {0, EXIT_JOBS_LEFT} or not drain:
                    raise half.ended()
                code = max(code, end.result())
        return code
    finally:
        for task in (stopped, *ends):
            task.cancel()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def checked_settings() -> Settings:
    """The settings, with a data directory that can be written to; StalledError that names the variable."""
    settings = read_settings()
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.data_dir):
            return settings
    except OSError as error:
        raise StalledError(
            f"TRUEUP_DATA_DIR={settings.data_dir} cannot be written to: {error.strerror}; name a folder of your own"
        ) from error


async def run_workers(*, drain: bool) -> int:
    """As many worker processes as the settings say, until a signal or until one fails; the exit code.

    They share the mirrors. The first has the operations port of the settings; each further one has a
    port of its own choosing, which stands in `worker-N.json`.
    """
    settings = checked_settings()
    async with contextlib.AsyncExitStack() as stack:
        halves = []
        for number in range(settings.workers):
            env = dict(os.environ)
            arguments = ["--drain"] if drain else []
            if number:
                env["TRUEUP_WORKER_OPS_LISTEN"] = "127.0.0.1:0"
                arguments += ["--number", str(number)]
            halves.append(await stack.enter_async_context(running("worker", *arguments, env=env)))
        return await until_one_ends(halves, drain=drain)


async def run_standalone() -> None:
    """Service and worker, and a Valkey where TRUEUP_REDIS_URL names none, until a signal."""
    from trueup.sandbox.valkey import valkey_server

    settings = checked_settings()
    async with contextlib.AsyncExitStack() as stack:
        env = dict(os.environ)
        if "TRUEUP_REDIS_URL" not in env:
            valkey = await stack.enter_async_context(valkey_server(settings.data_dir / "valkey"))
            env["TRUEUP_REDIS_URL"] = valkey.url
        halves = [await stack.enter_async_context(running(name, env=env)) for name in ("service", "worker")]
        announcing = asyncio.create_task(_announce(halves, settings.data_dir))
        try:
            await until_one_ends(halves)
        finally:
            announcing.cancel()
            await asyncio.gather(announcing, return_exceptions=True)
            (settings.data_dir / f"{STANDALONE}.json").unlink(missing_ok=True)


async def _announce(halves: list[Half], data_dir: Path) -> None:
    """Say where all of it listens, once both halves are ready."""
    service, worker = [await ready(half, data_dir, seconds_max=None) for half in halves]
    addresses = {name: str(service[name]) for name in ("listen", "ops_listen")}
    write_addresses(data_dir, STANDALONE, {**addresses, "worker_ops_listen": str(worker["ops_listen"])})
