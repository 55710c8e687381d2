"""The cluster of the sandbox behaves like one: workloads live, users differ, writes are reported."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import aiohttp
import pytest_asyncio

from tests.support.audit import audit_events
from tests.support.processes import is_alive
from tests.support.sandbox import SandboxFacts
from tests.support.wait import wait_until

SECONDS_MAX = 60.0
# Far more than the 5 to 40 ms it takes, far less than the 30 s it took unless told otherwise.
AUDIT_SECONDS_MAX = 5.0
# kwok renews the lease of a node four times in the 40 s it lasts.
LEASE_RENEWAL_SECONDS_MAX = 25.0

Object = dict[str, Any]
Manifest = Mapping[str, Any]


class Api:
    """Plain HTTP to the API server, as one of the users."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def ask(self, method: str, path: str, body: Manifest | None = None) -> tuple[int, Object]:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        data = None if body is None else json.dumps(body)
        async with self._session.request(method, path, data=data, headers={"Content-Type": kind}) as response:
            return response.status, await response.json()

    async def get(self, path: str) -> Object:
        status, found = await self.ask("GET", path)
        assert status in (200, 404), found
        return found if status == 200 else {}

    async def create(self, path: str, body: Manifest) -> Object:
        status, created = await self.ask("POST", path, body)
        assert status == 201, created
        return created

    async def delete(self, path: str) -> None:
        status, answer = await self.ask("DELETE", path, {"propagationPolicy": "Background"})
        assert status in (200, 202), answer

    def until(self, path: str, holds: Callable[[Object], object], what: str) -> Awaitable[object]:
        async def asked() -> object:
            return holds(await self.get(path))

        return wait_until(asked, SECONDS_MAX, what)


@asynccontextmanager
async def api_as(sandbox: SandboxFacts, user: str) -> AsyncIterator[Api]:
    trust = ssl.create_default_context(cadata=base64.b64decode(sandbox.ca_data).decode())
    async with aiohttp.ClientSession(
        sandbox.server,
        headers={"Authorization": f"Bearer {sandbox.users[user]}"},
        connector=aiohttp.TCPConnector(ssl=trust),
    ) as session:
        yield Api(session)


@pytest_asyncio.fixture
async def api(sandbox: SandboxFacts) -> AsyncIterator[Api]:
    async with api_as(sandbox, "trueup") as connection:
        yield connection


@pytest_asyncio.fixture
async def place(api: Api) -> AsyncIterator[str]:
    """A namespace of the test's own."""
    name = f"place-{secrets.token_hex(4)}"
    await api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    await api.until(f"/api/v1/namespaces/{name}/serviceaccounts/default", bool, "the namespace's account")
    yield name
    await api.delete(f"/api/v1/namespaces/{name}")


def pod_template(annotation: str | None = None) -> Object:
    annotations = {"sandbox.trueup.dev/pod": annotation} if annotation else {}
    return {
        "metadata": {"labels": {"app": "web"}, "annotations": annotations},
        "spec": {
            "initContainers": [{"name": "first", "image": "example.com/first:1"}],
            "containers": [{"name": "web", "image": "example.com/web:1"}],
        },
    }


def deployment(replicas: int, annotation: str | None = None) -> Object:
    return {
        "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas,
            "progressDeadlineSeconds": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": pod_template(annotation),
        },
    }


def job(annotation: str | None = None) -> Object:
    template = pod_template(annotation)
    template["spec"]["restartPolicy"] = "Never"
    return {"metadata": {"name": "task"}, "spec": {"backoffLimit": 0, "template": template}}


def condition(item: Object, kind: str) -> str | None:
    found = [entry["status"] for entry in item.get("status", {}).get("conditions", []) if entry["type"] == kind]
    return found[0] if found else None


async def test_a_deployment_becomes_ready_and_its_pods_go_with_it(api: Api, place: str) -> None:
    deployments, pods = f"/apis/apps/v1/namespaces/{place}/deployments", f"/api/v1/namespaces/{place}/pods"
    await api.create(deployments, deployment(3))
    await api.until(f"{deployments}/web", lambda it: it["status"].get("readyReplicas") == 3, "3 ready replicas")
    found = (await api.get(pods))["items"]
    assert len({pod["status"]["podIP"] for pod in found}) == 3
    await api.delete(f"/api/v1/namespaces/{place}/pods/{found[0]['metadata']['name']}")
    await api.until(f"{pods}/{found[0]['metadata']['name']}", lambda it: not it, "the deleted pod's end")
    await api.until(f"{deployments}/web", lambda it: it["status"].get("readyReplicas") == 3, "3 again")
    await api.delete(f"{deployments}/web")
    await api.until(pods, lambda it: not it["items"], "the end of the pods")


async def test_a_pod_can_be_told_not_to_become_ready(api: Api, place: str) -> None:
    path = f"/apis/apps/v1/namespaces/{place}/deployments"
    await api.create(path, deployment(1, "never-ready"))
    await api.until(f"{path}/web", lambda it: condition(it, "Progressing") == "False", "the deadline to pass")
    (pod,) = (await api.get(f"/api/v1/namespaces/{place}/pods"))["items"]
    assert pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ImagePullBackOff"


async def test_a_job_completes(api: Api, place: str) -> None:
    path = f"/apis/batch/v1/namespaces/{place}/jobs"
    await api.create(path, job())
    await api.until(f"{path}/task", lambda it: condition(it, "Complete") == "True", "the job's completion")


async def test_a_job_can_be_told_to_fail(api: Api, place: str) -> None:
    path = f"/apis/batch/v1/namespaces/{place}/jobs"
    await api.create(path, job("fail"))
    await api.until(f"{path}/task", lambda it: condition(it, "Failed") == "True", "the job's failure")


async def test_a_namespace_can_be_deleted(api: Api) -> None:
    name = f"gone-{secrets.token_hex(4)}"
    await api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    await api.create(f"/api/v1/namespaces/{name}/configmaps", {"metadata": {"name": "a"}, "data": {"a": "1"}})
    await api.delete(f"/api/v1/namespaces/{name}")
    await api.until(f"/api/v1/namespaces/{name}", lambda it: not it, "the namespace's end")


async def test_a_service_account_token_is_good(api: Api, sandbox: SandboxFacts, place: str) -> None:
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    account = f"/api/v1/namespaces/{place}/serviceaccounts/default"
    token = (await api.create(f"{account}/token", request))["status"]["token"]
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    status = (await api.create("/apis/authentication.k8s.io/v1/tokenreviews", review))["status"]
    assert status["user"]["username"] == f"system:serviceaccount:{place}:default"


async def test_nodes_are_kept_ready(api: Api) -> None:
    nodes = (await api.get("/api/v1/nodes"))["items"]
    assert len(nodes) >= 2
    path = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{nodes[0]['metadata']['name']}"
    before = (await api.get(path))["spec"]["renewTime"]

    async def renewed() -> bool:
        return bool((await api.get(path))["spec"]["renewTime"] != before)

    await wait_until(renewed, LEASE_RENEWAL_SECONDS_MAX, "the lease to be renewed")
    assert all(condition(node, "Ready") == "True" for node in (await api.get("/api/v1/nodes"))["items"])


async def test_the_kinds_are_served_and_the_namespace_is_there(api: Api) -> None:
    for plural in ("applications", "appprojects"):
        assert "items" in await api.get(f"/apis/argoproj.io/v1alpha1/namespaces/argocd/{plural}")


async def test_users_are_who_they_say(sandbox: SandboxFacts) -> None:
    for user in ("admin", "trueup", "alice", "bob"):
        async with api_as(sandbox, user) as connection:
            review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
            answer = await connection.create("/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
            assert answer["status"]["userInfo"]["username"] == user
            assert sandbox.users[user] in sandbox.kubeconfig_for(user).read_text()
    assert sandbox.kubeconfig.read_text() == sandbox.kubeconfig_for("trueup").read_text()


async def test_sandbox_json_has_living_processes(sandbox: SandboxFacts) -> None:
    assert {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "valkey"} <= set(
        sandbox.pids
    )
    assert all(map(is_alive, sandbox.pids.values()))


async def next_event(events: asyncio.Queue[Object], user: str, resource: str) -> Object:
    async with asyncio.timeout(AUDIT_SECONDS_MAX):
        while True:
            event = await events.get()
            if event["user"]["username"] == user and event.get("objectRef", {}).get("resource") == resource:
                return event


async def test_audit_events_say_who_changed_what(sandbox: SandboxFacts, place: str) -> None:
    async with audit_events(sandbox) as events, api_as(sandbox, "alice") as alice:
        await alice.create(f"/api/v1/namespaces/{place}/configmaps", {"metadata": {"name": "a"}, "data": {"k": "v"}})
        created_at = monotonic()
        event = await next_event(events, "alice", "configmaps")
        assert monotonic() - created_at < AUDIT_SECONDS_MAX
        assert (event["verb"], event["level"], event["stage"]) == ("create", "RequestResponse", "ResponseComplete")
        assert event["responseObject"]["data"] == {"k": "v"}


async def test_audit_events_tell_no_secret(sandbox: SandboxFacts, place: str) -> None:
    async with audit_events(sandbox) as events, api_as(sandbox, "bob") as bob:
        secret = {"metadata": {"name": "a"}, "stringData": {"k": "h1dden"}}
        await bob.create(f"/api/v1/namespaces/{place}/secrets", secret)
        event = await next_event(events, "bob", "secrets")
        assert event["level"] == "Metadata"
        assert "h1dden" not in json.dumps(event)
        assert base64.b64encode(b"h1dden").decode() not in json.dumps(event)


async def test_controllers_act_under_their_own_names(sandbox: SandboxFacts, place: str) -> None:
    async with audit_events(sandbox) as events, api_as(sandbox, "alice") as alice:
        await alice.create(f"/apis/apps/v1/namespaces/{place}/deployments", deployment(1))
        await next_event(events, "system:serviceaccount:kube-system:deployment-controller", "replicasets")
        await next_event(events, "system:kwok", "pods")
