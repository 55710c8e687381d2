"""A real API server takes the definitions, keeps what they do not know and refuses what is wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.kubectl import kubectl
from tests.support.sandbox import SandboxFacts
from trueup.clients.api_errors import RejectedError
from trueup.clients.applications import parse_application, trigger_hash
from trueup.clients.cluster import ApiResource, Cluster
from trueup.clients.crds.schema import GROUP, crd_manifests, is_ours
from trueup.domain import status
from trueup.domain.job import Token
from trueup.domain.merge_patch import merge_patch
from trueup.domain.resource import ResourceKey

SAMPLES = sorted((Path(__file__).parents[1] / "samples" / "applications").glob("*.yaml"))
NOW = datetime(2025, 1, 31, 12, tzinfo=UTC)
SHA = "a" * 40
UID = "0b0c8f1e-0000-4000-8000-000000000001"


def sample(name: str, namespace: str) -> dict[str, Any]:
    (path,) = (path for path in SAMPLES if path.stem == name)
    raw: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    raw["metadata"]["namespace"] = namespace
    # Nothing in these tests would ever take it away again.
    raw["metadata"].pop("finalizers", None)
    return raw


async def applications(cluster: Cluster) -> ApiResource:
    return await cluster.resource(GROUP, "Application")


async def test_the_api_server_finds_no_fault_with_the_definitions(cluster: Cluster) -> None:
    resource = await cluster.resource("apiextensions.k8s.io", "CustomResourceDefinition")
    for manifest in crd_manifests():
        crd = await cluster.get(resource, "", manifest["metadata"]["name"])
        assert crd is not None
        assert is_ours(crd)
        held = {condition["type"]: condition["status"] for condition in crd["status"]["conditions"]}
        assert held == {"NamesAccepted": "True", "Established": "True"}, "no NonStructuralSchema among them"
        installed = crd["spec"]["versions"][0]["schema"]
        assert installed == manifest["spec"]["versions"][0]["schema"], "taken as it is, nothing dropped"


@pytest.mark.parametrize("name", [path.stem for path in SAMPLES])
async def test_an_application_comes_back_as_it_was_written(cluster: Cluster, namespace: str, name: str) -> None:
    resource, raw = await applications(cluster), sample(name, namespace)
    await cluster.create(resource, namespace, raw)
    live = await cluster.get(resource, namespace, raw["metadata"]["name"])
    assert live is not None
    for part in ("spec", "operation", "status"):
        assert live.get(part) == raw.get(part), part
    assert parse_application(live).refusals == parse_application(raw).refusals


async def test_fields_of_tomorrow_survive_at_every_depth(cluster: Cluster, namespace: str) -> None:
    resource, raw = await applications(cluster), sample("operated", namespace)

    def mark(node: Any, names: dict[str, Any]) -> None:
        """Put an unknown field into every object whose shape the schema knows."""
        for name, child in names.items():
            inner = node.get(name) if isinstance(node, dict) else None
            for each in inner if isinstance(inner, list) else [inner]:
                schema = child.get("items", child)
                if isinstance(each, dict) and "properties" in schema:
                    each["unheardOf"] = {"deep": [{"deeper": None}]}
                    mark(each, schema["properties"])

    schema = crd_manifests()[0]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    mark(raw, schema["properties"])
    assert str(raw).count("unheardOf") > 20
    await cluster.create(resource, namespace, raw)
    live = await cluster.get(resource, namespace, "operated")
    assert live is not None
    for part in ("spec", "operation", "status"):
        assert live[part] == raw[part], part


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("spec", "destination"), ..., "spec.destination"),
        (("spec", "project"), ..., "spec.project"),
        (("spec", "source", "repoURL"), ..., "spec.source.repoURL"),
        (("spec", "ignoreDifferences"), [{"group": "apps"}], "spec.ignoreDifferences[0].kind"),
        (("spec", "syncPolicy", "automated", "prune"), "yes", "spec.syncPolicy.automated.prune"),
        (("spec", "syncPolicy", "retry", "limit"), "many", "spec.syncPolicy.retry.limit"),
        (("spec", "source", "path"), ["a"], "spec.source.path"),
    ],
)
async def test_what_argo_cd_would_refuse_is_refused(
    cluster: Cluster, namespace: str, path: tuple[str, ...], value: Any, said: str
) -> None:
    resource, raw = await applications(cluster), sample("web-shop", namespace)
    node = raw
    for step in path[:-1]:
        node = node[step]
    if value is ...:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    with pytest.raises(RejectedError, match=said.replace("[", r"\[").replace(".", r"\.")):
        await cluster.create(resource, namespace, raw)


async def test_a_status_is_a_patch_of_the_object_and_triggers_nothing(cluster: Cluster, namespace: str) -> None:
    resource, raw = await applications(cluster), sample("web-shop", namespace)
    created = await cluster.create(resource, namespace, raw)
    application = parse_application(created)
    key = ResourceKey("apps", "Deployment", "shop", "front")
    operation = status.with_token(status.automated_operation({}, SHA, prune=True), Token(7, 8), UID)
    wanted = {
        "sync": status.sync(application, status="Synced", revision=SHA),
        "health": status.health({}, status="Healthy", now=NOW),
        "conditions": status.conditions(
            {}, [status.Condition("SyncError", "x")], evaluated=status.SYNC_CONDITIONS, now=NOW
        ),
        "resources": status.resources([status.ResourceEntry(key, "v1", "Synced", "Healthy")]),
        "operationState": status.operation_state(
            operation=operation,
            phase="Succeeded",
            message="",
            started_at=NOW,
            finished_at=NOW,
            revision=SHA,
            spec=created["spec"],
            results=[status.ResourceResult(key, "v1", "Synced")],
        ),
        "reconciledAt": status.timestamp(NOW),
    }
    patch = {
        "metadata": {"resourceVersion": application.resource_version},
        "status": merge_patch(application.status, wanted),
    }
    patched = await cluster.merge_patch(resource, namespace, "web-shop", patch)
    assert patched["status"] == wanted
    assert patched["metadata"]["generation"] > created["metadata"]["generation"]
    assert trigger_hash(patched) == trigger_hash(created)
    again = parse_application(patched)
    assert (again.revision, again.inventory) == (SHA, (key,))
    assert status.token_of(again.status, UID) == Token(7, 8)

    fewer = {"sync": wanted["sync"], "conditions": []}
    patch = {"status": merge_patch(again.status, fewer)}
    assert (await cluster.merge_patch(resource, namespace, "web-shop", patch))["status"] == fewer


async def test_kubectl_shows_the_columns_users_know(cluster: Cluster, sandbox: SandboxFacts, namespace: str) -> None:
    raw = sample("operated", namespace)
    await cluster.create(await applications(cluster), namespace, raw)
    head, row = (await kubectl(sandbox.kubeconfig, "get", "apps", "-n", namespace)).splitlines()
    assert head.split() == ["NAME", "SYNC", "STATUS", "HEALTH", "STATUS"]
    assert row.split() == ["operated", "OutOfSync", "Healthy"]
    wide = await kubectl(sandbox.kubeconfig, "get", "app", "operated", "-n", namespace, "-o", "wide")
    head, row = wide.splitlines()
    assert head.split() == ["NAME", "SYNC", "STATUS", "HEALTH", "STATUS", "REVISION", "PROJECT"]
    assert row.split() == ["operated", "OutOfSync", "Healthy", "1" * 40, "default"]
    assert await kubectl(sandbox.kubeconfig, "get", "appproj", "-n", namespace, "-o", "name") == ""


async def test_kubectl_can_apply_our_files_and_edit_an_application(
    cluster: Cluster, sandbox: SandboxFacts, namespace: str
) -> None:
    files = Path(__file__).parents[2] / "deploy" / "crds"
    applied = await kubectl(sandbox.kubeconfig, "apply", "--dry-run=server", "-f", str(files))
    assert applied.count("server dry run") == 3
    await cluster.create(await applications(cluster), namespace, sample("web-shop", namespace))
    patch = '{"operation":{"sync":{"revision":"main"},"initiatedBy":{"username":"ada"}}}'
    await kubectl(sandbox.kubeconfig, "patch", "app", "web-shop", "-n", namespace, "--type=merge", "-p", patch)
    live = await cluster.get(await applications(cluster), namespace, "web-shop")
    assert live is not None
    operation = parse_application(live).operation
    assert operation is not None
    assert (operation.revisions, operation.initiated_by, operation.refusals) == (("main",), "ada", ())


async def test_a_project_comes_back_as_it_was_written(cluster: Cluster, namespace: str) -> None:
    resource = await cluster.resource(GROUP, "AppProject")
    spec = {
        "description": "everything for the team",
        "sourceRepos": ["*"],
        "destinations": [{"server": "*", "namespace": "team-*", "unheardOf": 1}],
        "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
        "namespaceResourceBlacklist": [{"group": "", "kind": "ResourceQuota"}],
        "roles": [{"name": "deployer", "policies": ["p, x"], "jwtTokens": [{"iat": 1_535_390_316}]}],
        "syncWindows": [{"kind": "allow", "schedule": "0 22 * * *", "duration": "1h", "manualSync": True}],
        "signatureKeys": [{"keyID": "4AEE18F83AFDEB23"}],
        "fieldOfTomorrow": {"deep": True},
    }
    body = {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": "team", "namespace": namespace},
        "spec": spec,
    }
    await cluster.create(resource, namespace, body)
    live = await cluster.get(resource, namespace, "team")
    assert live is not None
    assert live["spec"] == spec
