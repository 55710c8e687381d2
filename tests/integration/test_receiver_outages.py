"""Redis or the API server is away: nothing is taken that could be lost, and what was tried is remembered."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import orjson

from tests.support.api_proxy import proxy_to, through
from tests.support.github import SECRET, delivery, push_of
from tests.support.queues import client_of
from tests.support.sandbox import SandboxFacts
from tests.support.service import (
    REPO,
    REPO_KEY,
    SECONDS,
    Service,
    counter,
    create_application,
    running_service,
    serving,
    set_webhook_secret,
    settings_for,
)
from tests.support.wait import wait_until
from trueup.clients.cluster import Cluster
from trueup.clients.queue import Queue
from trueup.domain.job import Priority
from trueup.sandbox.ports import free_port
from trueup.sandbox.valkey import valkey_server


@asynccontextmanager
async def installed(cluster: Cluster, namespace: str) -> AsyncIterator[None]:
    await set_webhook_secret(cluster, namespace, webhook_github_secret=SECRET)
    await create_application(cluster, namespace, "shop", REPO)
    yield


async def is_ready(service: Service) -> bool:
    return (await service.get("/readyz")).status == 200


async def test_push_while_redis_is_away_is_remembered_and_done_when_it_is_back(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    port = free_port()
    settings = settings_for(namespace, f"redis://127.0.0.1:{port}/0", tmp_path / "data")
    async with installed(cluster, namespace), AsyncExitStack() as stack:
        async with valkey_server(tmp_path / "one", port=port, append_only=True):
            service = await stack.enter_async_context(running_service(settings, cluster))
            await service.job(REPO_KEY)
            assert await service.jobs() == []
        answer = await service.push()
        assert (answer.status, int(answer.headers["Retry-After"]) > 0) == (503, True)
        await wait_until(lambda: not_ready(service), SECONDS, "not ready")
        assert (await service.get("/healthz")).status == 200
        async with valkey_server(tmp_path / "one", port=port, append_only=True):
            job = await service.job(REPO_KEY)
            assert job.priority == Priority.PUSH
            await wait_until(lambda: is_ready(service), SECONDS, "ready again")
            assert (await service.push()).status == 202
            # The end of the service is not what is tried here: it finds its Redis.
            await stack.aclose()


async def not_ready(service: Service) -> bool:
    return not await is_ready(service)


async def test_push_that_is_not_genuine_is_not_remembered(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    port = free_port()
    settings = settings_for(namespace, f"redis://127.0.0.1:{port}/0", tmp_path / "data")
    async with installed(cluster, namespace), AsyncExitStack() as stack:
        async with valkey_server(tmp_path / "one", port=port):
            service = await stack.enter_async_context(running_service(settings, cluster))
            await service.job(REPO_KEY)
            await wait_until(
                lambda: counter("trueup_dirty_jobs") == 0, SECONDS, "the first sweep is out of the service's hands"
            )
        assert (await service.push(secret=b"wrong")).status == 401
        assert (await service.push("https://git.example.com/acme/other.git")).status == 200
        assert counter("trueup_dirty_jobs") == 0


async def test_what_is_remembered_is_handed_over_before_the_end(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    port = free_port()
    settings = settings_for(
        namespace, f"redis://127.0.0.1:{port}/0", tmp_path / "data", shutdown_seconds_max=2 * SECONDS
    )
    async with installed(cluster, namespace), client_of(settings.redis_url) as client, AsyncExitStack() as stack:
        async with valkey_server(tmp_path / "one", port=port):
            service = await stack.enter_async_context(running_service(settings, cluster))
            await service.job(REPO_KEY)
        assert (await service.push()).status == 503
        ending = asyncio.create_task(stack.aclose())

        async def is_closed() -> bool:
            try:
                await service_answers(service.ops)
            except OSError:
                return True
            return False

        await wait_until(is_closed, SECONDS, "the service takes nothing more")
        async with valkey_server(tmp_path / "two", port=port):
            await ending
            assert REPO_KEY in {job.key for job in await Queue(client).peek()}


async def service_answers(address: str) -> None:
    host, _, port = address.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.close()


async def test_redis_that_hangs_is_not_waited_for(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    async with installed(cluster, namespace), valkey_server(tmp_path / "valkey") as valkey:
        settings = settings_for(namespace, valkey.url, tmp_path / "data")
        async with running_service(settings, cluster) as service:
            await service.job(REPO_KEY)
            os.kill(valkey.pid, signal.SIGSTOP)
            try:
                answer = await service.push()
            finally:
                os.kill(valkey.pid, signal.SIGCONT)
            assert answer.status == 503
            await service.job(REPO_KEY)


async def test_until_everything_is_loaded_deliveries_are_refused(
    sandbox: SandboxFacts, cluster: Cluster, namespace: str, valkey_url: str, tmp_path: Path
) -> None:
    body = push_of(REPO)
    async with installed(cluster, namespace), AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(proxy_to(sandbox))
        fault = proxy.answer(lambda seen: "/secrets" in seen.target, 503)
        client = await stack.enter_async_context(through(sandbox, proxy))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        port = free_port()
        settings = settings_for(namespace, valkey_url, tmp_path, listen=f"127.0.0.1:{port}")
        file = await stack.enter_async_context(serving(settings, client))

        async def status(path: str, *, push: bool = False) -> int:
            try:
                url = f"http://127.0.0.1:{port}{path}"
                async with http.post(url, data=body, headers=delivery(body)) if push else http.get(url) as response:
                    return response.status
            except aiohttp.ClientConnectorError:
                return 0

        async def is_up() -> bool:
            return await status("/healthz") == 200

        await wait_until(is_up, SECONDS, "up")
        await wait_until(lambda: any("/applications" in s.target for s in proxy.requests), SECONDS, "asked")
        assert await status("/readyz") == 503
        assert await status("/api/webhook", push=True) == 503
        assert await status("/api/v1/applications") == 503
        assert await status("/api/v1/repositories") == 503
        assert not file.exists()
        proxy.lift(fault)
        await wait_until(file.exists, SECONDS, "ready")
        assert orjson.loads(file.read_bytes())["listen"] == f"127.0.0.1:{port}"
        assert await status("/api/webhook", push=True) == 202


async def test_start_without_redis_is_up_but_not_ready_until_it_comes(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    redis_port, port = free_port(), free_port()
    settings = settings_for(
        namespace, f"redis://127.0.0.1:{redis_port}/0", tmp_path / "data", listen=f"127.0.0.1:{port}"
    )
    async with installed(cluster, namespace), AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        file = await stack.enter_async_context(serving(settings, cluster))

        async def says_why() -> bool:
            try:
                async with http.get(f"http://127.0.0.1:{port}/readyz") as response:
                    return response.status == 503 and "cannot be reached" in (await response.text())
            except aiohttp.ClientConnectorError:
                return False

        await wait_until(says_why, SECONDS, "not ready, and says why")
        async with valkey_server(tmp_path / "valkey", port=redis_port):
            await wait_until(file.exists, SECONDS, "ready")
            await stack.aclose()
