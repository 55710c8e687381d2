"""What `kubectl apply -k deploy/base` would make is what an API server takes, and no more rights than are used."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.kubectl import kubectl
from tests.support.sandbox import SandboxFacts
from trueup.clients.cluster import Cluster

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture(scope="session")
def kubeconfig(sandbox: SandboxFacts) -> Path:
    return sandbox.kubeconfig


async def objects(kubeconfig: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(await kubectl(kubeconfig, "kustomize", str(DEPLOY / "base"))))


async def test_every_object_passes_the_servers_dry_run(cluster: Cluster, kubeconfig: Path) -> None:
    made = await objects(kubeconfig)
    assert {body["kind"] for body in made} >= {"Deployment", "Service", "Role", "ClusterRole", "NetworkPolicy"}
    for body in made:
        group, _, version = body["apiVersion"].rpartition("/")
        resource = await cluster.resource(group, body["kind"], version)
        metadata = body["metadata"]
        answered = await cluster.apply(
            resource, metadata.get("namespace", ""), metadata["name"], body, field_manager="installer", dry_run=True
        )
        assert answered["metadata"]["name"] == metadata["name"]


async def test_nothing_runs_as_root_or_writes_to_its_root(kubeconfig: Path) -> None:
    deployments = [body for body in await objects(kubeconfig) if body["kind"] == "Deployment"]
    assert {body["metadata"]["name"] for body in deployments} == {"trueup-service", "trueup-worker", "trueup-valkey"}
    for body in deployments:
        pod = body["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


async def test_the_service_may_not_touch_what_is_delivered(kubeconfig: Path) -> None:
    made = await objects(kubeconfig)
    bound = [
        body["roleRef"]["name"]
        for body in made
        if body["kind"] in ("RoleBinding", "ClusterRoleBinding")
        and any(subject["name"] == "trueup-service" for subject in body["subjects"])
    ]
    assert sorted(bound) == ["trueup-service", "trueup-watch"]
    (watch,) = [body for body in made if body["kind"] == "ClusterRole" and body["metadata"]["name"] == "trueup-watch"]
    assert {verb for rule in watch["rules"] for verb in rule["verbs"]} == {"list", "watch"}
    (role,) = [body for body in made if body["kind"] == "Role" and body["metadata"]["name"] == "trueup-service"]
    granted = {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
    assert granted == {
        *(("applications", verb) for verb in ("list", "watch")),
        *(("incidents", verb) for verb in ("list", "watch")),
        *(("secrets", verb) for verb in ("list", "watch")),
        *(("configmaps", verb) for verb in ("list", "watch")),
        *(("leases", verb) for verb in ("create", "get", "patch", "watch")),
    }


async def test_taking_it_away_takes_nothing_else_along(kubeconfig: Path) -> None:
    kinds = {body["kind"] for body in await objects(kubeconfig)}
    assert not kinds & {"Namespace", "CustomResourceDefinition", "Application", "AppProject"}


async def test_an_overlay_moves_all_of_it_to_another_namespace(kubeconfig: Path, tmp_path: Path) -> None:
    shutil.copytree(DEPLOY / "base", tmp_path / "base")
    (tmp_path / "elsewhere").mkdir()
    overlay = {"namespace": "elsewhere", "resources": ["../base"]}
    (tmp_path / "elsewhere" / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    made = list(yaml.safe_load_all(await kubectl(kubeconfig, "kustomize", str(tmp_path / "elsewhere"))))
    for body in made:
        if not body["kind"].startswith("Cluster"):
            assert body["metadata"]["namespace"] == "elsewhere"
        for subject in body.get("subjects", ()):
            assert subject["namespace"] == "elsewhere"
