"""Of fields that exclude each other, the one that took the desired one's place is named and removed."""

from __future__ import annotations

from typing import Any

import pytest

from trueup.domain.diff import compare
from trueup.domain.fieldpath import show
from trueup.domain.resource import Manifest, ResourceKey


def differences(kind: str, desired: Any, live: Any) -> list[str]:
    group = {"PodDisruptionBudget": "policy/v1", "Widget": "example.com/v1"}.get(kind, "apps/v1")
    one, other = (
        {"apiVersion": group, "kind": kind, "metadata": {"name": "a"}, "spec": spec} for spec in (desired, live)
    )
    changes = compare(Manifest(ResourceKey.of(one), "v1", one, ""), other).changes
    return [show(change.removes) for change in changes if change.removes is not None]


def pod(**spec: Any) -> dict[str, Any]:
    return {"template": {"spec": spec}}


def container(**fields: Any) -> dict[str, Any]:
    return pod(containers=[{"name": "a", **fields}])


IN_CONTAINER = "spec.template.spec.containers[name=a]"


@pytest.mark.parametrize(
    ("desired", "live", "removed"),
    [
        (
            pod(volumes=[{"name": "v", "emptyDir": {}}]),
            pod(volumes=[{"name": "v", "hostPath": {"path": "/"}}]),
            ["spec.template.spec.volumes[name=v].hostPath"],
        ),
        (pod(volumes=[{"name": "v"}]), pod(volumes=[{"name": "v", "emptyDir": {}}]), []),
        (
            container(env=[{"name": "A", "value": "1"}]),
            container(env=[{"name": "A", "valueFrom": {}}]),
            [f"{IN_CONTAINER}.env[name=A].valueFrom"],
        ),
        (container(env=[{"name": "A"}]), container(env=[{"name": "A", "value": "1"}]), []),
        (
            container(livenessProbe={"httpGet": {"port": 1}}),
            container(livenessProbe={"exec": {"command": ["x"]}, "periodSeconds": 10}),
            [f"{IN_CONTAINER}.livenessProbe.exec"],
        ),
        (
            {"strategy": {"type": "Recreate"}},
            {"strategy": {"type": "X", "rollingUpdate": {}}},
            ["spec.strategy.rollingUpdate"],
        ),
        ({"strategy": {"type": "RollingUpdate"}}, {"strategy": {"type": "RollingUpdate", "rollingUpdate": {}}}, []),
        ({"strategy": {"x": "y"}}, {"strategy": {"x": "y", "rollingUpdate": {}}}, []),
        (
            container(securityContext={"seccompProfile": {"type": "RuntimeDefault"}}),
            container(securityContext={"seccompProfile": {"type": "Localhost", "localhostProfile": "x"}}),
            [f"{IN_CONTAINER}.securityContext.seccompProfile.localhostProfile"],
        ),
    ],
)
def test_what_cannot_stay_beside_the_desired_is_removed(desired: Any, live: Any, removed: list[str]) -> None:
    assert differences("Deployment", desired, live) == removed


def test_a_budget_has_one_bound_and_a_custom_resource_as_many_as_it_likes() -> None:
    desired, live = {"minAvailable": 1}, {"maxUnavailable": 1, "minAvailable": 1}
    assert differences("PodDisruptionBudget", desired, live) == ["spec.maxUnavailable"]
    assert differences("Widget", {"strategy": {"type": "A"}}, {"strategy": {"type": "A", "rollingUpdate": {}}}) == []
