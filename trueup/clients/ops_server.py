"""The operations port of a process: `/healthz`, `/readyz`, `/metrics`.

Healthy means that the process makes progress, not that its port is open; ready means that it could
take work now. Both answer with the reason where they say no.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from trueup.domain.errors import StalledError

SHUTDOWN_SECONDS_MAX = 2.0
HEALTHY_PATH, READY_PATH = PROBE_PATHS = ("/healthz", "/readyz")

#: A sentence for each thing that is not as it should be; none where all is well.
Check = Callable[[], Awaitable[Sequence[str]]]


def split_listen(listen: str) -> tuple[str, int]:
    """`127.0.0.1:8080`, `[::1]:8080` or `:8080`, which is every address; ValueError for anything else."""
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise ValueError(listen)
    host = host.removeprefix("[").removesuffix("]")
    return host or "0.0.0.0", int(port)  # noqa: S104 -- what an empty host asks for


def add_probes(application: web.Application, *, healthy: Check, ready: Check) -> None:
    """Add `/healthz` and `/readyz` to an application."""
    application.router.add_get(HEALTHY_PATH, _probe(healthy))
    application.router.add_get(READY_PATH, _probe(ready))


def add_metrics(application: web.Application) -> None:
    """Add `/metrics`, in the text format of Prometheus."""
    application.router.add_get("/metrics", _metrics)


def _probe(check: Check) -> Handler:
    async def probe(_: web.Request) -> web.Response:
        problems = list(await check())
        body = {"status": "failing", "problems": problems} if problems else {"status": "ok"}
        return web.json_response(body, status=503 if problems else 200, headers={"Cache-Control": "no-store"})

    return probe


async def _metrics(_: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


@asynccontextmanager
async def serving_ops(listen: str, *, variable: str, healthy: Check, ready: Check) -> AsyncIterator[str]:
    """Serve the operations port until the block ends; gives the bound `host:port`.

    Raises StalledError, naming the variable that said `listen`, where the address cannot be had.
    """
    try:
        host, port = split_listen(listen)
    except ValueError as error:
        raise StalledError(f"{variable} is not host:port, such as 127.0.0.1:8082") from error
    application = web.Application()
    add_probes(application, healthy=healthy, ready=ready)
    add_metrics(application)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS_MAX)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise StalledError(f"cannot listen on {variable} {listen}: {error.strerror or error}") from error
        bound = runner.addresses[0]
        yield f"[{bound[0]}]:{bound[1]}" if ":" in bound[0] else f"{bound[0]}:{bound[1]}"
    finally:
        await runner.cleanup()


def write_addresses(data_dir: Path, name: str, addresses: Mapping[str, str]) -> None:
    """Say in `data_dir/NAME.json` where the process listens, whole or not at all, now that it is ready."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=data_dir, prefix=f".{name}-", delete=False) as file:
        file.write(orjson.dumps({**addresses, "pid": os.getpid()}))
    Path(file.name).replace(data_dir / f"{name}.json")
