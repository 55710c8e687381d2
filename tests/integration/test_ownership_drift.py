"""What somebody did to a live object, what the difference says of it, and that a sync undoes exactly that."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.ownership import Hands, shown
from tests.support.sandbox import SandboxFacts
from tests.support.wait import wait_until
from trueup.clients.api_errors import RejectedError, ServerError
from trueup.clients.cluster import Cluster
from trueup.domain.clientside import client_side_patch, repeated_item
from trueup.domain.diff import settle_with
from trueup.domain.fieldpath import show
from trueup.domain.plan import tracked
from trueup.domain.resource import Manifest

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports:
    - {name: http, port: 80, targetPort: 8080}
    - {name: https, port: 443}
"""
UNNAMED = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports:
    - port: 80
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {team: shop}}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 5
      containers:
        - name: web
          image: registry.example/web:1
          args: [serve]
          env:
            - {name: A, value: "1"}
            - name: POD
              valueFrom: {fieldRef: {fieldPath: metadata.name}}
          resources:
            limits: {cpu: 500m}
      volumes:
        - name: scratch
          emptyDir: {}
"""
DELIVERED_BY = ["kubectl", "trueup"]


@pytest.fixture
def hands(cluster: Cluster, sandbox: SandboxFacts, namespace: str) -> Hands:
    return Hands(cluster, sandbox, namespace)


async def deliver(hands: Hands, text: str, by: str) -> Manifest:
    manifest = hands.manifest(text)
    if by == "kubectl":
        await hands.kubectl("apply", "-f", "-", stdin=text)
    else:
        await hands.apply(manifest)
    return manifest


async def edit(hands: Hands, what: str, *commands: str) -> None:
    """A person's `kubectl edit`, with sed at the keyboard."""
    expressions = " ".join(f"-e '{command}'" for command in commands)
    await hands.kubectl("edit", what, editor=f"sed -i {expressions}")


def ports(live: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(port.get("name"), port["port"], port["targetPort"]) for port in live["spec"]["ports"]]


@pytest.mark.parametrize("by", DELIVERED_BY)
async def test_a_port_edited_by_hand_is_named_and_brought_back(by: str, hands: Hands) -> None:
    service = await deliver(hands, SERVICE, by)
    before = ports(await hands.live(service))
    await edit(hands, "svc/web", "s/port: 80$/port: 81/")
    assert ports(await hands.live(service)) == [("http", 81, 8080), ("https", 443, 443)]

    diff = await hands.compare(service)
    assert shown(diff) == ["changed spec.ports[name=http].port"]
    (change,) = diff.changes
    assert (change.desired, change.live, change.pointer) == (80, 81, "/spec/ports/0/port")
    assert [owner.manager for owner in change.owners] == ["kubectl-edit"]

    assert (await hands.sync(service)).status == "Synced"
    assert ports(await hands.live(service)) == before


@pytest.mark.parametrize("by", DELIVERED_BY)
async def test_the_only_port_edited_by_hand_is_brought_back_without_a_name(by: str, hands: Hands) -> None:
    service = await deliver(hands, UNNAMED, by)
    await edit(hands, "svc/web", "s/port: 80$/port: 81/", "s/targetPort: 80$/targetPort: 81/")
    assert shown(await hands.compare(service)) == ["changed spec.ports[port=81,protocol=TCP].port"]
    assert (await hands.sync(service)).status == "Synced"
    assert ports(await hands.live(service)) == [(None, 80, 80)]


@pytest.mark.parametrize("by", DELIVERED_BY)
async def test_a_protocol_edited_by_hand_is_brought_back(by: str, hands: Hands) -> None:
    service = await deliver(hands, SERVICE, by)
    await edit(hands, "svc/web", "/port: 443/,/protocol/s/protocol: TCP/protocol: UDP/")
    diff = await hands.compare(service)
    assert shown(diff) == ["changed spec.ports[name=https].protocol"]
    assert (diff.changes[0].desired, diff.changes[0].live) == ("TCP", "UDP")
    assert (await hands.sync(service)).status == "Synced"


@pytest.mark.parametrize("by", DELIVERED_BY)
async def test_a_selector_that_somebody_narrowed_is_drift(by: str, hands: Hands) -> None:
    service = await deliver(hands, SERVICE, by)
    await edit(hands, "svc/web", "s/^    app: web$/    app: web\\n    tier: none/")
    assert shown(await hands.compare(service)) == ["extra spec.selector.tier"]
    assert (await hands.sync(service)).status == "Synced"
    assert (await hands.live(service))["spec"]["selector"] == {"app": "web"}


@pytest.mark.parametrize("by", DELIVERED_BY)
async def test_edited_values_are_named_and_brought_back(by: str, hands: Hands) -> None:
    deployment = await deliver(hands, DEPLOYMENT, by)
    await edit(
        hands,
        "deploy/web",
        "s/web:1/web:2/",
        "s/cpu: 500m/cpu: 501m/",
        "s/^  replicas: 0/  replicas: 1/",
        "s/team: shop/team: other/",
        "s/- serve/- serve\\n        - --debug/",
        's/value: "1"/value: "2"/',
    )
    container = "spec.template.spec.containers[name=web]"
    assert shown(await hands.compare(deployment)) == [
        "changed metadata.labels.team",
        "changed spec.replicas",
        f"changed {container}.image",
        f"changed {container}.args",
        f"changed {container}.env[name=A].value",
        f"changed {container}.resources.limits.cpu",
    ]
    assert (await hands.sync(deployment)).status == "Synced"


@pytest.mark.parametrize("by", DELIVERED_BY)
async def test_a_renamed_container_does_not_come_back_beside_its_double(by: str, hands: Hands) -> None:
    deployment = await deliver(hands, DEPLOYMENT, by)
    await edit(hands, "deploy/web", "/terminationMessagePath/,$b", "s/^        name: web$/        name: renamed/")
    live = await hands.live(deployment)
    assert [container["name"] for container in live["spec"]["template"]["spec"]["containers"]] == ["renamed"]
    assert shown(await hands.compare(deployment)) == [
        "changed spec.template.spec.containers[name=renamed].name",
    ]
    assert (await hands.sync(deployment)).status == "Synced"
    live = await hands.live(deployment)
    assert [container["name"] for container in live["spec"]["template"]["spec"]["containers"]] == ["web"]


@pytest.mark.parametrize("by", DELIVERED_BY)
async def test_what_git_drops_is_named_and_removed(by: str, hands: Hands) -> None:
    await deliver(hands, DEPLOYMENT, by)
    dropped = (
        DEPLOYMENT.replace(", labels: {team: shop}", "")
        .replace("          args: [serve]\n", "")
        .replace('            - {name: A, value: "1"}\n', "")
        .replace("emptyDir: {}", "configMap: {name: web, optional: true}")
        .replace("          resources:\n            limits: {cpu: 500m}\n", "")
    )
    manifest = hands.manifest(dropped)
    spec = "spec.template.spec"
    assert sorted(shown(await hands.compare(manifest))) == [
        "extra metadata.labels.team",
        f"extra {spec}.containers[name=web].args",
        f"extra {spec}.containers[name=web].env[name=A]",
        f"extra {spec}.containers[name=web].resources.limits.cpu",
        f"extra {spec}.volumes[name=scratch].emptyDir",
        f"missing {spec}.volumes[name=scratch].configMap",
    ]
    assert (await hands.sync(manifest)).status == "Synced"
    live = await hands.live(manifest)
    (container,) = live["spec"]["template"]["spec"]["containers"]
    assert "args" not in container
    assert [entry["name"] for entry in container["env"]] == ["POD"]
    assert "emptyDir" not in live["spec"]["template"]["spec"]["volumes"][0]
    assert "team" not in live["metadata"].get("labels", {})


async def test_what_git_drops_goes_though_kubectl_made_it_and_trueup_applied_it_since(hands: Hands) -> None:
    await deliver(hands, DEPLOYMENT, "kubectl")
    await hands.apply(hands.manifest(DEPLOYMENT))
    manifest = hands.manifest(DEPLOYMENT.replace(", labels: {team: shop}", ""))
    assert shown(await hands.compare(manifest)) == ["extra metadata.labels.team"]
    assert (await hands.sync(manifest)).status == "Synced"
    assert "team" not in (await hands.live(manifest))["metadata"].get("labels", {})


async def test_what_argo_cd_applied_server_side_goes_when_git_drops_it(hands: Hands) -> None:
    await hands.apply(hands.manifest(DEPLOYMENT), manager="argocd-controller")
    assert (await hands.compare(hands.manifest(DEPLOYMENT))).status == "Synced"
    manifest = hands.manifest(DEPLOYMENT.replace(", labels: {team: shop}", ""))
    assert shown(await hands.compare(manifest)) == ["extra metadata.labels.team"]
    assert (await hands.sync(manifest)).status == "Synced"
    assert "team" not in (await hands.live(manifest))["metadata"].get("labels", {})


@pytest.mark.parametrize("by", DELIVERED_BY)
async def test_a_default_that_comes_back_is_no_drift(by: str, hands: Hands) -> None:
    await deliver(hands, DEPLOYMENT, by)
    manifest = hands.manifest(DEPLOYMENT.replace("      terminationGracePeriodSeconds: 5\n", ""))
    assert shown(await hands.compare(manifest)) == ["extra spec.template.spec.terminationGracePeriodSeconds"]
    assert (await hands.sync(manifest)).status == "Synced"
    live = await hands.live(manifest)
    assert live["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 30


@pytest.mark.parametrize("by", DELIVERED_BY)
async def test_what_others_add_is_no_drift_and_survives_a_sync(by: str, hands: Hands) -> None:
    text = DEPLOYMENT.replace("  replicas: 0\n", "")
    deployment = await deliver(hands, text, by)
    await hands.kubectl("scale", "deploy/web", "--replicas=3")
    await hands.kubectl("annotate", "deploy/web", "deployment.kubernetes.io/revision=7", "--overwrite")
    sidecar = {"name": "sidecar", "image": "registry.example/sidecar:1"}
    live = await hands.live(deployment)
    containers = [*live["spec"]["template"]["spec"]["containers"], sidecar]
    patch = {"spec": {"template": {"spec": {"containers": containers}}}}
    await hands.patch(deployment, patch, manager="injector")
    assert shown(await hands.compare(deployment)) == []

    changed = hands.manifest(text.replace("web:1", "web:2"))
    assert (await hands.sync(changed)).status == "Synced"
    live = await hands.live(changed)
    assert live["spec"]["replicas"] == 3
    assert [item["image"] for item in live["spec"]["template"]["spec"]["containers"]] == [
        "registry.example/web:2",
        "registry.example/sidecar:1",
    ]


async def test_the_controllers_own_annotations_are_no_drift(hands: Hands) -> None:
    deployment = await deliver(hands, DEPLOYMENT, "trueup")

    async def revised() -> bool:
        annotations = (await hands.live(deployment))["metadata"]["annotations"]
        return "deployment.kubernetes.io/revision" in annotations

    await wait_until(revised, 30, "the controller manager to number the revision")
    assert (await hands.compare(deployment)).status == "Synced"


@pytest.mark.parametrize("by", DELIVERED_BY)
async def test_an_injected_sidecar_is_not_taken_for_a_container_that_git_adds(by: str, hands: Hands) -> None:
    deployment = await deliver(hands, DEPLOYMENT, by)
    live = await hands.live(deployment)
    sidecar = {"name": "sidecar", "image": "registry.example/sidecar:1"}
    containers = [*live["spec"]["template"]["spec"]["containers"], sidecar]
    await hands.patch(deployment, {"spec": {"template": {"spec": {"containers": containers}}}}, manager="injector")
    added = "        - {name: new, image: registry.example/new:1}\n      volumes:\n"
    manifest = hands.manifest(DEPLOYMENT.replace("      volumes:\n", added))
    assert shown(await hands.compare(manifest)) == ["missing spec.template.spec.containers[name=new]"]
    assert (await hands.sync(manifest)).status == "Synced"
    live = await hands.live(manifest)
    names = {container["name"] for container in live["spec"]["template"]["spec"]["containers"]}
    assert names == {"web", "new", "sidecar"}


@pytest.mark.parametrize("by", DELIVERED_BY)
async def test_a_volume_swapped_by_hand_is_brought_back(by: str, hands: Hands) -> None:
    deployment = await deliver(hands, DEPLOYMENT, by)
    await edit(hands, "deploy/web", "s/- emptyDir: {}/- hostPath: {path: \\/}/")
    assert shown(await hands.compare(deployment)) == [
        "missing spec.template.spec.volumes[name=scratch].emptyDir",
        "extra spec.template.spec.volumes[name=scratch].hostPath",
    ]
    assert (await hands.sync(deployment)).status == "Synced"
    assert (await hands.live(deployment))["spec"]["template"]["spec"]["volumes"] == [
        {"name": "scratch", "emptyDir": {}}
    ]


@pytest.mark.parametrize("by", DELIVERED_BY)
async def test_a_value_that_became_a_reference_is_brought_back(by: str, hands: Hands) -> None:
    deployment = await deliver(hands, DEPLOYMENT, by)
    await edit(hands, "deploy/web", 's/value: "1"/valueFrom: {fieldRef: {fieldPath: metadata.uid}}/')
    entry = "spec.template.spec.containers[name=web].env[name=A]"
    assert shown(await hands.compare(deployment)) == [f"missing {entry}.value", f"extra {entry}.valueFrom"]
    assert (await hands.sync(deployment)).status == "Synced"


@pytest.mark.parametrize("by", DELIVERED_BY)
async def test_a_deployment_turns_to_recreate_though_rolling_is_the_servers_default(by: str, hands: Hands) -> None:
    await deliver(hands, DEPLOYMENT, by)
    manifest = hands.manifest(DEPLOYMENT.replace("  replicas: 0\n", "  replicas: 0\n  strategy: {type: Recreate}\n"))
    assert shown(await hands.compare(manifest)) == ["changed spec.strategy.type", "extra spec.strategy.rollingUpdate"]
    assert (await hands.sync(manifest)).status == "Synced"
    assert (await hands.live(manifest))["spec"]["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize("by", DELIVERED_BY)
async def test_a_budget_turned_round_by_hand_is_brought_back(by: str, hands: Hands) -> None:
    budget = """
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
"""
    manifest = await deliver(hands, budget, by)
    await edit(hands, "pdb/web", "s/minAvailable: 1/maxUnavailable: 1/")
    assert shown(await hands.compare(manifest)) == ["missing spec.minAvailable", "extra spec.maxUnavailable"]
    assert (await hands.sync(manifest)).status == "Synced"


async def test_a_secret_key_that_git_drops_from_string_data_goes(hands: Hands) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: web}\nstringData: {a: one, b: two}\n"
    fewer = hands.manifest(secret.replace(", b: two", ""))
    for by in DELIVERED_BY:
        await deliver(hands, secret, by)
        assert shown(await hands.compare(fewer)) == ["extra data.b"]
        assert (await hands.sync(fewer)).status == "Synced"
        assert set((await hands.live(fewer))["data"]) == {"a"}
        await hands.kubectl("delete", "secret", "web")


async def test_the_servers_own_normalisation_is_settled_by_a_dry_run(hands: Hands) -> None:
    service = await deliver(hands, SERVICE, "trueup")
    spelled = hands.manifest(SERVICE.replace("  selector", "  type: ''\n  sessionAffinity: ''\n  selector"))
    diff = await hands.compare(spelled)
    assert shown(diff) == ["changed spec.type", "changed spec.sessionAffinity"]
    applied = await hands.apply(spelled, dry_run=True)
    assert settle_with(diff, applied).status == "Synced"

    await edit(hands, "svc/web", "s/type: ClusterIP/type: NodePort/")
    diff = settle_with(await hands.compare(service), await hands.apply(service, dry_run=True))
    assert diff.status == "Synced", "Git does not state the type"


async def test_init_containers_in_another_order_are_drift(hands: Hands) -> None:
    both = (
        "      initContainers:\n        - {name: one, image: i}\n        - {name: two, image: i}\n      containers:\n"
    )
    turned = (
        "      initContainers:\n        - {name: two, image: i}\n        - {name: one, image: i}\n      containers:\n"
    )
    await deliver(hands, DEPLOYMENT.replace("      containers:\n", both), "trueup")
    manifest = hands.manifest(DEPLOYMENT.replace("      containers:\n", turned))
    diff = await hands.compare(manifest)
    assert shown(diff) == ["changed spec.template.spec.initContainers"]
    assert settle_with(diff, await hands.live(manifest)).status == "Synced"
    assert settle_with(diff, await hands.apply(manifest, dry_run=True)) == diff
    assert (await hands.sync(manifest)).status == "Synced"


async def test_duplicate_env_names_are_applied_on_the_client_side(hands: Hands) -> None:
    twice = DEPLOYMENT.replace('value: "1"}', 'value: "1"}\n            - {name: A, value: "2"}')
    await hands.kubectl("create", "-f", "-", stdin=twice)
    manifest = hands.manifest(twice)
    assert (await hands.compare(manifest)).status == "Synced"
    await edit(hands, "deploy/web", 's/value: "2"/value: "3"/')
    diff = await hands.compare(manifest)
    assert shown(diff) == ["changed spec.template.spec.containers[name=web].env[0].value"]
    with pytest.raises((RejectedError, ServerError), match="duplicate entries"):
        await hands.apply(manifest)

    live = await hands.live(manifest)
    found = repeated_item(manifest, live)
    assert found is not None
    assert show(found) == "spec.template.spec.containers[name=web].env[name=A]"
    await hands.apply_client_side(manifest)
    assert (await hands.compare(manifest)).status == "Synced"
    live = await hands.live(manifest)
    assert client_side_patch(manifest, tracked(manifest, "shop"), live, ()) == {}
