"""What a person adds to a live object is drift, what a controller or the API server adds is none."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import REGISTRY

from tests.support.by_hand import compared, heal, verdict, why
from tests.support.ownership import Hands, shown
from tests.support.sandbox import SandboxFacts
from tests.support.wait import wait_until
from trueup.clients.cluster import Cluster
from trueup.engine.verdicts import Verdicts

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {team: shop}}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: registry.example/web:1
          ports: [{name: http, containerPort: 80}]
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports:
    - {name: http, port: 80}
"""
CONFIG_MAP = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {mood: calm}
"""

CONTAINER = "spec.template.spec.containers[name=web]"


@pytest.fixture
def hands(cluster: Cluster, sandbox: SandboxFacts, namespace: str) -> Hands:
    return Hands(cluster, sandbox, namespace)


def strategic(text: str) -> tuple[str, ...]:
    return ("patch", "deploy/web", "-p", text)


#: What somebody types, and what it adds.
COMMANDS: list[tuple[tuple[str, ...], list[str]]] = [
    (("label", "deploy/web", "mood=stormy"), ["metadata.labels.mood"]),
    (("annotate", "deploy/web", "example.com/why=because"), ['metadata.annotations["example.com/why"]']),
    (("set", "env", "deploy/web", "LOUD=yes"), [f"{CONTAINER}.env[name=LOUD]"]),
    (("set", "resources", "deploy/web", "--limits=cpu=100m"), [f"{CONTAINER}.resources.limits.cpu"]),
    (("rollout", "pause", "deploy/web"), ["spec.paused"]),
    (
        strategic('{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"registry.example/side:1"}]}}}}'),
        ["spec.template.spec.containers[name=side]"],
    ),
    (
        strategic('{"spec":{"template":{"spec":{"containers":[{"name":"web","args":["serve","--loud"]}]}}}}'),
        [f"{CONTAINER}.args"],
    ),
    (
        strategic('{"spec":{"template":{"spec":{"containers":[{"name":"web","ports":[{"containerPort":90}]}]}}}}'),
        [f"{CONTAINER}.ports[containerPort=90,protocol=TCP]"],
    ),
    (
        strategic(
            '{"spec":{"template":{"spec":{"volumes":[{"name":"tmp","emptyDir":{}}],'
            '"containers":[{"name":"web","volumeMounts":[{"name":"tmp","mountPath":"/tmp"}]}]}}}}'
        ),
        [f"{CONTAINER}.volumeMounts[mountPath=/tmp]", "spec.template.spec.volumes[name=tmp]"],
    ),
]


@pytest.mark.parametrize(("command", "added"), COMMANDS, ids=[added[0] for _, added in COMMANDS])
async def test_what_kubectl_adds_is_drift_and_goes_when_it_is_healed(
    command: tuple[str, ...], added: list[str], hands: Hands
) -> None:
    manifest = hands.manifest(DEPLOYMENT)
    await hands.apply(manifest)
    before = await hands.live(manifest)
    await hands.kubectl(*command)

    found = await verdict(hands, manifest)
    assert found.status == "OutOfSync"
    assert shown(found) == [f"extra {path}" for path in added]
    assert {change.rule for change in found.changes} == {"added by hand"}
    explained = await why(hands, manifest)
    assert all(explained[path] == ("reported", "added by hand") for path in added)

    assert shown(await heal(hands, manifest)) == []
    now = await hands.live(manifest)
    assert now["spec"] == before["spec"]
    assert now["metadata"]["labels"] == before["metadata"]["labels"]
    assert shown(await verdict(hands, manifest)) == []


async def test_what_an_editor_adds_is_drift(hands: Hands) -> None:
    manifest = hands.manifest(CONFIG_MAP)
    await hands.apply(manifest)
    await hands.kubectl("edit", "cm/settings", editor="sed -i -e 's/^data:/data:\\n  more: yes please/'")
    found = await verdict(hands, manifest)
    assert shown(found) == ["extra data.more"]
    assert [owner.manager for owner in found.changes[0].owners] == ["kubectl-edit"]
    assert shown(await heal(hands, manifest)) == []
    assert (await hands.live(manifest))["data"] == {"mood": "calm"}


async def test_a_port_added_to_a_service_is_drift(hands: Hands) -> None:
    manifest = hands.manifest(SERVICE)
    await hands.apply(manifest)
    await hands.kubectl("patch", "svc/web", "-p", '{"spec":{"ports":[{"name":"more","port":81}]}}')
    assert shown(await verdict(hands, manifest)) == ["extra spec.ports[port=81,protocol=TCP]"]
    assert shown(await heal(hands, manifest)) == []
    assert [port["port"] for port in (await hands.live(manifest))["spec"]["ports"]] == [80]


@pytest.mark.parametrize("manager", ["mesh-injector", "kube-controller-manager", "argocd-controller", "helm"])
async def test_what_a_controller_adds_is_left_alone(manager: str, hands: Hands) -> None:
    manifest = hands.manifest(DEPLOYMENT)
    await hands.apply(manifest)
    side = {"name": "side", "image": "registry.example/side:1"}
    live = await hands.live(manifest)
    containers = [*live["spec"]["template"]["spec"]["containers"], side]
    patch = {"metadata": {"labels": {"mesh": "on"}}, "spec": {"template": {"spec": {"containers": containers}}}}
    await hands.patch(manifest, patch, manager=manager)
    assert shown(await verdict(hands, manifest)) == []


async def test_what_a_controller_wrote_too_is_left_alone(hands: Hands) -> None:
    manifest = hands.manifest(DEPLOYMENT)
    await hands.apply(manifest)
    await hands.kubectl("label", "deploy/web", "mood=stormy")
    resource = await hands.cluster.resource("apps", "Deployment")
    labelled = {**manifest.body, "metadata": {"name": "web", "labels": {"mood": "stormy"}}}
    del labelled["spec"]
    await hands.cluster.apply(resource, hands.namespace, "web", labelled, field_manager="weather")
    assert shown(await verdict(hands, manifest)) == []


MADE_BY_HAND = [DEPLOYMENT, SERVICE, CONFIG_MAP]


@pytest.mark.parametrize("text", MADE_BY_HAND, ids=["deployment", "service", "config map"])
@pytest.mark.parametrize("made", ["create", "apply --server-side", "replace"])
async def test_the_defaults_of_what_a_person_made_are_no_drift(made: str, text: str, hands: Hands) -> None:
    manifest = hands.manifest(text)
    if made == "replace":
        await hands.kubectl("create", "-f", "-", stdin=text)

    async def is_made() -> bool:
        try:
            await hands.kubectl(*made.split(), "-f", "-", stdin=text)
        except AssertionError as error:
            # A controller wrote between kubectl's look and its write.
            if "Conflict" not in str(error):
                raise
            return False
        return True

    await wait_until(is_made, 30, "made by kubectl")
    assert shown(await verdict(hands, manifest)) == []
    await hands.apply(manifest)
    assert shown(await verdict(hands, manifest)) == []


async def test_what_a_person_wrote_when_making_it_is_drift_where_git_lacks_it(hands: Hands) -> None:
    manifest = hands.manifest(DEPLOYMENT)
    more = DEPLOYMENT.replace("      containers:", "      terminationGracePeriodSeconds: 7\n      containers:")
    await hands.kubectl("create", "-f", "-", stdin=more)
    assert shown(await verdict(hands, manifest)) == ["extra spec.template.spec.terminationGracePeriodSeconds"]
    explained = await why(hands, manifest)
    assert explained["spec.strategy.type"] == ("ignored", "a default, says the API server")
    assert shown(await heal(hands, manifest)) == []
    assert (await hands.live(manifest))["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 30


async def test_what_cannot_be_taken_away_is_no_drift_and_does_not_hide_what_can(hands: Hands) -> None:
    """What a Pod tolerates can be added to and never be taken back."""
    pod = """
apiVersion: v1
kind: Pod
metadata: {name: once}
spec:
  containers: [{name: once, image: registry.example/once:1}]
"""
    manifest = hands.manifest(pod)
    tolerant = pod + "  tolerations: [{key: storm, operator: Exists}]\n  hostname: somewhere\n"
    await hands.kubectl("create", "-f", "-", stdin=tolerant)
    await hands.kubectl("label", "pod/once", "mood=stormy")
    found = await verdict(hands, manifest)
    assert shown(found) == ["extra metadata.labels.mood"]
    explained = await why(hands, manifest)
    assert explained["spec.hostname"] == ("ignored", "the API server keeps it")
    await heal(hands, manifest)
    assert shown(await verdict(hands, manifest)) == []


async def test_a_scale_by_hand_is_drift_and_an_autoscalers_is_not(hands: Hands) -> None:
    """As far as it is on record: of a number that nobody owned before, the API server keeps none."""
    manifest = hands.manifest(DEPLOYMENT)
    await hands.kubectl("create", "-f", "-", stdin=DEPLOYMENT)
    await hands.kubectl("scale", "deploy/web", "--replicas=3")
    found = await verdict(hands, manifest)
    assert shown(found) == ["extra spec.replicas"]
    assert [owner.subresource for owner in found.changes[0].owners] == ["scale"]
    resource = await hands.cluster.resource("apps", "Deployment")
    await hands.cluster.merge_patch(
        resource,
        *(hands.namespace, "web", {"spec": {"replicas": 4}}),
        field_manager="kube-controller-manager",
        subresource="scale",
    )
    assert shown(await verdict(hands, manifest)) == []


async def test_a_restart_by_hand_is_no_drift_and_is_explained(hands: Hands) -> None:
    manifest = hands.manifest(DEPLOYMENT)
    await hands.apply(manifest)
    await hands.kubectl("rollout", "restart", "deploy/web")
    await hands.kubectl("annotate", "deploy/web", "kubernetes.io/change-cause=a new moon")
    assert shown(await verdict(hands, manifest)) == []
    explained = await why(hands, manifest)
    place = 'spec.template.metadata.annotations["kubectl.kubernetes.io/restartedAt"]'
    assert explained[place] == ("ignored", "added by hand, and no drift")
    assert explained['metadata.annotations["kubernetes.io/change-cause"]'][1] == "added by hand, and no drift"


async def test_a_finalizer_added_by_hand_is_shown_and_stays(hands: Hands) -> None:
    manifest = hands.manifest(CONFIG_MAP)
    await hands.apply(manifest)
    await hands.kubectl("patch", "cm/settings", "-p", '{"metadata":{"finalizers":["example.com/hold"]}}')
    found = await verdict(hands, manifest)
    assert (found.status, shown(found)) == ("Synced", ["extra metadata.finalizers[=example.com/hold]"])
    assert found.removals == ()
    await hands.kubectl("patch", "cm/settings", "-p", '{"metadata":{"finalizers":null}}')


async def test_the_application_says_whether_it_is_drift_and_an_object_for_itself(hands: Hands) -> None:
    manifest = hands.manifest(CONFIG_MAP)
    await hands.apply(manifest)
    await hands.kubectl("patch", "cm/settings", "-p", '{"data":{"more":"yes"}}')

    async def status(of: str | None = None, own: str | None = None) -> tuple[str, list[str], tuple[str, ...]]:
        body: dict[str, Any] = {**manifest.body, "metadata": {**manifest.body["metadata"]}}
        if own is not None:
            body["metadata"]["annotations"] = {"trueup.dev/added-by-hand": own}
            await hands.apply(hands.manifest(CONFIG_MAP))
        asked = type(manifest)(manifest.key, manifest.version, body, manifest.origin)
        annotations = {"trueup.dev/added-by-hand": of} if of is not None else {}
        comparison = await compared(hands, asked, annotations=annotations)
        diff = comparison.diffs[manifest.key]
        extra = [str(change) for change in diff.changes if change.kind == "extra"]
        counted = "drift" if any(change.kind == "extra" for change in diff.counted) else "none"
        return counted, extra, tuple(condition.message for condition in comparison.conditions())

    assert await status() == ("drift", ["data.more"], ())
    assert await status("drift") == ("drift", ["data.more"], ())
    assert await status("ignore") == ("none", [], ())
    assert await status("report") == ("none", ["data.more"], ())
    counted, extra, said = await status("perhaps")
    assert (counted, extra) == ("none", ["data.more"])
    assert all(word in said[0] for word in ("trueup.dev/added-by-hand", "drift", "ignore", "report"))
    assert await status("drift", "ignore") == ("none", [], ())
    assert await status("ignore", "drift") == ("drift", ["data.more"], ())


async def test_the_api_server_is_asked_once_however_often_a_status_is_written(hands: Hands) -> None:
    manifest, verdicts = hands.manifest(DEPLOYMENT), Verdicts()
    await hands.kubectl("create", "-f", "-", stdin=DEPLOYMENT)

    async def dry_runs() -> float:
        before = patches()
        await compared(hands, manifest, verdicts=verdicts)
        return patches() - before

    assert await dry_runs() == 1
    resource = await hands.cluster.resource("apps", "Deployment")
    status = {"status": {"observedGeneration": 0}}
    await hands.cluster.merge_patch(resource, hands.namespace, "web", status, subresource="status")
    assert await dry_runs() == 0
    await hands.kubectl("label", "deploy/web", "mood=stormy")
    assert await dry_runs() == 1


def patches() -> float:
    """Patches of Deployments that this process has sent."""
    samples = (sample for metric in REGISTRY.collect() for sample in metric.samples)
    wanted = {"verb": "PATCH", "resource": "deployments"}
    return sum(
        sample.value
        for sample in samples
        if sample.name == "trueup_kubernetes_requests_total" and wanted.items() <= sample.labels.items()
    )
