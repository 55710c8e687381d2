"""Incidents where a worker's own watch does not bring what another worker wrote, or nothing can be written."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, replace
from typing import Any, cast

import orjson
import pytest

from tests.support.sandbox import SandboxFacts
from trueup import telemetry
from trueup.clients.api_errors import Asked
from trueup.clients.applications import parse_application
from trueup.clients.cluster import Cluster, object_path
from trueup.clients.credentials import ServerAccess
from trueup.clients.discovery import ApiResource
from trueup.clients.incident_records import read_record
from trueup.clients.incidents import IncidentStore
from trueup.clients.transport import Request
from trueup.domain.application import Application
from trueup.domain.errors import TransientError
from trueup.domain.incident import Incident
from trueup.domain.job import Claim, Priority, Token, application_job
from trueup.domain.resource import TRACKING_ANNOTATION, ResourceKey
from trueup.engine.comparison import Comparison
from trueup.settings import Settings
from workers import incidents
from workers.attribution import Attributions
from workers.context import Run, Worker

KEY = ResourceKey("", "ConfigMap", "shop", "old")


@dataclass(frozen=True, slots=True)
class Scene:
    cluster: Cluster
    resource: ApiResource
    application: Application

    def store(self, cluster: Cluster | None = None) -> IncidentStore:
        """What a worker knows whose watch brings nothing."""
        namespace = self.application.id.namespace
        return IncidentStore(
            cluster or self.cluster, self.resource, namespace=namespace, incidents_per_application_max=20
        )

    async def recorded(self) -> list[Incident]:
        page = await self.cluster.list_all(self.resource, self.application.id.namespace)
        return sorted(map(read_record, page.items), key=lambda one: one.name)

    def was(self, status: str) -> Application:
        sync = {"status": status, "revision": "c1"}
        return replace(self.application, raw={**self.application.raw, "status": {"sync": sync}})


@pytest.fixture
async def scene(cluster: Cluster, namespace: str) -> Scene:
    applications = await cluster.resource("argoproj.io", "Application")
    source = {"repoURL": "https://git.example.com/shop.git", "path": "a"}
    body = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "shop"},
        "spec": {"project": "default", "source": source, "destination": {"name": "in-cluster", "namespace": "shop"}},
    }
    application = parse_application(await cluster.create(applications, namespace, body))
    return Scene(cluster, await cluster.resource("trueup.dev", "Incident"), application)


def run_of(scene: Scene, store: IncidentStore, *, attempt: int = 0) -> Run:
    """A run as far as the incidents ask."""
    nothing = cast("Any", None)
    settings = Settings(incident_retries_max=1, incident_retry_seconds_min=0.001)
    others = dict.fromkeys(
        (each.name for each in fields(Worker) if each.name not in ("settings", "incidents", "attributions")), nothing
    )
    worker = Worker(settings=settings, incidents=store, attributions=Attributions(store), **others)
    job = application_job(scene.application.id, Priority.DRIFT)
    return Run(worker, Claim(job, Token(1, 1), attempt, 0.0), nothing)


def comparison(*, differs: bool) -> Comparison:
    metadata = {"name": "old", "namespace": "shop", "annotations": {TRACKING_ANNOTATION: "shop:/ConfigMap:shop/old"}}
    live = {KEY: {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}} if differs else {}
    return Comparison("shop", "shop", "c1", {}, live, {}, {})


def lists() -> float:
    return sum(
        sample.value
        for metric in telemetry.API_REQUESTS.collect()
        for sample in metric.samples
        if sample.name.endswith("_total") and sample.labels["verb"] == "LIST"
        if sample.labels["resource"] == "incidents"
    )


async def opens(scene: Scene, store: IncidentStore) -> None:
    before = scene.was("Synced")
    await incidents.note(run_of(scene, store), before, comparison(differs=True), ending="Reverted")


async def closes(scene: Scene, store: IncidentStore, *, attempt: int = 0, was: str = "OutOfSync") -> None:
    run = run_of(scene, store, attempt=attempt)
    await incidents.note(run, scene.was(was), comparison(differs=False), ending="Synced")


async def test_an_incident_that_another_worker_opened_is_closed_though_no_watch_told_of_it(scene: Scene) -> None:
    await opens(scene, scene.store())
    await closes(scene, scene.store())
    (one,) = await scene.recorded()
    assert (one.is_open, one.ending, one.cause) == (False, "Synced", "Drift")


async def test_two_workers_that_do_not_hear_of_each_other_keep_one_incident(scene: Scene) -> None:
    await opens(scene, scene.store())
    await opens(scene, scene.store())
    assert [one.is_open for one in await scene.recorded()] == [True]


async def test_every_open_incident_is_closed_not_only_the_newest(scene: Scene) -> None:
    mine = scene.store()
    await opens(scene, mine)
    first = mine.latest(scene.application.id, scene.application.uid)
    assert first is not None
    await mine.save(replace(first, name="", resource_version=""))
    assert [one.is_open for one in await scene.recorded()] == [True, True]
    await closes(scene, mine)
    assert [one.is_open for one in await scene.recorded()] == [False, False]


async def test_neither_a_new_incident_nor_a_push_lists_the_records(scene: Scene) -> None:
    mine, before = scene.store(), lists()
    await opens(scene, mine)
    await closes(scene, mine)
    await closes(scene, mine, was="Synced")
    assert lists() == before


@asynccontextmanager
async def powerless(sandbox: SandboxFacts, scene: Scene) -> AsyncIterator[Cluster]:
    """The cluster as somebody reaches it who may not write incidents."""
    namespace, accounts = scene.application.id.namespace, await scene.cluster.resource("", "ServiceAccount")
    name = f"n-{secrets.token_hex(4)}"
    body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
    await scene.cluster.create(accounts, namespace, body)
    asked = orjson.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}})
    path = f"{object_path(accounts, namespace)}/{name}/token"
    token = await scene.cluster.request(Request(Asked("CREATE", "tokens"), "POST", path, body=asked))
    access = ServerAccess(sandbox.server, bearer_token=token["status"]["token"], ca_data=sandbox.ca_data)
    async with Cluster(access) as client:
        yield client


async def test_what_one_run_could_not_write_the_next_one_writes(sandbox: SandboxFacts, scene: Scene) -> None:
    async with powerless(sandbox, scene) as client:
        with pytest.raises(TransientError, match="is not on record"):
            await opens(scene, scene.store(client))
    await opens(scene, scene.store())
    async with powerless(sandbox, scene) as client:
        with pytest.raises(TransientError, match="is not on record"):
            await closes(scene, scene.store(client))
    # By now the status says Synced.
    await closes(scene, scene.store(), attempt=1, was="Synced")
    assert [one.is_open for one in await scene.recorded()] == [False]


async def test_without_the_kind_a_run_is_as_good_as_any(scene: Scene) -> None:
    gone = replace(scene, resource=replace(scene.resource, plural="nosuchincidents"))
    await opens(gone, gone.store())


async def test_a_heal_that_could_not_be_recorded_while_it_ran_is_recorded_after_it(
    sandbox: SandboxFacts, scene: Scene
) -> None:
    before, mine = scene.was("Synced"), scene.store()
    async with powerless(sandbox, scene) as client:
        run = run_of(scene, scene.store(client))
        found = await incidents.found_by(run, before, comparison(differs=True))
        async with incidents.opening(run, found) as recording:
            pass
    assert recording.failed
    healed = comparison(differs=False)
    await incidents.note(run_of(scene, mine), before, healed, ending="SelfHealed", unrecorded=found)
    (one,) = await scene.recorded()
    assert (one.is_open, one.ending, [item.key for item in one.objects]) == (False, "SelfHealed", [KEY])


async def test_a_run_that_is_cancelled_does_not_wait_for_its_record(scene: Scene) -> None:
    asked, never = asyncio.Event(), asyncio.Event()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await never.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Cluster(ServerAccess(f"http://127.0.0.1:{port}")) as client:
        run = run_of(scene, scene.store(client))
        found = await incidents.found_by(run, scene.was("Synced"), comparison(differs=True))

        async def heal() -> None:
            async with incidents.opening(run, found):
                await never.wait()

        task = asyncio.create_task(heal())
        await asyncio.wait_for(asked.wait(), 10)
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=run.worker.settings.incident_write_seconds_max / 2)
        never.set()
        assert done
        assert task.cancelled()
