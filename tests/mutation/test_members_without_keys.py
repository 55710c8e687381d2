"""A list whose members somebody robbed of their keys, or gave the same ones: no apply can merge it, and it heals."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.mutating.product import Product
from tests.support.mutating.trial import MANAGER
from trueup.clients.api_errors import UnmergeableError
from trueup.clients.cluster import Cluster
from trueup.domain.resource import Manifest, ResourceKey

POD = {"containers": [{"name": "a", "image": "registry.example/a:1", "env": [{"name": "A", "value": "1"}]}]}
SPEC = {**POD, "imagePullSecrets": [{"name": "one"}, {"name": "two"}]}


def account(namespace: str) -> Manifest:
    body: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "a", "namespace": namespace},
        "secrets": [{"name": "one"}],
    }
    return Manifest(ResourceKey.of(body), "v1", body, "test")


def deployment(namespace: str) -> Manifest:
    body: dict[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "a", "namespace": namespace},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "a"}},
            "template": {"metadata": {"labels": {"app": "a"}}, "spec": SPEC},
        },
    }
    return Manifest(ResourceKey.of(body), "v1", body, "test")


Patch = list[dict[str, Any]]
ROBBED: Patch = [{"op": "remove", "path": "/secrets/0/name"}]
ROBBED_POD: Patch = [{"op": "remove", "path": "/spec/template/spec/imagePullSecrets/0/name"}]
TWICE: Patch = [{"op": "add", "path": "/spec/template/spec/containers/0/env/-", "value": {"name": "A", "value": "2"}}]


@pytest.mark.parametrize(
    ("made", "edit"), [(account, ROBBED), (deployment, ROBBED_POD), (deployment, TWICE)], ids=["sa", "pod", "twice"]
)
async def test_it_is_seen_and_put_right(
    made: Any, edit: list[dict[str, Any]], cluster: Cluster, namespace: str
) -> None:
    product, manifest = Product(cluster, namespace), made(namespace)
    before, diff = await product.delivered(manifest)
    assert diff.status == "Synced"
    resource = await product.resource(manifest)
    edited = await cluster.json_patch(resource, namespace, "a", edit, field_manager=MANAGER)
    diff = await product.compared(manifest, edited)
    assert diff.status == "OutOfSync"
    live, after = await product.delivered(manifest)
    assert after.status == "Synced", [f"{change.kind} {change}" for change in after.changes]
    assert live.get("secrets") == before.get("secrets")
    assert live.get("spec") == before.get("spec")


async def test_an_apply_that_cannot_be_merged_is_told_from_a_server_in_trouble(
    cluster: Cluster, namespace: str
) -> None:
    product, manifest = Product(cluster, namespace), account(namespace)
    await product.delivered(manifest)
    resource = await product.resource(manifest)
    await cluster.json_patch(resource, namespace, "a", ROBBED, field_manager=MANAGER)
    with pytest.raises(UnmergeableError, match="omits all key fields"):
        await cluster.apply(resource, namespace, "a", manifest.body)
