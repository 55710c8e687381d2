"""What `kubectl apply` made compares Synced and is not touched; a field that Git then drops goes with the next sync."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest_asyncio
import yaml

from tests.support.commands import said
from tests.support.product import Installation, sync_status
from tests.support.wait import wait_until

SAMPLES = Path(__file__).parent.parent / "samples" / "made_by_kubectl"
FILES = ("others.yaml", "workloads.yaml")
DROPPED = "# dropped"
#: Kinds whose status a controller writes now and then, so that their resourceVersion moves without us.
RESTLESS = frozenset({"HorizontalPodAutoscaler", "CronJob"})
WRITES = ("APPLY", "PATCH", "CREATE", "UPDATE", "DELETE")

Objects = dict[tuple[str, str], dict[str, Any]]


def before(file: str) -> str:
    return (SAMPLES / file).read_text()


def after(file: str) -> str:
    """The same manifests without what is dropped."""
    return "".join(line for line in before(file).splitlines(keepends=True) if not line.rstrip().endswith(DROPPED))


def desired(text: Any) -> Objects:
    documents = [body for file in FILES for body in yaml.safe_load_all(text(file))]
    return {(body["kind"], body["metadata"]["name"]): body for body in documents}


async def live(running: Installation) -> Objects:
    found = {}
    for (kind, name), body in desired(before).items():
        group = body["apiVersion"].rpartition("/")[0]
        found[kind, name] = await running.live(kind, name, group=group) or {}
    return found


async def at_rest(running: Installation) -> Objects:
    """The live objects once the controllers have no more to write to them."""
    last: Objects = {}

    async def settled() -> Objects | None:
        nonlocal last
        previous, last = last, await live(running)
        web = last["Deployment", "web"].get("status", {})
        ready = web.get("readyReplicas") == 2
        return last if ready and versions(previous) == versions(last) else None

    found = await wait_until(settled, 60, "the controllers are done")
    assert found is not None
    return found


def versions(objects: Objects) -> dict[tuple[str, str], Any]:
    return {
        key: (body.get("metadata") or {}).get("resourceVersion")
        for key, body in objects.items()
        if key[0] not in RESTLESS
    }


def managers(objects: Objects) -> set[str]:
    return {entry["manager"] for body in objects.values() for entry in body["metadata"]["managedFields"]}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def found(running: Installation) -> Objects:
    """What kubectl made of the samples, before anybody has heard of them."""
    for file in FILES:
        await running.kubectl("apply", "-n", running.delivered_to, "-f", "-", stdin=before(file))
    return await at_rest(running)


async def test_an_application_over_them_is_synced_and_writes_nothing(running: Installation, found: Objects) -> None:
    repository = await running.repository()
    await repository.push({f"app/{file}": before(file) for file in FILES})
    counted = await running.metrics("worker")
    await running.apply("harbour", repository.url)
    raw = await running.until("harbour", lambda raw: raw.get("status", {}).get("sync"), "compared")
    assert {(r["kind"], r["name"]): r["status"] for r in raw["status"]["resources"]} == dict.fromkeys(found, "Synced")
    assert sync_status(raw) == "Synced"
    assert said(await running.trueup("app", "diff", "harbour")) == ""

    assert versions(await live(running)) == versions(found)
    assert "trueup" not in managers(await live(running))
    requests = (await running.metrics("worker")).since(counted)

    def asked(resource: str = "") -> float:
        labels = {"resource": resource} if resource else {}
        return sum(requests.total("trueup_kubernetes_requests_total", verb=verb, **labels) for verb in WRITES)

    # Defaults of a LimitRange follow from one another, so that a dry run has to tell them from an edit.
    assert asked() == asked("applications") + asked("limitranges")
    assert asked("limitranges") == 1


async def test_what_git_drops_goes_and_the_rest_stays(running: Installation, found: Objects) -> None:
    repository = await running.repository()
    await repository.push({f"app/{file}": after(file) for file in FILES})
    await running.apply("pier", repository.url)
    raw = await running.until("pier", lambda raw: raw.get("status", {}).get("sync"), "compared")
    statuses = {(r["kind"], r["name"]): r["status"] for r in raw["status"]["resources"]}
    assert statuses == dict.fromkeys(found, "OutOfSync"), "each has lost something"
    said(await running.trueup("app", "sync", "pier"))
    assert said(await running.trueup("app", "diff", "pier")) == ""

    now = await live(running)
    web = now["Deployment", "web"]
    pod = web["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert web["metadata"]["labels"] == {"app": "web"}
    assert "example.com/owner" not in web["metadata"]["annotations"]
    assert web["spec"]["revisionHistoryLimit"] == 10, "the server's default again"
    assert web["spec"]["template"]["metadata"]["labels"] == {"app": "web"}
    assert pod["terminationGracePeriodSeconds"] == 30
    assert pod["tolerations"] == [{"key": "storm", "operator": "Exists"}]
    assert "args" not in container
    assert [env["name"] for env in container["env"]] == ["A", "C"]
    assert [port["name"] for port in container["ports"]] == ["http"]
    assert container["resources"] == {"requests": {"cpu": "500m", "memory": "1Gi"}}
    assert now["StatefulSet", "ledger"]["spec"].get("minReadySeconds", 0) == 0
    assert now["CronJob", "tides"]["spec"].get("timeZone") is None
    assert len(now["HorizontalPodAutoscaler", "web"]["spec"]["metrics"]) == 1
    assert "unhealthyPodEvictionPolicy" not in now["PodDisruptionBudget", "web"]["spec"]
    assert (now["ConfigMap", "settings"]["data"], now["ConfigMap", "settings"]["binaryData"]) == (
        {"kept": "yes"},
        {"raw-kept": "aGk="},
    )
    assert sorted(now["Secret", "hush"]["data"]) == ["also-kept", "kept"]
    assert [port["name"] for port in now["Service", "web"]["spec"]["ports"]] == ["http"]
    assert now["Service", "web"]["spec"]["selector"] == {"app": "web"}
    assert now["Service", "web"]["spec"]["sessionAffinity"] == "None"
    assert "automountServiceAccountToken" not in now["ServiceAccount", "web"]
    assert "labels" not in now["PersistentVolumeClaim", "store"]["metadata"]
    assert [rule["host"] for rule in now["Ingress", "web"]["spec"]["rules"]] == ["a.example.com"]
    assert "ingressClassName" not in now["Ingress", "web"]["spec"]
    assert [rule.get("ports", [{}])[0].get("port") for rule in now["NetworkPolicy", "web"]["spec"]["ingress"]] == [
        None,
        9090,
    ]
    assert now["Role", "web"]["rules"] == [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]
    assert [subject["name"] for subject in now["RoleBinding", "web"]["subjects"]] == ["web"]
    assert "max" not in now["LimitRange", "bounds"]["spec"]["limits"][0]
    assert now["ResourceQuota", "bounds"]["spec"]["hard"] == {"pods": "500"}
    for key, body in now.items():
        assert body["metadata"]["uid"] == found[key]["metadata"]["uid"], f"{key} was made anew"
