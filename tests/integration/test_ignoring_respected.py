"""A real API server keeps what is ignored through a forced apply of what `RespectIgnoreDifferences` makes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio

from tests.support.ownership import APPLICATION, Hands
from tests.support.sandbox import SandboxFacts
from trueup.clients.api_errors import ConflictError
from trueup.clients.cluster import Cluster
from trueup.clients.jq import Jq
from trueup.domain.ignore_rules import spec_rules
from trueup.domain.ignore_settings import NO_SETTINGS
from trueup.domain.plan import tracked
from trueup.domain.resource import Body, Manifest
from trueup.engine.ignoring import Delivery, Ignoring

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  annotations: {tool.io/kept: git, tool.io/gone: git%s}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      tolerations: [{key: a, operator: Exists}]
      containers: [{name: web, image: "example.invalid/web:%s"}]
"""
RULES = spec_rules(
    [
        {
            "group": "apps",
            "kind": "Deployment",
            "jsonPointers": [
                "/spec/replicas",
                "/metadata/annotations/tool.io~1kept",
                "/metadata/annotations/tool.io~1gone",
                "/metadata/annotations/tool.io~1old",
            ],
            "jqPathExpressions": [
                '.spec.template.spec.containers[] | select(.name == "proxy")',
                '.spec.template.spec.tolerations[] | select(.key == "injected")',
            ],
        }
    ]
)


@pytest_asyncio.fixture(loop_scope="session")
async def hands(cluster: Cluster, sandbox: SandboxFacts, namespace: str) -> Hands:
    return Hands(cluster, sandbox, namespace)


@pytest_asyncio.fixture(loop_scope="session")
async def delivery() -> AsyncIterator[Delivery]:
    async with Jq() as jq:
        yield Delivery(Ignoring(lambda: NO_SETTINGS, jq), RULES, respects=True)


async def edited(hands: Hands, manifest: Manifest) -> dict[str, Any]:
    """As controllers leave it."""
    resource = await hands.cluster.resource("apps", "Deployment")
    pod = {
        "containers": [{"name": "proxy", "image": "example.invalid/proxy:1"}],
        "tolerations": [{"key": "injected", "operator": "Exists"}, {"key": "a", "operator": "Exists"}],
    }
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    injected = {**body, "spec": {"template": {"spec": pod}}}
    where, name = manifest.key.namespace, manifest.key.name
    await hands.cluster.apply(resource, where, name, injected, field_manager="injector")
    patch = {
        "spec": {"replicas": 5},
        "metadata": {"annotations": {"tool.io/kept": "tool", "tool.io/gone": None, "other.io/x": "theirs"}},
    }
    return await hands.cluster.merge_patch(resource, where, name, patch, field_manager="autoscaler")


async def apply(hands: Hands, manifest: Manifest, body: Body) -> dict[str, Any]:
    resource = await hands.cluster.resource("apps", "Deployment")
    return await hands.cluster.apply(resource, manifest.key.namespace, manifest.key.name, body)


async def respecting(hands: Hands, delivery: Delivery, manifest: Manifest) -> dict[str, Any]:
    """An apply of what is respected, again where a controller wrote meanwhile, as a worker does it."""
    while True:
        body = await delivery.body(manifest, tracked(manifest, APPLICATION), await hands.live(manifest))
        with suppress(ConflictError):
            return await apply(hands, manifest, body)


async def test_every_kind_of_place_keeps_what_live_has(hands: Hands, delivery: Delivery) -> None:
    await hands.apply(hands.manifest(WEB % (", tool.io/old: git", 1)))
    manifest = hands.manifest(WEB % ("", 2))
    await edited(hands, manifest)
    after = await respecting(hands, delivery, manifest)
    annotations, spec = after["metadata"]["annotations"], after["spec"]
    assert spec["replicas"] == 5
    assert annotations["tool.io/kept"] == "tool"
    assert "tool.io/gone" not in annotations, "what live lacks is left out"
    assert annotations["tool.io/old"] == "git", "what Git dropped is not taken away where it is ignored"
    assert annotations["other.io/x"] == "theirs"
    pod = spec["template"]["spec"]
    assert {one["name"]: one["image"] for one in pod["containers"]} == {
        "web": "example.invalid/web:2",
        "proxy": "example.invalid/proxy:1",
    }
    assert [one["key"] for one in pod["tolerations"]] == ["injected", "a"]
    mask = await delivery.ignoring.mask(RULES, manifest, after)
    assert mask.compared(manifest, after).changes == ()


async def test_without_it_an_apply_writes_what_git_says(hands: Hands, delivery: Delivery) -> None:
    await hands.apply(hands.manifest(WEB % ("", 1)))
    manifest = hands.manifest(WEB % ("", 2))
    live = await edited(hands, manifest)
    plain = Delivery(delivery.ignoring, RULES, respects=False)
    body = await plain.body(manifest, tracked(manifest, APPLICATION), live)
    after = await apply(hands, manifest, body)
    assert after["spec"]["replicas"] == 1
    assert after["metadata"]["annotations"]["tool.io/gone"] == "git"


async def test_what_moved_meanwhile_is_not_written_over(hands: Hands, delivery: Delivery) -> None:
    await hands.apply(hands.manifest(WEB % ("", 1)))
    manifest = hands.manifest(WEB % ("", 2))
    live = await edited(hands, manifest)
    body = await delivery.body(manifest, tracked(manifest, APPLICATION), live)
    resource = await hands.cluster.resource("apps", "Deployment")
    scaled = {"spec": {"replicas": 6}}
    await hands.cluster.merge_patch(resource, manifest.key.namespace, "web", scaled, field_manager="autoscaler")
    with pytest.raises(ConflictError):
        await apply(hands, manifest, body)


async def test_a_new_object_gets_what_git_says(hands: Hands, delivery: Delivery) -> None:
    manifest = hands.manifest(WEB % ("", 1))
    body = tracked(manifest, APPLICATION)
    assert await delivery.body(manifest, body, None) == body
