"""Reads and writes against a real API server, and what its refusals are called."""

from __future__ import annotations

import asyncio
import secrets
from functools import partial
from types import MappingProxyType
from typing import Any

import orjson
import pytest

from tests.support.sandbox import SandboxFacts
from tests.support.wait import wait_until
from trueup import telemetry
from trueup.clients.api_errors import (
    AlreadyExistsError,
    ApiError,
    Asked,
    ConflictError,
    ForbiddenError,
    NamespaceTerminatingError,
    NotFoundError,
    NotServedError,
    RejectedError,
    ServerError,
    UnknownKindError,
)
from trueup.clients.cluster import Cluster, object_path
from trueup.clients.cluster_bounds import ClusterBounds
from trueup.clients.credentials import KubeconfigSource, ServerAccess
from trueup.clients.discovery import ApiResource
from trueup.clients.transport import Request
from trueup.domain.errors import StalledError, TransientError


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def requests(verb: str, resource: str, code: str) -> float:
    return telemetry.API_REQUESTS.labels(verb, resource, code)._value.get()


async def test_an_applied_object_reads_back_and_is_deleted_only_as_itself(cluster: Cluster, namespace: str) -> None:
    resource = await cluster.resource("", "ConfigMap")
    before = requests("APPLY", "configmaps", "201")
    applied = await cluster.apply(resource, namespace, "one", MappingProxyType(config_map("one", a="1")))
    assert requests("APPLY", "configmaps", "201") == before + 1
    assert applied["metadata"]["managedFields"][0]["manager"] == "trueup"
    live = await cluster.get(resource, namespace, "one")
    assert live is not None
    assert live["data"] == {"a": "1"}

    with pytest.raises(ConflictError):
        await cluster.delete(resource, namespace, "one", uid="another")
    uid, version = live["metadata"]["uid"], live["metadata"]["resourceVersion"]
    with pytest.raises(ConflictError):
        await cluster.delete(resource, namespace, "one", uid=uid, resource_version="1")
    assert await cluster.delete(resource, namespace, "one", uid=uid, dry_run=True)
    assert await cluster.get(resource, namespace, "one") == live
    assert await cluster.delete(resource, namespace, "one", uid=uid, resource_version=version, propagation="Background")
    assert await cluster.get(resource, namespace, "one") is None
    assert await cluster.delete(resource, namespace, "one", uid=uid) is False


async def test_a_dry_run_changes_nothing(cluster: Cluster, namespace: str) -> None:
    resource = await cluster.resource("", "ConfigMap")
    would_be = await cluster.apply(resource, namespace, "dry", config_map("dry", a="1"), dry_run=True)
    assert would_be["data"] == {"a": "1"}
    assert await cluster.get(resource, namespace, "dry") is None


async def test_patches_and_replacements_are_guarded_by_resource_version(cluster: Cluster, namespace: str) -> None:
    resource = await cluster.resource("", "ConfigMap")
    created = await cluster.create(resource, namespace, config_map("two", a="1"))
    with pytest.raises(AlreadyExistsError):
        await cluster.create(resource, namespace, config_map("two"))
    version = created["metadata"]["resourceVersion"]
    patched = await cluster.merge_patch(
        resource, namespace, "two", {"metadata": {"resourceVersion": version}, "data": {"b": "2", "a": None}}
    )
    assert patched["data"] == {"b": "2"}
    with pytest.raises(ConflictError):
        await cluster.merge_patch(resource, namespace, "two", {"metadata": {"resourceVersion": version}})
    with pytest.raises(ConflictError):
        await cluster.replace(resource, namespace, "two", created)
    replaced = await cluster.replace(resource, namespace, "two", patched | {"data": {"c": "3"}})
    assert replaced["data"] == {"c": "3"}
    with pytest.raises(RejectedError):
        await cluster.json_patch(resource, namespace, "two", [{"op": "test", "path": "/data/c", "value": "4"}])
    edited = await cluster.json_patch(resource, namespace, "two", [{"op": "remove", "path": "/data/c"}])
    assert not edited.get("data")


async def test_an_apply_without_force_tells_who_owns_the_field(cluster: Cluster, namespace: str) -> None:
    resource = await cluster.resource("", "ConfigMap")
    await cluster.apply(resource, namespace, "owned", config_map("owned", a="1"), field_manager="somebody")
    with pytest.raises(ConflictError, match="somebody"):
        await cluster.apply(resource, namespace, "owned", config_map("owned", a="2"), force=False)
    assert (await cluster.apply(resource, namespace, "owned", config_map("owned", a="2")))["data"] == {"a": "2"}


async def test_a_list_is_whole_whatever_its_pages(sandbox: SandboxFacts, namespace: str) -> None:
    bounds = ClusterBounds(list_page_objects_max=3)
    async with Cluster(KubeconfigSource(str(sandbox.kubeconfig)), bounds=bounds) as cluster:
        resource = await cluster.resource("", "ConfigMap")
        names = {f"m{number}" for number in range(10)}
        for name in names:
            body = config_map(name)
            body["metadata"]["labels"] = {"odd": str(int(name[1:]) % 2)}
            await cluster.create(resource, namespace, body)
        before = requests("LIST", "configmaps", "200")
        listed = await cluster.list_all(resource, namespace, label_selector="odd")
        assert requests("LIST", "configmaps", "200") == before + 4
        assert {item["metadata"]["name"] for item in listed.items} == names
        assert {(item["apiVersion"], item["kind"]) for item in listed.items} == {("v1", "ConfigMap")}
        odd = await cluster.list_all(resource, namespace, label_selector="odd=1")
        assert len(odd.items) == 5
        one = await cluster.list_all(resource, namespace, field_selector="metadata.name=m4")
        assert len(one.items) == 1


async def test_an_unknown_kind_is_named_with_the_way_out(cluster: Cluster) -> None:
    with pytest.raises(UnknownKindError, match=r"Sprocket in example.com/v1: install the CRD"):
        await cluster.resource("example.com", "Sprocket", "v1")
    with pytest.raises(UnknownKindError, match=r"Deployment in apps/v9"):
        await cluster.resource("apps", "Deployment", "v9")


async def test_readings_of_the_kinds_are_shared(sandbox: SandboxFacts) -> None:
    async with Cluster(KubeconfigSource(str(sandbox.kubeconfig))) as cluster:
        before = requests("GET", "discovery", "200")
        async with asyncio.TaskGroup() as group:
            for kind in ("Pod", "Secret", "Node", "Service", "ConfigMap"):
                group.create_task(cluster.resource("", kind))
        node = await cluster.resource("", "Node")
        assert not node.namespaced
        assert "watch" in node.verbs
        assert (await cluster.resource("apps", "Deployment")).api_version == "apps/v1"
        assert requests("GET", "discovery", "200") == before + 2

        async def missing(kind: str) -> None:
            with pytest.raises(UnknownKindError):
                await cluster.resource("", kind)

        async with asyncio.TaskGroup() as group:
            for kind in ("A", "B", "C", "D", "E"):
                group.create_task(missing(kind))
        assert requests("GET", "discovery", "200") == before + 4


async def test_a_kind_is_found_once_installed_and_refused_once_gone(cluster: Cluster, namespace: str) -> None:
    crds = await cluster.resource("apiextensions.k8s.io", "CustomResourceDefinition")
    group = f"g{secrets.token_hex(4)}.example.com"
    with pytest.raises(UnknownKindError):
        await cluster.resource(group, "Widget")
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": "Widget", "plural": "widgets"},
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }
    made = await cluster.apply(crds, "", f"widgets.{group}", definition)

    async def found() -> Any:
        try:
            return await cluster.resource(group, "Widget")
        except UnknownKindError:
            return None

    widget = await wait_until(found, 30, "the new kind is served")
    assert await cluster.get(widget, namespace, "w") is None

    await cluster.delete(crds, "", f"widgets.{group}", uid=made["metadata"]["uid"], propagation="Background")

    async def gone() -> bool:
        try:
            await cluster.get(widget, namespace, "w")
        except NotServedError:
            return True
        return False

    await wait_until(gone, 30, "the kind is no longer served")

    async def unknown() -> bool:
        try:
            await cluster.resource(group, "Widget")
        except UnknownKindError:
            return True
        return False

    await wait_until(unknown, 30, "the kind is unknown again")


async def test_a_kind_that_is_not_served_is_not_taken_for_a_missing_object(cluster: Cluster, namespace: str) -> None:
    for group, version in (("apps", "v1"), ("apps", "v0"), ("gone.example.com", "v1")):
        unserved = ApiResource(group, version, "Sprocket", "sprockets", namespaced=True, verbs=frozenset())
        with pytest.raises(NotServedError):
            await cluster.get(unserved, namespace, "one")
        with pytest.raises(NotServedError):
            await cluster.delete(unserved, namespace, "one", uid="u")


async def test_a_refusal_is_named_after_what_mends_it(sandbox: SandboxFacts, cluster: Cluster, namespace: str) -> None:
    resource = await cluster.resource("", "ConfigMap")
    with pytest.raises(NotFoundError, match=r'namespaces "absent-\w+" not found'):
        await cluster.apply(resource, f"absent-{secrets.token_hex(4)}", "one", config_map("one"))
    with pytest.raises(RejectedError) as rejected:
        await cluster.create(resource, namespace, config_map("Not A Name"))
    assert isinstance(rejected.value, StalledError)
    assert rejected.value.status == 422
    with pytest.raises(StalledError, match="no namespace"):
        await cluster.create(resource, "", config_map("one"))
    for name in ("", ".", "..", "a/b", "%2e%2e"):
        with pytest.raises(StalledError, match="not the name"):
            await cluster.get(resource, namespace, name)
    with pytest.raises(RejectedError, match="not JSON"):
        await cluster.create(resource, namespace, config_map("one") | {"data": {"a": 1 << 70}})


async def test_what_is_too_large_to_be_kept_is_sent_whole_and_refused_in_words(
    cluster: Cluster, namespace: str
) -> None:
    resource = await cluster.resource("", "ConfigMap")
    with pytest.raises(RejectedError, match="large"):
        await cluster.apply(resource, namespace, "large", config_map("large", text="x" * (2 * 1024 * 1024)))


async def test_missing_rights_name_verb_resource_and_namespace(
    sandbox: SandboxFacts, cluster: Cluster, namespace: str
) -> None:
    accounts = await cluster.resource("", "ServiceAccount")
    await cluster.create(accounts, namespace, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "n"}})
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    path = f"{object_path(accounts, namespace)}/n/token"
    token = await cluster.request(Request(Asked("CREATE", "tokens"), "POST", path, body=orjson.dumps(request)))
    access = ServerAccess(sandbox.server, bearer_token=token["status"]["token"], ca_data=sandbox.ca_data)
    async with Cluster(access) as powerless:
        resource = await powerless.resource("", "ConfigMap")
        with pytest.raises(ForbiddenError, match=f'cannot list resource "configmaps".*"{namespace}"'):
            await powerless.list_page(resource, namespace)
        secret = await powerless.resource("", "Secret")
        with pytest.raises(ForbiddenError, match=f"LIST secrets {namespace}: 403 Forbidden secrets"):
            await powerless.list_page(secret, namespace)


async def test_a_namespace_on_its_way_out_is_worth_another_try(cluster: Cluster) -> None:
    namespaces = await cluster.resource("", "Namespace")
    configmaps = await cluster.resource("", "ConfigMap")
    name = f"test-{secrets.token_hex(6)}"
    made = await cluster.create(namespaces, "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    held = config_map("held")
    held["metadata"]["finalizers"] = ["trueup.dev/test"]
    await cluster.create(configmaps, name, held)
    await cluster.delete(namespaces, "", name, uid=made["metadata"]["uid"])
    with pytest.raises(NamespaceTerminatingError) as error:
        await cluster.create(configmaps, name, config_map("late"))
    assert isinstance(error.value, TransientError)
    await cluster.merge_patch(configmaps, name, "held", {"metadata": {"finalizers": None}})


CANARY = "s3cr3t-canary"


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"password": f"{CANARY} is not base64"}},
        {"stringData": {"password": {"nested": CANARY}}},
        {"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": CANARY}},
        {"stringData": {f"{CANARY} as a key": "x"}},
        {"type": "kubernetes.io/tls", "stringData": {"tls.crt": CANARY, "unknown": CANARY}},
        {"data": CANARY},
    ],
)
@pytest.mark.parametrize("verb", ["apply", "create", "merge_patch"])
async def test_a_refused_secret_is_not_quoted(cluster: Cluster, namespace: str, body: Any, verb: str) -> None:
    resource = await cluster.resource("", "Secret")
    whole = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, **body}
    if verb == "merge_patch":
        await cluster.create(resource, namespace, whole | {"data": {}, "stringData": {}, "type": "Opaque"})
    write = {
        "apply": partial(cluster.apply, resource, namespace, "s", whole),
        "create": partial(cluster.create, resource, namespace, whole),
        "merge_patch": partial(cluster.merge_patch, resource, namespace, "s", body),
    }[verb]
    with pytest.raises(ApiError) as refused:
        await write()
    chain: BaseException | None = refused.value
    while chain:
        assert CANARY not in str(chain)
        chain = chain.__cause__ or chain.__context__
    assert f"secrets {namespace}/s: " in str(refused.value)


async def test_a_group_whose_own_server_is_away_is_not_called_unknown(cluster: Cluster) -> None:
    services = await cluster.resource("apiregistration.k8s.io", "APIService")
    group = f"g{secrets.token_hex(4)}.example.com"
    spec = {
        "group": group,
        "version": "v1",
        "groupPriorityMinimum": 1000,
        "versionPriority": 15,
        "insecureSkipTLSVerify": True,
        "service": {"namespace": "default", "name": "absent"},
    }
    made = await cluster.apply(
        services,
        "",
        f"v1.{group}",
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": f"v1.{group}"},
            "spec": spec,
        },
    )
    try:

        async def away() -> bool:
            try:
                await cluster.resource(group, "Widget")
            except ServerError as error:
                return group in str(error)
            except UnknownKindError:
                return False
            return False

        await wait_until(away, 30, "the group is known to be away")
    finally:
        await cluster.delete(services, "", f"v1.{group}", uid=made["metadata"]["uid"], propagation="Background")
