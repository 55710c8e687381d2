"""The two listening addresses: one for strangers, one for operations."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from trueup.clients.ops_server import split_listen
from trueup.domain.errors import StalledError
from trueup.settings import Settings

from .connections import ConnectionBounds, Gate, GatedSite

#: Probes and metrics need few connections, and have their own so that a flood of deliveries cannot starve them.
OPS_CONNECTIONS_MAX = 100


@asynccontextmanager
async def listening(
    settings: Settings, public: web.Application, ops: web.Application, *, shutdown_seconds_max: float
) -> AsyncIterator[dict[str, str]]:
    """Listen on both addresses; at the end stop accepting, and wait for requests under way.

    The ops address goes last, so that probes see the shutdown.
    """
    many = ConnectionBounds(connections_max=settings.connections_max)
    few = ConnectionBounds(connections_max=OPS_CONNECTIONS_MAX)
    async with (
        _site(ops, "TRUEUP_OPS_LISTEN", settings.ops_listen, few, shutdown_seconds_max=1.0) as ops_site,
        _site(public, "TRUEUP_LISTEN", settings.listen, many, shutdown_seconds_max=shutdown_seconds_max) as public_site,
    ):
        yield {"listen": public_site.address, "ops_listen": ops_site.address}


@asynccontextmanager
async def _site(
    app: web.Application, variable: str, listen: str, bounds: ConnectionBounds, *, shutdown_seconds_max: float
) -> AsyncIterator[GatedSite]:
    try:
        host, port = split_listen(listen)
    except ValueError as error:
        raise StalledError(f"{variable} is not host:port, such as 127.0.0.1:8080") from error
    runner = web.AppRunner(
        app,
        access_log=None,
        # What strangers send that is not HTTP is answered, and is no news.
        logger=_silent_logger(),
        keepalive_timeout=bounds.keepalive_seconds_max,
        lingering_time=bounds.lingering_seconds_max,
        auto_decompress=False,
        shutdown_timeout=shutdown_seconds_max,
    )
    await runner.setup()
    try:
        site = GatedSite(runner, host, port, Gate(bounds))
        try:
            await site.start()
        except OSError as error:
            raise StalledError(f"cannot listen on {variable} {listen}: {error.strerror}") from error
        yield site
    finally:
        await runner.cleanup()


def _silent_logger() -> logging.Logger:
    logger = logging.getLogger("trueup.service.http")
    logger.disabled = True
    return logger
