"""The operations port of a process: `/healthz`, `/readyz`, `/metrics`.

Healthy means that the process makes progress, not that its port is open; ready means that it could
take work now. Both answer with the reason where they say no.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from trueup.domain.errors import StalledError

SHUTDOWN_SECONDS_MAX = 2.0

#: None where all is well, else why not.
Check = Callable[[], Awaitable[str | None]]


def split_listen(listen: str, *, variable: str) -> tuple[str, int]:
    """`127.0.0.1:8080` or `[::1]:0` as host and port; StalledError that names the variable."""
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise StalledError(f"{variable} is {listen!r}; write it as HOST:PORT, such as 127.0.0.1:8080, port 0 for any")
    return host.strip("[]"), int(port)


def add_probes(application: web.Application, *, healthy: Check, ready: Check) -> None:
    """Add `/healthz` and `/readyz` to an application."""

    def route(check: Check) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(_: web.Request) -> web.Response:
            reason = await check()
            if reason is None:
                return web.json_response({"status": "ok"})
            return web.json_response({"error": reason}, status=503)

        return answer

    application.add_routes([web.get("/healthz", route(healthy)), web.get("/readyz", route(ready))])


async def _metrics(_: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


@asynccontextmanager
async def serving(application: web.Application, listen: str, *, variable: str) -> AsyncIterator[str]:
    """Serve until the block ends; gives the bound `host:port`. StalledError where the address cannot be had."""
    host, port = split_listen(listen, variable=variable)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS_MAX)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise StalledError(f"{variable}={listen} cannot be bound: {error.strerror or error}") from error
        bound = runner.addresses[0]
        yield f"[{bound[0]}]:{bound[1]}" if ":" in bound[0] else f"{bound[0]}:{bound[1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def serving_ops(listen: str, *, variable: str, healthy: Check, ready: Check) -> AsyncIterator[str]:
    """Serve the operations port until the block ends; gives the bound `host:port`."""
    application = web.Application()
    add_probes(application, healthy=healthy, ready=ready)
    application.add_routes([web.get("/metrics", _metrics)])
    async with serving(application, listen, variable=variable) as bound:
        yield bound


def write_addresses(data_dir: Path, name: str, addresses: Mapping[str, str]) -> None:
    """Say in `data_dir/NAME.json` where the process listens, all at once, now that it is ready."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=data_dir, prefix=f".{name}-", delete=False) as file:
        file.write(orjson.dumps({**addresses, "pid": os.getpid()}))
    Path(file.name).replace(data_dir / f"{name}.json")
