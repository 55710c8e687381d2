"""What a person added as one structure goes as one; what stands alone goes alone."""

from __future__ import annotations

from typing import Any

from tests.support.diffing import deployment, managed, manifest
from trueup.domain.by_hand import Hands, additions
from trueup.domain.fieldpath import show

HANDS = Hands.of(("kubectl-*",))
WEB = 'k:{"name":"web"}'
HERE: dict[str, Any] = {".": {}}


def added(container: dict[str, Any], fields: dict[str, Any], *more: tuple[str, str, dict[str, Any]]) -> list[str]:
    def owned(below: dict[str, Any]) -> dict[str, Any]:
        return {"f:spec": {"f:template": {"f:spec": {"f:containers": {WEB: below}}}}}

    others = [(manager, operation, owned(below)) for manager, operation, below in more]
    live = managed(
        deployment(containers=[{"name": "web", **container}]), ("kubectl-edit", "Update", owned(fields)), *others
    )
    desired = manifest(deployment(containers=[{"name": "web"}]))
    start = "spec.template.spec.containers[name=web]."
    return [show(found.path).removeprefix(start) for found in additions(desired, live, HANDS)]


def test_a_probe_goes_as_one_since_its_parts_need_each_other() -> None:
    probe = {"grpc": {"port": 1}, "periodSeconds": 10}
    fields = {"f:readinessProbe": {**HERE, "f:grpc": {**HERE, "f:port": {}}, "f:periodSeconds": {}}}
    assert added({"readinessProbe": probe}, fields) == ["readinessProbe"]


def test_what_another_manager_has_a_part_in_goes_by_its_parts() -> None:
    probe = {"grpc": {"port": 1}, "periodSeconds": 10}
    fields = {"f:readinessProbe": {**HERE, "f:grpc": {**HERE, "f:port": {}}}}
    other = ("operator", "Update", {"f:readinessProbe": {"f:periodSeconds": {}}})
    assert added({"readinessProbe": probe}, fields, other) == ["readinessProbe.grpc"]


def test_a_limit_goes_alone_since_no_limits_at_all_say_nothing() -> None:
    fields = {"f:resources": {"f:limits": {**HERE, "f:cpu": {}}}}
    assert added({"resources": {"limits": {"cpu": "1"}}}, fields) == ["resources.limits.cpu"]


def test_a_member_that_is_one_value_as_a_whole_is_an_addition() -> None:
    fields = {"f:spec": {"f:template": {"f:spec": {"f:imagePullSecrets": {**HERE, 'k:{"name":"a"}': {}}}}}}
    live = managed(deployment(imagePullSecrets=[{"name": "a"}]), ("kubectl-edit", "Update", fields))
    found = [show(each.path) for each in additions(manifest(deployment(hostname="x")), live, HANDS)]
    assert found == ["spec.template.spec.imagePullSecrets[name=a]"]


def test_notes_never_go_as_one() -> None:
    """Some of them are kubectl's own, and stay; a custom resource may hold the template of a pod."""
    rollout = {
        "apiVersion": "example.com/v1",
        "kind": "Rollout",
        "metadata": {"name": "a"},
        "spec": {"template": {"b": 1}},
    }
    notes = {"kubectl.kubernetes.io/restartedAt": "now", "example.com/owner": "me"}
    restarted = {**rollout, "spec": {"template": {"b": 1, "metadata": {"annotations": notes}}}}
    fields = {f"f:{name}": {} for name in notes}
    template = {"f:metadata": {**HERE, "f:annotations": {**HERE, **fields}}}
    live = managed(restarted, ("kubectl-rollout", "Update", {"f:spec": {"f:template": template}}))
    found = {show(each.path): each.shown for each in additions(manifest(rollout), live, HANDS)}
    place = "spec.template.metadata.annotations"
    assert found == {f'{place}["kubectl.kubernetes.io/restartedAt"]': False, f'{place}["example.com/owner"]': True}
