"""What `kubectl apply -k deploy/base` would make is what an API server takes, and no more rights than are used."""

from __future__ import annotations

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
    assert bound == ["trueup-service"]
    (role,) = [body for body in made if body["kind"] == "Role" and body["metadata"]["name"] == "trueup-service"]
    granted = {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
    assert granted == {
        *(("applications", verb) for verb in ("get", "list", "watch")),
        *(("secrets", verb) for verb in ("get", "list", "watch")),
        *(("leases", verb) for verb in ("create", "get", "patch")),
    }
