"""What events missed is found: after a loss of Redis, at every start, and now and then."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import aiohttp

from service.dispatch import Dispatcher
from service.sweep import EpochLease, Sweep, SweepBounds
from tests.support.fixtures import in_own_task
from tests.support.queues import client_of
from tests.support.service import (
    REPO,
    REPO_KEY,
    SECONDS,
    Service,
    create_application,
    running_service,
    service,
    serving,
    settings_for,
)
from tests.support.wait import wait_until
from trueup.clients.applications import ApplicationStore
from trueup.clients.cluster import Cluster
from trueup.clients.epoch import bump_epoch, read_epoch
from trueup.clients.queue import Queue
from trueup.domain.application import ApplicationId
from trueup.domain.job import EVERY_FOLLOWER_BY_CONTENT, EVERY_LIVE_OBJECT, Priority, Scope, application_job
from trueup.sandbox.ports import free_port
from trueup.sandbox.valkey import valkey_server

__all__ = ["service"]

OTHER = "https://git.example.com/acme/other.git"
OTHER_KEY = "repository:git.example.com/acme/other"


async def epochs_agree(service: Service) -> int:
    """The epoch, once Kubernetes and Redis have the same; 0 before."""
    epoch = await service.queue.current_epoch()
    return epoch if epoch is not None and epoch == await read_epoch(service.cluster, service.namespace) else 0


async def test_emptied_redis_gets_a_higher_epoch_and_a_job_for_every_repository(
    service: Service, valkey_url: str
) -> None:
    await service.application("other", OTHER)
    await service.job(OTHER_KEY)
    before = await wait_until(lambda: epochs_agree(service), SECONDS, "an epoch")
    async with client_of(valkey_url) as client:
        await client.flushall()

    async def is_higher() -> bool:
        return (await service.queue.current_epoch() or 0) > before

    await wait_until(is_higher, SECONDS, "a higher epoch")
    await wait_until(lambda: epochs_agree(service), SECONDS, "in Kubernetes too")

    async def both() -> bool:
        return {job.key for job in await service.queue.peek()} == {REPO_KEY, OTHER_KEY}

    await wait_until(both, SECONDS, "a job for every repository")
    assert {(job.priority, job.scope) for job in await service.jobs()} == {(Priority.SWEEP, EVERY_FOLLOWER_BY_CONTENT)}


async def test_redis_that_comes_from_a_backup_gets_a_higher_epoch(
    cluster: Cluster, namespace: str, valkey_url: str, tmp_path: Path
) -> None:
    async with client_of(valkey_url) as client:
        queue = Queue(client)
        old = await bump_epoch(cluster, namespace)
        assert await queue.open_epoch(old)
        newer = await bump_epoch(cluster, namespace)
        async with running_service(settings_for(namespace, valkey_url, tmp_path), cluster):
            epoch = await queue.current_epoch()
            assert epoch is not None
            assert epoch > newer


async def test_epoch_that_another_replica_is_about_to_open_is_not_raised_again(
    cluster: Cluster, namespace: str, valkey_url: str
) -> None:
    async with client_of(valkey_url) as client:
        queue = Queue(client)
        assert await queue.open_epoch(await bump_epoch(cluster, namespace))
        raised = await bump_epoch(cluster, namespace)

        async def read_while_the_other_opens() -> int | None:
            seen = await read_epoch(cluster, namespace)
            await queue.open_epoch(raised)
            return seen

        lease = EpochLease(read=read_while_the_other_opens, bump=partial(bump_epoch, cluster, namespace))
        bounds = SweepBounds(epoch_check_seconds=0.05)
        sweep = Sweep(queue, Dispatcher(queue, lambda _: []), ApplicationStore(), lease, bounds=bounds)
        task = asyncio.create_task(sweep.run())
        try:
            async with asyncio.timeout(SECONDS):
                await sweep.opened()
        finally:
            task.cancel()
            await asyncio.wait({task})
        assert await queue.current_epoch() == raised == await read_epoch(cluster, namespace)


async def test_restart_keeps_the_epoch_and_sweeps(
    cluster: Cluster, namespace: str, valkey_url: str, tmp_path: Path
) -> None:
    await create_application(cluster, namespace, "shop", REPO)
    settings = settings_for(namespace, valkey_url, tmp_path)
    async with running_service(settings, cluster) as first:
        await first.job(REPO_KEY)
        epoch = await epochs_agree(first)
        assert epoch
    async with running_service(settings, cluster) as second:
        await second.job(REPO_KEY)
        assert await epochs_agree(second) == epoch


async def test_replicas_agree_on_one_epoch(cluster: Cluster, namespace: str, valkey_url: str, tmp_path: Path) -> None:
    await create_application(cluster, namespace, "shop", REPO)
    async with AsyncExitStack() as stack:
        files = [
            await stack.enter_async_context(serving(settings_for(namespace, valkey_url, tmp_path / str(n)), cluster))
            for n in range(3)
        ]
        for file in files:
            await wait_until(file.exists, SECONDS, "ready")
        watched = await stack.enter_async_context(
            running_service(settings_for(namespace, valkey_url, tmp_path / "watched"), cluster)
        )
        for _ in range(5):
            before = await wait_until(lambda: epochs_agree(watched), SECONDS, "one epoch")
            async with client_of(valkey_url) as client:
                await client.flushall()

            async def is_higher(before: int = before) -> bool:
                return (await watched.queue.current_epoch() or 0) > before

            await wait_until(is_higher, SECONDS, "a higher epoch")
            await watched.job(REPO_KEY)
        await wait_until(lambda: epochs_agree(watched), SECONDS, "one epoch at the end")


async def test_sweep_comes_again_at_intervals(
    cluster: Cluster, namespace: str, valkey_url: str, tmp_path: Path
) -> None:
    await create_application(cluster, namespace, "shop", REPO)
    resource = await cluster.resource("argoproj.io", "Application")
    await cluster.merge_patch(resource, namespace, "shop", {"operation": {"sync": {}}})
    settings = settings_for(namespace, valkey_url, tmp_path, sweep_interval_seconds=0.5)
    async with running_service(settings, cluster) as running:
        first = await running.job(REPO_KEY)
        assert not first.scope.is_everything
        pending = EVERY_FOLLOWER_BY_CONTENT.union(Scope(frozenset({f"{namespace}/shop"})))
        for _ in range(2):
            job = await running.job(REPO_KEY)
            assert (job.priority, job.scope) == (Priority.SWEEP, pending)


async def test_a_sweep_gives_what_an_outage_ended_another_try_and_nothing_else(
    cluster: Cluster, namespace: str, valkey_url: str, tmp_path: Path
) -> None:
    settings = settings_for(namespace, valkey_url, tmp_path, sweep_interval_seconds=0.5)
    async with running_service(settings, cluster) as running:
        for name, of_outage in (("away", True), ("broken", False)):
            job = application_job(ApplicationId(namespace, name), Priority.DRIFT, scope=Scope(frozenset({name})))
            await running.queue.enqueue([job])
            claim = await running.queue.claim(wait_seconds_max=0)
            assert claim is not None
            await running.queue.fail(claim, delay_seconds=None, reason="no", of_outage=of_outage)
        job = await running.job(f"application:{namespace}/away")
        assert (job.priority, job.scope) == (Priority.DRIFT, Scope(frozenset({"away"})))
        assert [letter.job.subject for letter in await running.queue.dead_letters()] == [f"{namespace}/broken"]


async def test_redis_that_comes_back_may_have_lost_jobs_so_everything_live_is_looked_at(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    await create_application(cluster, namespace, "shop", REPO)
    resource = await cluster.resource("argoproj.io", "Application")
    owned = {"version": "v1", "kind": "ConfigMap", "namespace": "default", "name": "never-there"}
    await cluster.merge_patch(resource, namespace, "shop", {"status": {"resources": [owned]}})
    async with AsyncExitStack() as stack:
        valkey = await stack.enter_async_context(in_own_task(valkey_server(tmp_path / "valkey", append_only=True)))
        running = await stack.enter_async_context(
            running_service(settings_for(namespace, valkey.url, tmp_path / "data"), cluster)
        )
        key = f"application:{namespace}/shop"
        met: set[str] = set()

        async def has_looked() -> bool:
            met.update(job.key for job in await running.jobs())
            return met >= {REPO_KEY, key}

        await wait_until(has_looked, SECONDS, "the look at the start")
        epoch = await running.queue.current_epoch()
        os.kill(valkey.pid, signal.SIGKILL)
        await stack.enter_async_context(
            in_own_task(valkey_server(tmp_path / "valkey", port=valkey.port, append_only=True))
        )
        assert (await running.job(key)).scope == EVERY_LIVE_OBJECT
        assert await running.queue.current_epoch() == epoch


async def test_redis_that_may_evict_jobs_is_not_used(
    cluster: Cluster, namespace: str, valkey_url: str, tmp_path: Path
) -> None:
    async with client_of(valkey_url) as client:
        await client.config_set("maxmemory", "100mb")
        await client.config_set("maxmemory-policy", "allkeys-lru")
        port = free_port()
        settings = settings_for(namespace, valkey_url, tmp_path, listen=f"127.0.0.1:{port}")
        async with serving(settings, cluster) as file, aiohttp.ClientSession() as http:

            async def says_why() -> bool:
                try:
                    async with http.get(f"http://127.0.0.1:{port}/readyz") as response:
                        return b"maxmemory-policy" in await response.read()
                except aiohttp.ClientConnectorError:
                    return False

            await wait_until(says_why, SECONDS, "not ready, and says why")
            assert await Queue(client).current_epoch() is None
            assert not file.exists()
            await client.config_set("maxmemory-policy", "noeviction")
            await wait_until(file.exists, SECONDS, "ready once it may not")
