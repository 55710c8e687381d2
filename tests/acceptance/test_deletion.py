"""A deleted Application takes along exactly what it owns, where its finalizer asks for that, and is then let go."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.api_proxy import proxy_to
from tests.support.commands import said
from tests.support.product import AUTOMATED, Installation, Repo, conditions, config_map, is_synced, kubeconfig
from tests.support.sandbox import SandboxFacts
from tests.support.wait import wait_until
from trueup.clients.api_errors import ApiError
from trueup.domain.application import REFRESH_ANNOTATION, RESOURCES_FINALIZER
from trueup.domain.resource import TRACKING_ANNOTATION

HELD = "trueup.dev/test"
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
spec:
  selector:
    matchLabels: {{app: {name}}}
  template:
    metadata:
      labels: {{app: {name}}}
    spec:
      containers:
        - {{name: web, image: "example.invalid/web:1"}}
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  selector: {{app: {name}}}
  ports:
    - port: 80
"""
KEPT = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}
  annotations:
    argocd.argoproj.io/sync-options: Delete=false
"""


async def deliver(place: Installation, name: str, files: dict[str, str | None], *finalizers: str) -> Repo:
    """A synced application of that name, with these finalizers."""
    repository = await place.repository()
    revision = await repository.push({f"app/{file}": text for file, text in files.items()})
    await place.apply(name, repository.url, syncPolicy=AUTOMATED)
    await place.patch(name, {"metadata": {"finalizers": list(finalizers)}})
    await place.until(name, is_synced(revision), "synced")
    return repository


async def delete(place: Installation, name: str) -> None:
    raw = await place.application(name)
    assert raw is not None
    resource = await place.cluster.resource("argoproj.io", "Application")
    await place.cluster.delete(resource, place.namespace, name, uid=raw["metadata"]["uid"], propagation="Background")


async def is_gone(place: Installation, name: str) -> bool:
    return await place.application(name) is None


async def is_missing(place: Installation, kind: str, name: str) -> bool:
    return await place.live(kind, name) is None


async def gone(place: Installation, name: str) -> None:
    await wait_until(lambda: is_gone(place, name), 60, f"the end of {name}")


async def set_finalizers(place: Installation, kind: str, name: str, finalizers: list[str] | None) -> None:
    resource = await place.cluster.resource("apps" if kind in ("Deployment", "ReplicaSet") else "", kind)
    patch: dict[str, Any] = {"metadata": {"finalizers": finalizers}}
    await place.cluster.merge_patch(resource, place.delivered_to, name, patch)


async def test_what_it_owns_goes_in_reverse_order_and_nothing_else(
    trueup: Installation, sandbox: SandboxFacts, tmp_path: Path
) -> None:
    stranger = config_map("stranger", of="somebody")
    await trueup.kubectl("apply", "-n", trueup.delivered_to, "-f", "-", stdin=stranger)
    async with proxy_to(sandbox) as proxy:
        await trueup.start("service")
        await trueup.start("worker", KUBECONFIG=str(kubeconfig(tmp_path / "kc", proxy.url, sandbox.users["trueup"])))
        files: dict[str, str | None] = {
            "web.yaml": DEPLOYMENT.format(name="web"),
            "service.yaml": SERVICE.format(name="web"),
            "settings.yaml": config_map("settings", at="sea"),
            "kept.yaml": KEPT.format(name="kept"),
            "taken.yaml": config_map("taken", at="sea"),
        }
        await deliver(trueup, "harbour", files, RESOURCES_FINALIZER)
        resource = await trueup.cluster.resource("", "ConfigMap")
        foreign = {TRACKING_ANNOTATION: f"other:/ConfigMap:{trueup.delivered_to}/taken"}
        await trueup.cluster.merge_patch(resource, trueup.delivered_to, "taken", {"metadata": {"annotations": foreign}})
        await delete(trueup, "harbour")
        await gone(trueup, "harbour")
        deleted = [seen.target.split("/")[-2:] for seen in proxy.requests if seen.method == "DELETE"]
        await trueup.stop()
    assert deleted == [["deployments", "web"], ["services", "web"], ["configmaps", "settings"]]
    for kind, name, group in (("Deployment", "web", "apps"), ("Service", "web", ""), ("ConfigMap", "settings", "")):
        assert await trueup.live(kind, name, group=group) is None
    for name in ("kept", "taken", "stranger"):
        assert await trueup.live("ConfigMap", name) is not None


async def test_without_the_finalizer_its_objects_stay(running: Installation) -> None:
    await deliver(running, "loose", {"one.yaml": config_map("loose", at="sea")})
    await delete(running, "loose")
    await gone(running, "loose")
    await running.at_rest()
    assert await running.live("ConfigMap", "loose") is not None


@pytest.mark.parametrize(
    ("policy", "waits"), [("", True), ("/foreground", True), ("/background", False)], ids=["none", "fore", "back"]
)
async def test_dependents_are_waited_for_unless_it_happens_in_the_background(
    running: Installation, policy: str, waits: bool
) -> None:
    name = f"web-{policy.removeprefix('/') or 'default'}"
    files: dict[str, str | None] = {"web.yaml": DEPLOYMENT.format(name=name)}
    await deliver(running, name, files, RESOURCES_FINALIZER + policy)
    found = await running.kubectl(
        "get",
        "replicasets",
        "-n",
        running.delivered_to,
        "-l",
        f"app={name}",
        "-o",
        "jsonpath={.items[*].metadata.name}",
    )
    replica_set = found.stdout.decode()
    await set_finalizers(running, "ReplicaSet", replica_set, [HELD])
    await delete(running, name)
    if waits:
        await wait_until(lambda: is_on_its_way(running, name), 30, "the deletion has begun")
        assert await running.application(name) is not None
    else:
        await gone(running, name)
        assert await running.live("ReplicaSet", replica_set, group="apps") is not None
    release = json.dumps({"metadata": {"$deleteFromPrimitiveList/finalizers": [HELD]}})
    await running.kubectl("patch", "replicaset", replica_set, "-n", running.delivered_to, "-p", release)
    await gone(running, name)
    assert await running.live("Deployment", name, group="apps") is None


async def is_on_its_way(running: Installation, name: str) -> bool:
    live = await running.live("Deployment", name, group="apps")
    return live is not None and "deletionTimestamp" in live["metadata"]


async def test_an_object_that_is_held_for_long_is_named(trueup: Installation) -> None:
    trueup.settings["TRUEUP_DELETION_PATIENCE_SECONDS"] = "0.5"
    await trueup.start_both()
    await deliver(trueup, "harbour", {"one.yaml": config_map("one", at="sea")}, RESOURCES_FINALIZER)
    await set_finalizers(trueup, "ConfigMap", "one", [HELD])
    await delete(trueup, "harbour")
    raw = await trueup.until("harbour", lambda raw: conditions(raw, "DeletionError"), "said what is in the way")
    (sentence,) = conditions(raw, "DeletionError")
    assert sentence.startswith(f"ConfigMap {trueup.delivered_to}/one is still being deleted, held by its finalizers")
    await set_finalizers(trueup, "ConfigMap", "one", None)
    await gone(trueup, "harbour")


@pytest.mark.parametrize("together_with", [[], [RESOURCES_FINALIZER]], ids=["alone", "beside ours"])
async def test_a_finalizer_that_runs_hooks_is_refused_until_it_is_removed(
    running: Installation, together_with: list[str]
) -> None:
    name = f"hooked-{len(together_with)}"
    refused = "post-delete-finalizer.argocd.argoproj.io"
    await deliver(running, name, {"one.yaml": config_map(name, at="sea")}, f"{refused}/cleanup", *together_with)
    await delete(running, name)
    raw = await running.until(name, lambda raw: conditions(raw, "DeletionError"), "refused")
    (sentence,) = conditions(raw, "DeletionError")
    assert sentence == (
        f"the finalizer {refused} runs hooks, which are not supported yet; remove it from the Application"
    )
    assert await running.live("ConfigMap", name) is not None, "nothing is deleted meanwhile"
    await running.patch(name, {"metadata": {"finalizers": together_with}})
    await gone(running, name)
    assert (await running.live("ConfigMap", name) is None) == bool(together_with)


@asynccontextmanager
async def kept_by_law(place: Installation, config_map_name: str) -> AsyncIterator[None]:
    """An admission policy under which this ConfigMap may not be deleted."""
    group, name = "admissionregistration.k8s.io", f"{place.delivered_to}-law"
    api = {"apiVersion": f"{group}/v1", "metadata": {"name": name}}
    here = {"matchLabels": {"kubernetes.io/metadata.name": place.delivered_to}}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["DELETE"], "resources": ["configmaps"]}
    rule["resourceNames"] = [config_map_name]
    law = {
        "matchConstraints": {"namespaceSelector": here, "resourceRules": [rule]},
        "validations": [{"expression": "false", "message": "it stays by law"}],
    }
    made = []
    for kind, spec in (
        ("ValidatingAdmissionPolicy", law),
        ("ValidatingAdmissionPolicyBinding", {"policyName": name, "validationActions": ["Deny"]}),
    ):
        resource = await place.cluster.resource(group, kind)
        made.append((resource, await place.cluster.create(resource, "", {**api, "kind": kind, "spec": spec})))
    config_maps = await place.cluster.resource("", "ConfigMap")
    live = await place.live("ConfigMap", config_map_name)
    assert live is not None

    async def in_force() -> bool:
        try:
            uid = live["metadata"]["uid"]
            await place.cluster.delete(config_maps, place.delivered_to, config_map_name, uid=uid, dry_run=True)
        except ApiError:
            return True
        return False

    await wait_until(in_force, 30, "the policy is in force")
    try:
        yield
    finally:
        for resource, body in made:
            await place.cluster.delete(resource, "", name, uid=body["metadata"]["uid"])

        async def lifted() -> bool:
            return not await in_force()

        await wait_until(lifted, 30, "the policy is lifted")


async def test_what_may_not_be_deleted_is_named_and_the_application_waits(running: Installation) -> None:
    await deliver(running, "lawful", {"one.yaml": config_map("lawful", at="sea")}, RESOURCES_FINALIZER)
    async with kept_by_law(running, "lawful"):
        await delete(running, "lawful")
        raw = await running.until("lawful", lambda raw: conditions(raw, "DeletionError"), "said so")
        (sentence,) = conditions(raw, "DeletionError")
        assert f"{running.delivered_to}/lawful" in sentence
        assert "it stays by law" in sentence
        assert await running.live("ConfigMap", "lawful") is not None
    await running.patch("lawful", {"metadata": {"annotations": {REFRESH_ANNOTATION: "normal"}}})
    await gone(running, "lawful")
    assert await running.live("ConfigMap", "lawful") is None


async def test_a_deletion_while_nobody_works_is_carried_out_later(trueup: Installation) -> None:
    trueup.settings["TRUEUP_LEASE_SECONDS"] = "2"
    await trueup.start_both()
    await deliver(trueup, "harbour", {"one.yaml": config_map("one", at="sea")}, RESOURCES_FINALIZER)
    await deliver(trueup, "pier", {"two.yaml": config_map("two", at="sea")}, RESOURCES_FINALIZER)
    await trueup.kill("worker")
    await delete(trueup, "harbour")
    await trueup.kill("service")
    await delete(trueup, "pier")
    assert await trueup.live("ConfigMap", "one") is not None
    await trueup.start_both()
    for name, map_name in (("harbour", "one"), ("pier", "two")):
        said(await trueup.trueup("app", "wait", name, "--delete", "--timeout", "60"))
        assert await trueup.live("ConfigMap", map_name) is None


async def test_a_worker_killed_in_the_middle_of_a_deletion_is_taken_over(
    trueup: Installation, sandbox: SandboxFacts, tmp_path: Path
) -> None:
    trueup.settings["TRUEUP_LEASE_SECONDS"] = "2"
    async with proxy_to(sandbox) as proxy:
        hung = proxy.black_hole(lambda seen: seen.method == "DELETE" and seen.target.endswith("/configmaps/one"))
        await trueup.start("service")
        await trueup.start("worker", KUBECONFIG=str(kubeconfig(tmp_path / "kc", proxy.url, sandbox.users["trueup"])))
        files: dict[str, str | None] = {"one.yaml": config_map("one", at="sea"), "web.yaml": SERVICE.format(name="web")}
        await deliver(trueup, "harbour", files, RESOURCES_FINALIZER)
        await delete(trueup, "harbour")
        await wait_until(lambda: hung.used, 30, "the deletion hangs at the ConfigMap")
        await wait_until(lambda: is_missing(trueup, "Service", "web"), 30, "the Service, which comes first, is gone")
        assert await trueup.live("ConfigMap", "one") is not None
        await trueup.kill("worker")
    await trueup.start("worker")
    await gone(trueup, "harbour")
    assert await trueup.live("ConfigMap", "one") is None
