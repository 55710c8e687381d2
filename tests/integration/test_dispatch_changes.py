"""What people do to Applications becomes jobs; what workers write to them does not."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from service.dispatch import DispatchBounds, Dispatcher, Owed
from tests.support.fixtures import in_own_task
from tests.support.github import SECRET
from tests.support.queues import client_of
from tests.support.service import (
    REPO,
    REPO_KEY,
    SECONDS,
    Service,
    counter,
    create_application,
    running_service,
    set_webhook_secret,
    settings_for,
)
from tests.support.wait import wait_until
from trueup.clients.cluster import Cluster
from trueup.clients.queue import Queue
from trueup.domain.application import ApplicationId
from trueup.domain.errors import TransientError
from trueup.domain.job import (
    EVERY_FOLLOWER_BY_CONTENT,
    EVERY_LIVE_OBJECT,
    EVERYTHING,
    Job,
    Priority,
    Scope,
    application_job,
    repository_job,
)
from trueup.sandbox.ports import free_port
from trueup.sandbox.valkey import valkey_server

FINALIZER = "resources-finalizer.argocd.argoproj.io"


@pytest_asyncio.fixture(loop_scope="session")
async def service(cluster: Cluster, namespace: str, valkey_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    await set_webhook_secret(cluster, namespace, webhook_github_secret=SECRET)
    await create_application(cluster, namespace, "shop", REPO)
    async with in_own_task(running_service(settings_for(namespace, valkey_url, tmp_path), cluster)) as running:
        await running.job(REPO_KEY)
        yield running


def scope_of(service: Service, *names: str) -> Scope:
    return Scope(frozenset(f"{service.namespace}/{name}" for name in names))


async def test_new_application_is_looked_at_with_its_repository(service: Service) -> None:
    await service.application("cart")
    job = await service.job(REPO_KEY)
    assert (job.scope, job.priority) == (scope_of(service, "cart"), Priority.PUSH)


async def test_request_overtakes_and_its_end_is_no_request(service: Service) -> None:
    await service.patch("shop", {"operation": {"sync": {}}})
    job = await service.job(REPO_KEY)
    assert (job.scope, job.priority) == (scope_of(service, "shop"), Priority.MANUAL)
    await service.patch("shop", {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "hard"}}})
    job = await service.job(REPO_KEY)
    assert (job.scope, job.priority) == (scope_of(service, "shop"), Priority.MANUAL)
    await service.patch("shop", {"operation": None, "metadata": {"annotations": {"argocd.argoproj.io/refresh": None}}})
    await service.patch("shop", {"status": {"sync": {"status": "Synced"}}})
    await seen(service, "shop", sync="Synced")
    assert await service.jobs() == []


async def seen(service: Service, name: str, **said: str) -> None:
    """Wait until the service's own snapshot has it: what the change asked for is then in its hands."""

    async def has_it() -> bool:
        item = await service.listed(name)
        return item is not None and said.items() <= item.items()

    await wait_until(has_it, SECONDS, f"{name} is {said}")
    # What follows a change in the dispatcher passes this job on its way.
    await service.application("marker", "https://git.example.com/acme/marker.git")
    await wait_until(lambda: marked(service), SECONDS, "the marker's job")


async def marked(service: Service) -> bool:
    jobs = await service.queue.peek()
    if not any(job.key == "repository:git.example.com/acme/marker" for job in jobs):
        return False
    claim = await service.queue.claim(wait_seconds_max=0)
    assert claim is not None
    assert claim.job.key == "repository:git.example.com/acme/marker", "another job was there"
    await service.queue.settle(claim)
    return True


async def test_status_writes_ask_for_nothing(service: Service) -> None:
    for revision in ("a" * 40, "b" * 40, "c" * 40):
        sync = {"status": "OutOfSync", "revision": revision}
        await service.patch("shop", {"status": {"sync": sync}})
    await seen(service, "shop", revision="c" * 40)
    assert await service.jobs() == []


async def test_moved_source_asks_for_the_new_repository_alone(service: Service) -> None:
    url = "https://git.example.com/acme/moved.git"
    await service.patch("shop", {"spec": {"source": {"repoURL": url}}})
    job = await service.job("repository:git.example.com/acme/moved")
    assert job.scope == scope_of(service, "shop")
    await seen(service, "shop", repository=url)
    assert await service.jobs() == []


async def test_a_change_of_argocd_cm_looks_again_at_whom_it_concerns(service: Service) -> None:
    owned = [{"group": "apps", "version": "v1", "kind": "Deployment", "namespace": "x", "name": "web"}]
    await service.application("other")
    await service.job(REPO_KEY)
    await service.patch("shop", {"status": {"resources": owned}})
    key = f"application:{service.namespace}/shop"
    await service.job(key)
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm"}}
    rule = {"resource.customizations.ignoreDifferences.apps_Deployment": "jsonPointers: [/spec/replicas]"}
    resource = await service.cluster.resource("", "ConfigMap")
    await service.cluster.create(resource, service.namespace, {**body, "data": rule})
    job = await service.job(key)
    assert (job.priority, job.scope) == (Priority.SWEEP, EVERY_LIVE_OBJECT)
    assert await service.jobs() == [], "the other one has nothing that the rule concerns"


async def test_deletion_and_refusal_need_no_git(service: Service) -> None:
    key = f"application:{service.namespace}/shop"
    await service.patch("shop", {"spec": {"syncPolicy": {"syncOptions": ["Replace=true"]}}})
    assert (await service.job(key)).priority == Priority.PUSH
    await service.patch("shop", {"spec": {"syncPolicy": None}, "metadata": {"finalizers": [FINALIZER]}})
    await service.job(REPO_KEY)
    resource = await service.cluster.resource("argoproj.io", "Application")
    body = await service.cluster.get(resource, service.namespace, "shop")
    assert body is not None
    await service.cluster.delete(resource, service.namespace, "shop", uid=body["metadata"]["uid"])
    job = await service.job(key)
    assert (job.priority, job.scope) == (Priority.MANUAL, EVERYTHING)
    await service.patch("shop", {"metadata": {"finalizers": None}})


async def test_event_costs_no_list_and_no_get(service: Service) -> None:
    def asked() -> float:
        verbs = ("LIST", "GET")
        return sum(
            counter("trueup_kubernetes_requests_total", verb=verb, resource="applications", code="200")
            for verb in verbs
        )

    before = asked()
    for n in range(10):
        await service.patch("shop", {"spec": {"source": {"path": f"shop-{n}"}}})
        await service.job(REPO_KEY)
    assert (await service.push()).status == 202
    assert asked() == before


async def test_first_list_is_a_sweep_and_no_job_per_application(
    cluster: Cluster, namespace: str, valkey_url: str, tmp_path: Path
) -> None:
    for n in range(10):
        await create_application(cluster, namespace, f"app-{n}", REPO)
    await create_application(cluster, namespace, "other", "https://git.example.com/acme/other.git")
    resource = await cluster.resource("argoproj.io", "Application")
    await cluster.merge_patch(resource, namespace, "app-3", {"operation": {"sync": {}}})
    async with running_service(settings_for(namespace, valkey_url, tmp_path), cluster) as started:

        async def both() -> list[Job]:
            jobs = await started.queue.peek()
            return jobs if len(jobs) == 2 else []

        await wait_until(both, SECONDS, "two jobs")
        jobs = {job.key: job for job in await started.jobs()}
        assert jobs[REPO_KEY].scope == EVERY_FOLLOWER_BY_CONTENT.union(scope_of(started, "app-3"))
        assert jobs["repository:git.example.com/acme/other"].scope == EVERY_FOLLOWER_BY_CONTENT


ID = ApplicationId("argocd", "shop")


@asynccontextmanager
async def dispatching(dispatcher: Dispatcher) -> AsyncIterator[None]:
    task = asyncio.create_task(dispatcher.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


def nothing_owed(_: Owed) -> list[Job]:
    return []


IMPATIENT = DispatchBounds(dirty_keys_max=5, batch_jobs_max=2, retry_seconds_min=0.01, retry_seconds_max=0.1)


async def test_what_redis_could_not_take_is_joined_and_handed_over_later(tmp_path: Path) -> None:
    port = free_port()
    async with client_of(f"redis://127.0.0.1:{port}/0") as client:
        queue = Queue(client)
        dispatcher = Dispatcher(queue, nothing_owed, bounds=IMPATIENT)
        async with dispatching(dispatcher):
            dispatcher.mark([repository_job("a/x", Priority.SWEEP, applications=Scope(frozenset({"argocd/a"})))])
            dispatcher.mark([repository_job("a/x", Priority.MANUAL, applications=Scope(frozenset({"argocd/b"})))])
            dispatcher.mark([repository_job("b/y", Priority.PUSH), application_job(ID, Priority.PUSH)])
            assert dispatcher.dirty_keys == 3
            async with valkey_server(tmp_path, port=port):
                await wait_until(lambda: dispatcher.dirty_keys == 0, SECONDS, "handed over")
                await wait_until(lambda: has_jobs(queue, 3), SECONDS, "in the queue")
                jobs = {job.key: job for job in await queue.peek()}
                assert jobs["repository:a/x"].scope == Scope(frozenset({"argocd/a", "argocd/b"}))
                assert jobs["repository:a/x"].priority == Priority.MANUAL


async def has_jobs(queue: Queue, count: int) -> bool:
    return len(await queue.peek()) == count


async def test_more_than_memory_may_hold_becomes_everything(tmp_path: Path) -> None:
    port = free_port()
    everything = [repository_job(f"all/{n}", Priority.SWEEP) for n in range(7)]
    async with client_of(f"redis://127.0.0.1:{port}/0") as client:
        queue = Queue(client)
        dispatcher = Dispatcher(queue, lambda owed: everything if owed is Owed.EVERYTHING else [], bounds=IMPATIENT)
        async with dispatching(dispatcher):
            for n in range(6):
                dispatcher.mark([repository_job(f"one/{n}", Priority.PUSH)])
            assert (dispatcher.dirty_keys, dispatcher.owed) == (0, Owed.EVERYTHING)
            dispatcher.mark([repository_job("late/x", Priority.PUSH)])
            async with valkey_server(tmp_path, port=port):
                await wait_until(lambda: has_jobs(queue, 8), SECONDS, "everything, and what came later")
                assert {job.subject for job in await queue.peek()} == {"late/x", *(job.subject for job in everything)}


async def test_flush_hands_over_before_the_end(valkey_url: str) -> None:
    async with client_of(valkey_url) as client:
        queue = Queue(client)
        dispatcher = Dispatcher(queue, nothing_owed)
        dispatcher.mark([repository_job("a/x", Priority.PUSH)])
        assert await dispatcher.flush(seconds_max=SECONDS)
        assert await has_jobs(queue, 1)


async def test_redis_that_hangs_is_given_up_in_time(tmp_path: Path) -> None:
    async with valkey_server(tmp_path) as valkey, client_of(valkey.url) as client:
        dispatcher = Dispatcher(Queue(client), nothing_owed, bounds=DispatchBounds(enqueue_seconds_max=0.2))
        os.kill(valkey.pid, signal.SIGSTOP)
        try:
            with pytest.raises(TransientError, match=r"within 0\.2 s"):
                await dispatcher.submit([repository_job("a/x", Priority.PUSH)])
        finally:
            os.kill(valkey.pid, signal.SIGCONT)
        assert dispatcher.dirty_keys == 1


async def test_flush_says_when_it_could_not() -> None:
    async with client_of(f"redis://127.0.0.1:{free_port()}/0") as client:
        dispatcher = Dispatcher(Queue(client), nothing_owed)
        dispatcher.mark([repository_job("a/x", Priority.PUSH)])
        assert not await dispatcher.flush(seconds_max=0.2)
        assert dispatcher.dirty_keys == 1
