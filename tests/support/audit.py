"""The API server's audit events as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.support.sandbox import SandboxFacts


@asynccontextmanager
async def audit_events(sandbox: SandboxFacts) -> AsyncIterator[asyncio.Queue[dict[str, Any]]]:
    """The events that arrive while the block runs."""
    events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def receive(request: web.Request) -> web.Response:
        for event in (await request.json())["items"]:
            events.put_nowait(event)
        return web.Response()

    application = web.Application(client_max_size=32 * 1024 * 1024)
    application.add_routes([web.post("/audit", receive)])
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sandbox.audit_target.write_text(f"http://127.0.0.1:{runner.addresses[0][1]}/audit")
    try:
        yield events
    finally:
        sandbox.audit_target.unlink()
        await runner.cleanup()
