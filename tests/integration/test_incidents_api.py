"""`/api/v1/incidents` of a running service, which follows the records and nothing else."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest_asyncio

from tests.support.api_proxy import proxy_to, through
from tests.support.fixtures import in_own_task
from tests.support.records import drifted, put_on_record
from tests.support.sandbox import SandboxFacts, read_facts
from tests.support.service import SECONDS, Answer, Service, create_application, running_service, service, settings_for
from tests.support.wait import wait_until
from trueup.clients.cluster import Cluster
from trueup.clients.credentials import KubeconfigSource
from trueup.clients.incident_records import read_record
from trueup.domain.incident import Incident
from trueup.domain.incident_story import closed
from trueup.sandbox.sandbox import running as running_sandbox

__all__ = ["service"]

T0 = datetime(2026, 1, 31, 14, tzinfo=UTC)


async def record(service: Service, *incidents: Incident) -> list[Incident]:
    """On record, and known to the service."""
    made = [await put_on_record(service.cluster, service.namespace, incident) for incident in incidents]

    async def is_known() -> bool:
        return {one.name for one in made} <= set(names(await service.get("/api/v1/incidents")))

    await wait_until(is_known, SECONDS, "the service knows of them")
    return made


def names(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [item["name"] for item in answer.body["items"]]


@pytest_asyncio.fixture(loop_scope="session")
async def three(service: Service) -> AsyncIterator[list[Incident]]:
    """Two of `shop`, the older one over, and an open one of `dock` between them."""
    first = closed(drifted("shop", T0, by="first-hand"), "Reverted", T0 + timedelta(minutes=10))
    second = drifted("dock", T0 + timedelta(hours=1), by="second-hand", user="alice")
    third = drifted("shop", T0 + timedelta(hours=2), by="third-hand")
    yield await record(service, first, second, third)


async def test_incidents_are_listed_newest_first_with_what_they_are_about(
    service: Service, three: list[Incident]
) -> None:
    answer = await service.get("/api/v1/incidents")
    assert names(answer) == [one.name for one in reversed(three)]
    assert answer.body["continue"] == ""
    item = answer.body["items"][-1]
    assert item == {
        "namespace": service.namespace,
        "name": three[0].name,
        "application": "shop",
        "cluster": "https://kubernetes.default.svc",
        "cause": "Drift",
        "openedAt": "2026-01-31T14:00:00.000Z",
        "seconds": 600.0,
        "phase": "Closed",
        "revision": "c0ffee",
        "updatedAt": "2026-01-31T14:10:00.000Z",
        "closedAt": "2026-01-31T14:10:00.000Z",
        "ending": "Reverted",
        "times": 1,
        "selfHeals": False,
        "trouble": None,
        "by": ["manager first-hand"],
        "objects": [
            {
                "group": "",
                "kind": "ConfigMap",
                "namespace": "default",
                "name": "one",
                "status": "OutOfSync",
                "fields": 1,
            }
        ],
        "objectsLeftOut": 0,
    }


async def test_each_filter_lets_pass_what_it_says(service: Service, three: list[Incident]) -> None:
    first, second, third = (one.name for one in three)
    for query, expected in {
        "open=true": [third, second],
        "open=false": [first],
        "application=shop": [third, first],
        "application=nobody": [],
        "since=2026-01-31T14:10:00Z": [third, second, first],
        "since=2026-01-31T15:10:01+01:00": [third, second],
        "by=alice": [second],
        "by=second-hand": [second],
        "by=second": [],
        "application=shop&open=true": [third],
    }.items():
        assert names(await service.get(f"/api/v1/incidents?{query}")) == expected, query


async def test_pages_follow_on_each_other_whatever_comes_meanwhile(service: Service, three: list[Incident]) -> None:
    first, second, third = (one.name for one in three)
    page = await service.get("/api/v1/incidents?limit=2")
    assert names(page) == [third, second]
    await record(service, drifted("late", T0 + timedelta(hours=9)))
    rest = await service.get(f"/api/v1/incidents?limit=2&continue={page.body['continue']}")
    assert (names(rest), rest.body["continue"]) == ([first], "")


async def test_one_incident_is_shown_with_its_fields(service: Service, three: list[Incident]) -> None:
    answer = await service.get(f"/api/v1/incidents/{three[1].name}")
    assert answer.status == 200
    (item,) = answer.body["objects"]
    (field,) = item["fields"]
    assert field == {
        "path": "data.mood",
        "change": "changed",
        "desired": '"calm"',
        "live": '"stormy"',
        "manager": "second-hand",
        "time": "2026-01-31T15:00:00Z",
        "operation": "Update",
        "user": "alice",
        "groups": ["sailors"],
        "address": "192.0.2.7",
        "agent": "kubectl/v1.36",
    }
    assert (answer.body["phase"], "closedAt" in answer.body) == ("Open", False)
    assert answer.body["history"] == [
        {"time": "2026-01-31T15:00:00.000Z", "what": "Opened", "by": ["alice"], "fields": 1}
    ]
    assert answer.body["by"] == ["alice with second-hand"]


async def test_what_is_asked_for_wrongly_is_refused_with_the_way_out(service: Service, three: list[Incident]) -> None:
    for query, said in {
        "open=yes": "open is true",
        "since=yesterday": "since is a time",
        "since=2026-01-31T14:00:00": "since is a time",
        "limit=0": "limit is a number",
        "limit=501": "limit is a number",
        "limit=-1": "limit is a number",
        "continue=%00": "continue is not",
        "continue=bm90aGluZw": "continue is not",
        "color=red": "The parameters are",
        "open=true&open=false": "The parameters are",
        f"by={'x' * 600}": "The parameters are",
    }.items():
        answer = await service.get(f"/api/v1/incidents?{query}")
        assert answer.status == 400, query
        assert answer.body["error"].startswith(said), query
    assert (await service.get("/api/v1/incidents/nope")).status == 404
    assert (await service.post(b"{}", {}, "/api/v1/incidents")).status == 405


async def test_an_application_is_shown_with_its_objects_its_conditions_and_its_incidents(
    service: Service, three: list[Incident]
) -> None:
    secret = "https://me:hunter2@git.example.com/x"
    condition = {"type": "SyncError", "message": f"cannot reach {secret}", "lastTransitionTime": "2026-01-31T14:00:00Z"}
    entry = {"version": "v1", "kind": "ConfigMap", "namespace": "default", "name": "one", "status": "OutOfSync"}
    state = {"phase": "Failed", "message": secret, "startedAt": "2026-01-31T14:00:00Z"}
    state["operation"] = {"sync": {"revision": "c0ffee"}, "initiatedBy": {"username": "alice"}}
    status = {
        "sync": {"status": "OutOfSync", "revision": "c0ffee", "comparedTo": {"destination": {}}},
        "health": {"status": "Healthy"},
        "conditions": [condition],
        "resources": [entry] * 1_001,
        "operationState": state,
    }
    source = {"repoURL": secret, "path": "x", "helm": {"parameters": [{"name": "password", "value": "hunter2"}]}}
    await service.patch("shop", {"spec": {"source": source}, "status": status})

    async def shown() -> Any:
        answer = await service.get("/api/v1/applications/shop")
        return answer.body if answer.status == 200 and answer.body["sync"] == "OutOfSync" else None

    body = await wait_until(shown, SECONDS, "its status is known")
    assert "hunter2" not in json.dumps(body)
    assert body["conditions"] == [{**condition, "message": "cannot reach https://••••@git.example.com/x"}]
    assert (len(body["resources"]), body["resourcesLeftOut"]) == (1_000, 1)
    assert body["resources"][0] == {
        "group": "",
        "kind": "ConfigMap",
        "namespace": "default",
        "name": "one",
        "status": "OutOfSync",
        "health": None,
        "healthMessage": "",
        "requiresPruning": False,
    }
    assert body["operation"] == {
        "phase": "Failed",
        "message": "https://••••@git.example.com/x",
        "revision": "c0ffee",
        "startedAt": "2026-01-31T14:00:00Z",
        "finishedAt": None,
        "initiatedBy": "alice",
        "automated": False,
    }
    server = "https://kubernetes.default.svc"
    assert body["destination"] == {"server": server, "cluster": "", "namespace": "default"}
    assert [one["name"] for one in body["incidents"]] == [three[2].name, three[0].name]
    assert body["repairs"] == {"drifts": 2, "count": 1, "meanSeconds": 600.0, "secondsMax": 600.0}
    assert (await service.get("/api/v1/applications/nope")).status == 404


async def open_now(service: Service) -> dict[str, float]:
    async with service.http.get(f"http://{service.ops}/metrics") as response:
        lines = (await response.text()).splitlines()
    found = (line.rpartition(" ") for line in lines if line.startswith("trueup_incidents_open{"))
    return {name.partition('"')[2].rpartition('"')[0]: float(value) for name, _, value in found}


async def test_what_is_open_is_a_gauge_and_what_is_gone_is_known_no_more(
    service: Service, three: list[Incident]
) -> None:
    assert await open_now(service) == {"Drift": 2.0, "Revision": 0.0}
    resource = await service.cluster.resource("trueup.dev", "Incident")
    raw = await service.cluster.get(resource, service.namespace, three[2].name)
    assert raw is not None
    assert read_record(raw).is_open
    await service.cluster.delete(resource, service.namespace, three[2].name, uid=raw["metadata"]["uid"])

    async def is_gone() -> bool:
        return (await service.get(f"/api/v1/incidents/{three[2].name}")).status == 404

    await wait_until(is_gone, SECONDS, "gone")
    assert await open_now(service) == {"Drift": 1.0, "Revision": 0.0}
    assert names(await service.get("/api/v1/incidents?application=shop")) == [three[0].name]


async def test_what_may_not_be_followed_any_more_is_not_shown_as_if_it_were(
    sandbox: SandboxFacts, cluster: Cluster, namespace: str, valkey_url: str, tmp_path: Path
) -> None:
    made = await put_on_record(cluster, namespace, drifted("shop", T0))
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(proxy_to(sandbox))
        client = await stack.enter_async_context(through(sandbox, proxy))
        settings = settings_for(namespace, valkey_url, tmp_path, watch_retry_seconds_max=0.5)
        service = await stack.enter_async_context(running_service(settings, client))

        async def becomes(code: int) -> Answer:
            async def is_so() -> Answer | None:
                answer = await service.get("/api/v1/incidents")
                return answer if answer.status == code else None

            found: Answer | None = await wait_until(is_so, SECONDS, f"answered {code}")
            assert found is not None
            return found

        assert names(await becomes(200)) == [made.name]
        fault = proxy.answer(lambda seen: "/incidents" in seen.target, 403)
        proxy.cut_all()
        refused = await becomes(503)
        assert "deploy/base/rbac.yaml" in refused.body["error"]
        assert int(refused.headers["Retry-After"]) > 0
        assert await open_now(service) == {}
        resource = await cluster.resource("trueup.dev", "Incident")
        raw = await cluster.get(resource, namespace, made.name)
        assert raw is not None
        await cluster.delete(resource, namespace, made.name, uid=raw["metadata"]["uid"])
        proxy.lift(fault)
        assert names(await becomes(200)) == [], "what went meanwhile is gone"


async def test_where_no_incident_can_be_kept_the_service_runs_on_and_says_so(
    namespace: str, valkey_url: str, tmp_path: Path
) -> None:
    async with in_own_task(running_sandbox(tmp_path / "sandbox", progress=lambda _: None)):
        file = read_facts(tmp_path / "sandbox").kubeconfig
        async with Cluster(KubeconfigSource(str(file))) as cluster:
            definitions = await cluster.resource("apiextensions.k8s.io", "CustomResourceDefinition")
            definition = await cluster.get(definitions, "", "incidents.trueup.dev")
            assert definition is not None
            uid = definition["metadata"]["uid"]
            await create_application(cluster, "argocd", "shop", "https://git.example.com/acme/deploy.git")
            settings = settings_for("argocd", valkey_url, tmp_path / "data", watch_retry_seconds_max=0.5)
            async with running_service(settings, cluster) as bare:

                async def status(path: str = "/api/v1/incidents") -> int:
                    return (await bare.get(path)).status

                async def becomes(code: int) -> None:
                    async def is_so() -> bool:
                        return await status() == code

                    await wait_until(is_so, SECONDS, f"answered {code}")

                await becomes(200)
                await put_on_record(cluster, "argocd", drifted("shop", T0))
                await cluster.delete(definitions, "", "incidents.trueup.dev", uid=uid)
                await becomes(503)
                said: dict[str, Any] = (await bare.get("/api/v1/incidents")).body
                assert "kubectl apply -f deploy/crds" in said["error"]
                shop = (await bare.get("/api/v1/applications/shop")).body
                assert (shop["name"], shop["incidents"], shop["repairs"]) == ("shop", None, None)
                assert await open_now(bare) == {}
                assert [await status(path) for path in ("/healthz", "/readyz", "/api/v1/applications")] == [200] * 3
                metadata = {"name": "incidents.trueup.dev"}
                await cluster.create(definitions, "", {**definition, "metadata": metadata, "status": None})
                await becomes(200)
                assert names(await bare.get("/api/v1/incidents")) == []
