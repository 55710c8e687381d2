"""What mutating webhooks make of an object is no drift, unless somebody asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.admission import mutating
from tests.support.by_hand import compared, heal, verdict, why
from tests.support.ownership import Hands, shown
from tests.support.sandbox import SandboxFacts
from tests.support.wait import wait_until
from trueup.clients.cluster import Cluster

CONFIG_MAP = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {mood: calm}
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: registry.example/web:1}]
"""
COMPARE_OPTIONS = "argocd.argoproj.io/compare-options"


@pytest.fixture
def hands(cluster: Cluster, sandbox: SandboxFacts, namespace: str) -> Hands:
    return Hands(cluster, sandbox, namespace)


def louder(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Writes a value in capitals and adds another."""
    return [
        {"op": "replace", "path": "/data/mood", "value": body["data"]["mood"].upper()},
        {"op": "add", "path": "/data/added", "value": "by a webhook"},
    ]


def sidecar(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Takes images from a mirror, and puts a container beside the others."""
    containers = body["spec"]["template"]["spec"]["containers"]
    patch: list[dict[str, Any]] = []
    for index, container in enumerate(containers):
        image = container["image"].replace("registry.example/", "mirror.example/")
        patch.append({"op": "replace", "path": f"/spec/template/spec/containers/{index}/image", "value": image})
    if not any(container["name"] == "mesh" for container in containers):
        mesh = {"name": "mesh", "image": "mirror.example/mesh:1"}
        patch.append({"op": "add", "path": "/spec/template/spec/containers/-", "value": mesh})
    return patch


async def at_work(hands: Hands) -> None:
    """The API server learns of a webhook a moment after it is registered."""
    probe = hands.manifest(CONFIG_MAP.replace("settings", "probe"))

    async def is_loud() -> bool:
        return bool((await hands.apply(probe, dry_run=True))["data"]["mood"] == "CALM")

    await wait_until(is_loud, 30, "the webhook is asked")


async def test_what_a_webhook_rewrites_and_adds_is_no_drift_and_nothing_is_healed(hands: Hands, tmp_path: Path) -> None:
    manifest = hands.manifest(CONFIG_MAP)
    async with mutating(hands.cluster, hands.namespace, tmp_path, louder, group="", plural="configmaps"):
        await at_work(hands)
        await hands.apply(manifest)
        assert (await hands.live(manifest))["data"] == {"mood": "CALM", "added": "by a webhook"}
        assert shown(await verdict(hands, manifest)) == []
        assert (await why(hands, manifest))["data.mood"] == ("ignored", "judged by the API server")

        await hands.kubectl("label", "cm/settings", "mood=stormy")
        assert shown(await verdict(hands, manifest)) == ["extra metadata.labels.mood"], "and not what it added then"
        assert shown(await heal(hands, manifest)) == []
        version = (await hands.live(manifest))["metadata"]["resourceVersion"]
        assert shown(await heal(hands, manifest)) == []
        assert (await hands.live(manifest))["metadata"]["resourceVersion"] == version, "an apply changes nothing"


async def test_an_injected_container_is_no_drift(hands: Hands, tmp_path: Path) -> None:
    manifest = hands.manifest(DEPLOYMENT)
    async with mutating(hands.cluster, hands.namespace, tmp_path, sidecar, group="apps", plural="deployments"):

        async def is_injected() -> bool:
            made = await hands.apply(manifest)
            return len(made["spec"]["template"]["spec"]["containers"]) == 2

        await wait_until(is_injected, 30, "the webhook is asked")
        assert shown(await verdict(hands, manifest)) == []
        await hands.kubectl("set", "env", "deploy/web", "LOUD=yes", "-c", "web")
        place = "spec.template.spec.containers[name=web].env[name=LOUD]"
        assert shown(await verdict(hands, manifest)) == [f"extra {place}"]
        assert shown(await heal(hands, manifest)) == []


def from_a_secret(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Has the values of a container's environment come from a Secret."""
    env = body["spec"]["template"]["spec"]["containers"][0].get("env", [])
    patch: list[dict[str, Any]] = []
    for index, variable in enumerate(env):
        if "value" in variable:
            place = f"/spec/template/spec/containers/0/env/{index}"
            source = {"name": variable["name"], "valueFrom": {"secretKeyRef": {"name": "vault", "key": "a"}}}
            patch.append({"op": "replace", "path": place, "value": source})
    return patch


async def test_an_alternative_that_a_webhook_writes_is_no_drift_and_one_that_a_person_writes_is(
    hands: Hands, tmp_path: Path
) -> None:
    manifest = hands.manifest(DEPLOYMENT.replace("web:1}]", 'web:1, env: [{name: KEY, value: "vault:a"}]}]'))
    place = "spec.template.spec.containers[name=web].env[name=KEY]"
    async with mutating(hands.cluster, hands.namespace, tmp_path, from_a_secret, group="apps", plural="deployments"):

        async def is_at_work() -> bool:
            made = await hands.apply(manifest, dry_run=True)
            return "valueFrom" in made["spec"]["template"]["spec"]["containers"][0]["env"][0]

        await wait_until(is_at_work, 30, "the webhook is asked")
        await hands.apply(manifest)
        assert shown(await verdict(hands, manifest)) == []
        assert (await why(hands, manifest))[f"{place}.valueFrom"] == ("ignored", "judged by the API server")
        named = {"fieldPath": "metadata.name"}
        other = [{"name": "KEY", "value": None, "valueFrom": {"secretKeyRef": None, "fieldRef": named}}]
        pod = {"containers": [{"name": "web", "env": other}]}
        patch = orjson.dumps({"spec": {"template": {"spec": pod}}}).decode()
        await hands.kubectl("patch", "deploy/web", "-p", patch)
        assert shown(await verdict(hands, manifest)) != []


async def test_who_asks_for_it_is_told_of_what_a_webhook_would_change(hands: Hands, tmp_path: Path) -> None:
    """Of an object that was there before the webhook."""
    manifest = hands.manifest(CONFIG_MAP)
    await hands.apply(manifest)
    async with mutating(hands.cluster, hands.namespace, tmp_path, louder, group="", plural="configmaps"):
        await at_work(hands)

        async def found(options: str) -> list[str]:
            return shown(await verdict(hands, manifest, annotations={COMPARE_OPTIONS: options}))

        assert await found("") == []
        assert await found("ServerSideDiff=true") == []
        assert await found("IncludeMutationWebhook=true") == []
        asked = await found("ServerSideDiff=true,IncludeMutationWebhook=true")
        assert sorted(asked) == ["changed data.mood", "missing data.added"]


async def test_a_webhook_that_fails_is_named_and_harms_no_other_verdict(hands: Hands, tmp_path: Path) -> None:
    settings, web = hands.manifest(CONFIG_MAP), hands.manifest(DEPLOYMENT)
    await hands.apply(settings)
    await hands.apply(web)
    async with mutating(hands.cluster, hands.namespace, tmp_path, louder, group="", plural="configmaps") as mutator:
        await at_work(hands)
        await hands.kubectl("patch", "cm/settings", "-p", '{"data":{"mood":"stormy"}}')
        await hands.kubectl("label", "deploy/web", "mood=stormy")
        mutator.fails = True
        comparison = await compared(hands, settings, web)
        assert shown(comparison.diffs[web.key]) == ["extra metadata.labels.mood"]
        (condition,) = comparison.conditions()
        assert condition.type == "ComparisonError"
        assert "mutator.example.com" in condition.message
        assert {entry.key.kind: entry.status for entry in comparison.entries()} == {
            "ConfigMap": "Unknown",
            "Deployment": "OutOfSync",
        }
        mutator.fails = False
        assert shown((await compared(hands, settings)).diffs[settings.key]) == ["changed data.mood"]


async def test_without_the_servers_word_its_rewriting_shows(hands: Hands, tmp_path: Path) -> None:
    manifest = hands.manifest(CONFIG_MAP)
    async with mutating(hands.cluster, hands.namespace, tmp_path, louder, group="", plural="configmaps") as mutator:
        await at_work(hands)
        await hands.apply(manifest)
        before = len(mutator.asked)
        options = {COMPARE_OPTIONS: "ServerSideDiff=false"}
        assert shown(await verdict(hands, manifest, annotations=options)) == ["changed data.mood"]
        assert len(mutator.asked) == before
