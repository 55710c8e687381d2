"""Health as tests ask for it: of an object that they sketch."""

from __future__ import annotations

from typing import Any

from trueup.domain.health import assess

API_VERSIONS = {
    "APIService": "apiregistration.k8s.io/v1",
    "CronJob": "batch/v1",
    "CustomResourceDefinition": "apiextensions.k8s.io/v1",
    "DaemonSet": "apps/v1",
    "Deployment": "apps/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "Ingress": "networking.k8s.io/v1",
    "Job": "batch/v1",
    "ReplicaSet": "apps/v1",
    "StatefulSet": "apps/v1",
}
CONDITIONS_ANNOTATION = "autoscaling.alpha.kubernetes.io/conditions"


def judge(kind: str, spec: Any = None, status: Any = None, **metadata: Any) -> tuple[str, str]:
    """The health, and what it says, of an object of that kind in its second generation."""
    body = {
        "apiVersion": API_VERSIONS.get(kind, "v1"),
        "kind": kind,
        "metadata": {"name": "a", "generation": 2, **metadata},
        "spec": spec if spec is not None else {},
        "status": status if status is not None else {},
    }
    health = assess(body)
    assert health is not None
    return health.status, health.message


def said(name: str, status: str, reason: str = "", message: str = "") -> dict[str, str]:
    """A condition in `status.conditions`."""
    return {"type": name, "status": status, "reason": reason, "message": message}
