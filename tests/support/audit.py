"""The API server's audit events as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from tests.support.product import STEP_SECONDS, Installation
from tests.support.sandbox import SandboxFacts
from tests.support.wait import wait_until
from trueup.sandbox.files import write_private


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


AUDIT_TOKEN = "for-the-audit-events-of-tests"


@asynccontextmanager
async def audited(trueup: Installation) -> AsyncIterator[None]:
    """The API server's audit events go to this installation's service while the block runs."""
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "trueup-audit"}}
    await trueup.cluster.apply(
        await trueup.cluster.resource("", "Secret"),
        trueup.namespace,
        "trueup-audit",
        {**body, "stringData": {"token": AUDIT_TOKEN}},
    )
    async with aiohttp.ClientSession() as session:
        await wait_until(lambda: is_taken(session, audit_url(trueup)), STEP_SECONDS, "audit events are taken")
    target = trueup.sandbox.audit_target
    write_private(target, audit_url(trueup))
    try:
        yield
    finally:
        target.unlink()


def audit_url(trueup: Installation) -> str:
    return f"http://audit:{AUDIT_TOKEN}@{trueup.addresses('service')['listen']}/api/audit"


async def is_taken(session: aiohttp.ClientSession, url: str) -> bool:
    batch = {"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": []}
    async with session.post(url, json=batch) as answer:
        return answer.status == 200
