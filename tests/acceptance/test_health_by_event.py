"""Health arrives as controllers report it: by event, for each kind that has some, and the worst of it counts.

Nothing is asked for again while something is on its way, and what moves is read alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import yaml

from tests.support.bad_input import fresh
from tests.support.commands import said
from tests.support.drift import DEPLOYMENT, edit
from tests.support.product import (
    AUTOMATED,
    STEP_SECONDS,
    Installation,
    Metrics,
    Predicate,
    Raw,
    config_map,
    is_synced,
    sync_status,
)
from tests.support.wait import wait_until
from trueup.clients.api_errors import ForbiddenError

GROUP = "health.trueup.test"
REQUESTS = "trueup_kubernetes_requests_total"


def definition(name: str, *, kind: str) -> dict[str, Any]:
    """A CRD of the plural `name`; two that want one kind cannot both have it."""
    schema = {"openAPIV3Schema": {"type": "object"}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{name}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {"plural": name, "kind": kind},
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


def cron_job(name: str, *, suspend: bool) -> dict[str, Any]:
    container = {"name": "work", "image": "example.invalid/work:1"}
    pod = {"restartPolicy": "Never", "containers": [container]}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name},
        "spec": {
            "schedule": "0 0 29 2 *",
            "suspend": suspend,
            "jobTemplate": {"spec": {"template": {"spec": pod}}},
        },
    }


def claim(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }


def replica_set(name: str, replicas: int) -> dict[str, Any]:
    container = {"name": "web", "image": "example.invalid/web:1"}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
        },
    }


def autoscaler(name: str, version: str) -> dict[str, Any]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    return {
        "apiVersion": f"autoscaling/{version}",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": f"{name}-{version}"},
        "spec": {"minReplicas": 1, "maxReplicas": 3, "scaleTargetRef": target},
    }


def is_well(status: str, kind: str | None = None) -> Predicate:
    """That health of the application and, where a kind is named, of each of its objects of that kind."""

    def holds(raw: Raw) -> bool:
        found = raw.get("status") or {}
        healths = [found.get("health"), *(e.get("health") for e in found.get("resources") or () if e["kind"] == kind)]
        return all((health or {}).get("status") == status for health in healths) and (kind is None or len(healths) > 1)

    return holds


def message_of(raw: Raw, kind: str) -> str:
    (found,) = [entry["health"].get("message", "") for entry in raw["status"]["resources"] if entry["kind"] == kind]
    return str(found)


async def deliver(running: Installation, *bodies: dict[str, Any]) -> tuple[str, str]:
    """An application with these objects and a ConfigMap beside them, Synced; its name and revision."""
    repository, name = await running.repository(), fresh("app")
    files = {f"app/{number}.json": orjson.dumps(body).decode() for number, body in enumerate(bodies)}
    revision = await repository.push({**files, "app/beside.json": config_map(f"{name}-beside", a="b")})
    await running.apply(name, repository.url, syncPolicy=AUTOMATED)
    await running.until(name, is_synced(revision), "synced")
    return name, revision


async def delete(running: Installation, group: str, kind: str, name: str) -> None:
    resource = await running.cluster.resource(group, kind)
    live = await running.live(kind, name, group=group)
    if live is not None:
        namespace = running.delivered_to if resource.namespaced else ""
        await running.cluster.delete(resource, namespace, name, uid=live["metadata"]["uid"])


@asynccontextmanager
async def there(running: Installation, body: dict[str, Any]) -> AsyncIterator[None]:
    """An object that no application delivers."""
    group = body["apiVersion"].rpartition("/")[0]
    resource = await running.cluster.resource(group, body["kind"])
    await running.cluster.create(resource, running.delivered_to if resource.namespaced else "", body)
    try:
        yield
    finally:
        await delete(running, group, body["kind"], body["metadata"]["name"])


async def takes_no_pod(running: Installation) -> bool:
    """Admission knows of a quota a moment after it was created."""
    pods = await running.cluster.resource("", "Pod")
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": fresh("probe")},
        "spec": {"containers": [{"name": "probe", "image": "example.invalid/probe:1"}]},
    }
    try:
        made = await running.cluster.create(pods, running.delivered_to, body)
    except ForbiddenError:
        return True
    await running.cluster.delete(pods, running.delivered_to, body["metadata"]["name"], uid=made["metadata"]["uid"])
    return False


async def test_a_definition_is_degraded_while_another_has_its_names_and_healthy_once_it_is_served(
    running: Installation,
) -> None:
    kind, first, second = fresh("Thing").replace("-", ""), fresh("firsts"), fresh("seconds")
    async with there(running, definition(first, kind=kind)):
        name, revision = await deliver(running, definition(second, kind=kind))
        raw = await running.until(name, is_well("Degraded", "CustomResourceDefinition"), "degraded")
        assert "already in use" in message_of(raw, "CustomResourceDefinition")
    raw = await running.until(name, is_well("Healthy", "CustomResourceDefinition"), "healthy by event")
    assert is_synced(revision)(raw)
    assert len(raw["status"]["history"]) == 1, "its health is no deployment"


async def test_a_suspended_cron_job_is_suspended_until_it_is_resumed(running: Installation) -> None:
    repository, name = await running.repository(), fresh("nightly")
    first = await repository.push({"app/job.json": orjson.dumps(cron_job(name, suspend=True)).decode()})
    await running.apply(name, repository.url, syncPolicy=AUTOMATED)
    await running.until(name, lambda raw: is_synced(first)(raw) and is_well("Suspended", "CronJob")(raw), "suspended")
    second = await repository.push({"app/job.json": orjson.dumps(cron_job(name, suspend=False)).decode()})
    assert await running.webhook(repository.url) == 202
    await running.until(name, lambda raw: is_synced(second)(raw) and is_well("Healthy", "CronJob")(raw), "resumed")


async def test_an_api_service_whose_service_is_missing_progresses_and_says_what_is_missing(
    running: Installation,
) -> None:
    group, service = f"{fresh('api')}.{GROUP}", fresh("absent")
    body = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": f"v1.{group}"},
        "spec": {
            "group": group,
            "version": "v1",
            "groupPriorityMinimum": 100,
            "versionPriority": 10,
            "insecureSkipTLSVerify": True,
            "service": {"name": service, "namespace": running.delivered_to},
        },
    }
    name, _ = await deliver(running, body)
    try:
        raw = await running.until(
            name,
            lambda raw: is_well("Progressing", "APIService")(raw) and service in message_of(raw, "APIService"),
            "progressing",
        )
        assert sync_status(raw) == "Synced"
    finally:
        await delete(running, "apiregistration.k8s.io", "APIService", f"v1.{group}")
    await running.until(name, is_well("Missing", "APIService"), "missing")


async def test_an_autoscaler_is_degraded_just_as_long_as_it_has_no_target(running: Installation) -> None:
    web = fresh("web")
    name, revision = await deliver(running, autoscaler(web, "v1"), autoscaler(web, "v2"))
    raw = await running.until(name, is_well("Degraded", "HorizontalPodAutoscaler"), "degraded")
    assert f'"{web}" not found' in raw["status"]["health"]["message"]
    async with there(running, yaml.safe_load(DEPLOYMENT.format(name=web, replicas=0, tag="1"))):
        raw = await running.until(name, is_well("Healthy", "HorizontalPodAutoscaler"), "healthy by event")
        assert is_synced(revision)(raw)
    await running.until(name, is_well("Degraded", "HorizontalPodAutoscaler"), "degraded again")


async def test_a_replica_set_that_may_not_make_pods_is_degraded_and_healthy_once_they_are_ready(
    running: Installation,
) -> None:
    web = fresh("web")
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": web},
        "spec": {"hard": {"pods": "0"}},
    }
    async with there(running, quota):
        await wait_until(lambda: takes_no_pod(running), STEP_SECONDS, "the quota is known to who enforces it")
        name, revision = await deliver(running, replica_set(web, 2))
        raw = await running.until(name, is_well("Degraded", "ReplicaSet"), "degraded")
        assert "forbidden" in message_of(raw, "ReplicaSet")
    raw = await running.until(name, is_well("Healthy", "ReplicaSet"), "healthy by event")
    assert is_synced(revision)(raw)
    live = await running.live("ReplicaSet", web, group="apps")
    assert live is not None
    assert live["status"]["readyReplicas"] == 2


async def test_the_application_is_as_well_as_its_worst_object_from_event_to_event(running: Installation) -> None:
    one, kind, first, second = fresh("one"), fresh("Thing").replace("-", ""), fresh("firsts"), fresh("seconds")
    async with there(running, definition(first, kind=kind)):
        name, revision = await deliver(
            running, definition(second, kind=kind), claim(one), cron_job(one, suspend=True), replica_set(one, 1)
        )
        await running.until(name, is_well("Degraded", "CustomResourceDefinition"), "as bad as its definition")
        raw = await running.until(name, lambda raw: healths(raw)["ReplicaSet"] == "Healthy", "all is told")
        assert raw["status"]["health"]["status"] == "Degraded"
        await running.all_watched()
        before = await running.metrics("worker")
    raw = await running.until(name, is_well("Progressing", "PersistentVolumeClaim"), "as far as its claim")
    assert healths(raw)["CustomResourceDefinition"] == "Healthy"
    async with there(running, await volume_for(running, one)):
        raw = await running.until(name, is_well("Suspended", "CronJob"), "suspended, as its CronJob is")
    await running.at_rest()
    assert healths(raw) == {
        "CronJob": "Suspended",
        "CustomResourceDefinition": "Healthy",
        "PersistentVolumeClaim": "Healthy",
        "ReplicaSet": "Healthy",
    }
    assert is_synced(revision)(raw)
    counted = (await running.metrics("worker")).since(before)
    assert looked_at(counted) == {"customresourcedefinitions", "persistentvolumeclaims"}, "just what moved"


async def test_nothing_asks_again_while_something_is_on_its_way(running: Installation) -> None:
    one = fresh("one")
    name, _ = await deliver(running, claim(one))
    await running.until(name, is_well("Progressing", "PersistentVolumeClaim"), "on its way")
    await running.all_watched()
    before = await running.metrics("worker")
    async with there(running, await volume_for(running, one)):
        await running.until(name, is_well("Healthy", "PersistentVolumeClaim"), "healthy by event")
    await running.at_rest()
    counted = (await running.metrics("worker")).since(before)
    assert looked_at(counted) == {"persistentvolumeclaims"}
    assert counted.total("trueup_jobs_enqueued_total") == 0, "a look asks for no other"


async def test_an_object_on_its_way_out_progresses_is_missing_and_no_worry_once_it_is_back(
    running: Installation,
) -> None:
    one = fresh("one")
    name, revision = await deliver(running, orjson.loads(config_map(one, mood="calm")))
    await edit(running, "ConfigMap", one, {"metadata": {"finalizers": [f"{GROUP}/held"]}})
    await delete(running, "", "ConfigMap", one)
    raw = await running.until(name, is_well("Progressing"), "held back on its way out")
    assert raw["status"]["health"]["message"] == "pending deletion"
    await edit(running, "ConfigMap", one, {"metadata": {"finalizers": None}})
    raw = await running.until(name, is_well("Missing"), "missing")
    assert sync_status(raw) == "OutOfSync"
    assert [entry["name"] for entry in raw["status"]["resources"] if entry.get("health")] == [one]
    said(await running.trueup("app", "sync", name))
    await running.until(name, lambda raw: is_synced(revision)(raw) and is_well("Healthy")(raw), "back")


def healths(raw: Raw) -> dict[str, str]:
    """The health of each object that has some, by its kind."""
    return {entry["kind"]: entry["health"]["status"] for entry in raw["status"]["resources"] if entry.get("health")}


def looked_at(counted: Metrics) -> set[str]:
    """The kinds whose objects were read, beside what each run reads of Trueup itself; nothing else was done."""
    assert counted.total("trueup_git_fetches_total") == counted.total("trueup_renders_total") == 0
    assert counted.total(REQUESTS, verb="LIST") == counted.total(REQUESTS, verb="APPLY") == 0
    read = {
        dict(labels)["resource"]
        for (metric, labels), count in counted.samples.items()
        if metric == REQUESTS and count and ("verb", "GET") in labels
    }
    return read - {"applications", "appprojects"}


async def volume_for(running: Installation, name: str) -> dict[str, Any]:
    """A volume for the claim of this name and for no other."""
    live = await running.live("PersistentVolumeClaim", name)
    assert live is not None
    wanted = {"namespace": running.delivered_to, "name": name, "uid": live["metadata"]["uid"]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": "/nowhere"},
            "claimRef": wanted,
        },
    }
