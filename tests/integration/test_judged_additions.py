"""The API server's word on additions holds while the object moves, within a bound, and removals follow it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from tests.support.by_hand import application, compared, verdict, why
from tests.support.ownership import Hands, shown
from tests.support.sandbox import SandboxFacts
from tests.support.wait import wait_until
from trueup.clients.api_errors import ForbiddenError
from trueup.clients.cluster import Cluster
from trueup.clients.credentials import KubeconfigSource
from trueup.clients.jq import Jq
from trueup.clients.queue import Lease
from trueup.domain.application import ApplicationId
from trueup.domain.by_hand import Hands as HandsOfPeople
from trueup.domain.by_hand import additions
from trueup.domain.diff import compare
from trueup.domain.fieldpath import ABSENT, find, show
from trueup.domain.ignore_settings import NO_SETTINGS
from trueup.domain.job import Claim, Priority, Token, application_job
from trueup.domain.plan import Action, tracked
from trueup.domain.resource import Body, Manifest
from trueup.engine.ignoring import Delivery, Ignoring
from trueup.engine.judge import REMOVALS_TRIED_MAX, rule_on
from trueup.engine.verdicts import Verdicts
from trueup.settings import HAND_MANAGERS
from workers.apply import apply

PEOPLE = HandsOfPeople.of(HAND_MANAGERS)
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
SIDE = '{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"registry.example/side:1"}]}}}}'
CONFIG_MAP = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {mood: calm}
"""


@pytest.fixture
def hands(cluster: Cluster, sandbox: SandboxFacts, namespace: str) -> Hands:
    return Hands(cluster, sandbox, namespace)


def of_people(manifest: Manifest, live: Body) -> list[Any]:
    return [addition.path for addition in additions(manifest, live, PEOPLE)]


async def injected(hands: Hands, manifest: Manifest) -> None:
    """A controller puts a container before all others."""
    containers = (await hands.live(manifest))["spec"]["template"]["spec"]["containers"]
    mesh = {"name": "mesh", "image": "registry.example/mesh:1"}
    patch = {"spec": {"template": {"spec": {"containers": [mesh, *containers]}}}}
    await hands.patch(manifest, patch, manager="mesh")


async def test_a_list_that_shifts_meanwhile_is_read_again(hands: Hands) -> None:
    manifest = hands.manifest(DEPLOYMENT)
    await hands.apply(manifest)
    await hands.kubectl("patch", "deploy/web", "-p", SIDE)
    read = await hands.live(manifest)
    await injected(hands, manifest)
    ruling = await rule_on(hands.cluster, manifest, read, of_people(manifest, read), PEOPLE)
    assert (ruling.defaults, ruling.kept, ruling.undecided, ruling.lasts) == (set(), set(), set(), True)


async def test_what_people_change_meanwhile_is_not_decided(hands: Hands) -> None:
    manifest = hands.manifest(DEPLOYMENT)
    await hands.apply(manifest)
    await hands.kubectl("patch", "deploy/web", "-p", SIDE)
    read = await hands.live(manifest)
    paths = of_people(manifest, read)
    await hands.kubectl("patch", "deploy/web", "-p", SIDE.replace('{"name"', '{"$patch":"delete","name"'))
    ruling = await rule_on(hands.cluster, manifest, read, paths, PEOPLE)
    assert (ruling.undecided, ruling.lasts) == (frozenset(paths), False)


async def test_what_can_go_only_after_another_is_tried_again(hands: Hands) -> None:
    """Without its nameservers the policy `None` is refused, and a label that the selector asks for always."""
    manifest = hands.manifest(DEPLOYMENT)
    made = DEPLOYMENT.replace("{app: web}", "{app: web, tier: a}").replace(
        "      containers:", "      dnsPolicy: None\n      dnsConfig: {nameservers: [192.0.2.1]}\n      containers:"
    )
    await hands.kubectl("create", "-f", "-", stdin=made)
    live = await hands.live(manifest)
    pod = ("spec", "template", "spec")
    tier = ("spec", "template", "metadata", "labels", "tier")
    places = [(*pod, "dnsConfig"), tier, (*pod, "dnsPolicy")]
    ruling = await rule_on(hands.cluster, manifest, live, places, PEOPLE)
    assert (ruling.kept, ruling.defaults, ruling.undecided) == ({tier}, set(), set())


async def test_so_many_dry_runs_and_what_is_open_then_is_only_shown(hands: Hands) -> None:
    """None of the places of a Pod can be taken away, and each half says so only of itself."""
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: once}\nspec:\n  containers: [{name: once, image: a.example/b:1"
    manifest = hands.manifest(pod + "}]\n")
    env = ", ".join(f"{{name: E{number}, value: x}}" for number in range(40))
    await hands.kubectl("create", "-f", "-", stdin=f"{pod}, env: [{env}]}}]\n")
    before = _patches()
    found = await verdict(hands, manifest)
    assert _patches() - before == REMOVALS_TRIED_MAX
    assert found.status == "Synced"
    assert found.changes
    assert not any(change.counts for change in found.changes)
    rules = [rule for path, (_, rule) in (await why(hands, manifest)).items() if ".env[" in path]
    assert {"the API server keeps it", "added by hand"} == set(rules)


async def test_a_comparison_after_a_sync_looks_for_no_addition_that_nobody_was_asked_about(hands: Hands) -> None:
    """Its defaults would be taken for drift."""
    manifest = hands.manifest(DEPLOYMENT)
    await hands.kubectl("create", "-f", "-", stdin=DEPLOYMENT.replace("replicas: 0", "replicas: 1"))
    before = await compared(hands, manifest)
    assert shown(before.diffs[manifest.key]) == ["changed spec.replicas"]
    after = before.with_live({manifest.key: await hands.apply(manifest)})
    assert after.sync_status == "Synced", after.diffs


@pytest.mark.parametrize("moved_by", ["a controller", "a person"])
async def test_an_addition_goes_also_where_the_object_moves_between_verdict_and_removal(
    moved_by: str, hands: Hands
) -> None:
    manifest = hands.manifest(CONFIG_MAP)
    await hands.apply(manifest)
    await hands.kubectl("patch", "cm/settings", "-p", '{"data":{"more":"yes"}}')
    live = await hands.live(manifest)
    (path,) = of_people(manifest, live)
    if moved_by == "a controller":
        await hands.patch(manifest, {"metadata": {"labels": {"seen": "yes"}}}, manager="watcher")
    else:
        await hands.kubectl("patch", "cm/settings", "-p", '{"data":{"more":"no"}}')
    action = Action("update", manifest.key, tracked(manifest, "shop"), (path,))
    resource = await hands.cluster.resource("", "ConfigMap")
    async with Jq() as jq:
        nothing_ignored = Delivery(Ignoring(lambda: NO_SETTINGS, jq), (), respects=False)
        applied, _ = await apply(
            hands.cluster,
            *(resource, manifest, action, live),
            delivery=nothing_ignored,
            lease=_lease(hands),
            dry_run=False,
        )
    gone = find(applied, path) is ABSENT
    assert gone is (moved_by == "a controller"), "what a person wrote anew has a verdict of its own"
    assert [show(change.path) for change in compare(manifest, applied).changes] == []


def _lease(hands: Hands) -> Lease:
    job = application_job(ApplicationId("argocd", application(hands.namespace).id.name), Priority.DRIFT)
    return Lease(Claim(job, Token(1, 1), 0, 0.0), lease_seconds=60.0)


def _patches() -> float:
    """Patches of Pods that this process has sent."""
    samples = (sample for metric in REGISTRY.collect() for sample in metric.samples)
    wanted = {"verb": "PATCH", "resource": "pods"}
    return sum(
        sample.value
        for sample in samples
        if sample.name == "trueup_kubernetes_requests_total" and wanted.items() <= sample.labels.items()
    )


async def test_what_we_may_not_even_try_is_only_shown_and_tried_again_once_we_may(
    hands: Hands, sandbox: SandboxFacts, tmp_path: Path
) -> None:
    """That a right is missing says nothing of the addition."""
    manifest = hands.manifest(CONFIG_MAP)
    await hands.apply(manifest)
    await hands.kubectl("patch", "cm/settings", "-p", '{"data":{"more":"yes"}}')
    async with reader(hands, sandbox, tmp_path, "configmaps") as found:
        await found.until(manifest, [("data.more", False)])
        await grant(hands, "touch", "patch", "configmaps")
        await found.until(manifest, [("data.more", True)])


async def test_a_difference_that_we_had_no_right_to_ask_about_is_asked_about_once_we_have(
    hands: Hands, sandbox: SandboxFacts, tmp_path: Path
) -> None:
    manifest = hands.manifest(DEPLOYMENT + '      restartPolicy: ""\n')
    await hands.apply(manifest)
    place = "spec.template.spec.restartPolicy"
    async with reader(hands, sandbox, tmp_path, "deployments.apps") as found:
        await found.until(manifest, [(place, True)])
        await grant(hands, "touch", "patch", "deployments.apps")
        await found.until(manifest, [])


class Found:
    """What somebody finds who remembers what the API server said."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands
        self._verdicts = Verdicts()

    async def until(self, manifest: Manifest, expected: list[tuple[str, bool]]) -> None:
        """Wait until these changes are found, and whether they count: rights take a moment."""

        async def is_found() -> bool:
            with suppress(ForbiddenError):
                (diff,) = (await compared(self._hands, manifest, verdicts=self._verdicts)).diffs.values()
                return [(str(change), change.counts) for change in diff.changes] == expected
            return False

        await wait_until(is_found, 15, f"it finds {expected}")


@asynccontextmanager
async def reader(hands: Hands, sandbox: SandboxFacts, directory: Path, resource: str) -> AsyncIterator[Found]:
    """Somebody who may look at these objects, and nothing else."""
    await hands.kubectl("create", "serviceaccount", "reader")
    await grant(hands, "look", "get", resource)
    token = (await hands.kubectl("create", "token", "reader")).strip()
    async with Cluster(KubeconfigSource(str(kubeconfig_of(directory, sandbox, token)))) as client:
        yield Found(replace(hands, cluster=client))


async def grant(hands: Hands, role: str, verb: str, resource: str) -> None:
    await hands.kubectl("create", "role", role, f"--verb={verb}", f"--resource={resource}")
    account = f"--serviceaccount={hands.namespace}:reader"
    await hands.kubectl("create", "rolebinding", role, f"--role={role}", account)


def kubeconfig_of(directory: Path, sandbox: SandboxFacts, token: str) -> Path:
    content = yaml.safe_load(sandbox.kubeconfig.read_text())
    for user in content["users"]:
        user["user"] = {"token": token}
    path = directory / "kubeconfig"
    path.write_text(yaml.safe_dump(content))
    return path
