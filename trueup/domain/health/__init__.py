"""Whether a live object does what it is for, by Argo CD's names and rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from trueup.domain.health.autoscaling import horizontal_pod_autoscaler
from trueup.domain.health.extensions import api_service, custom_resource_definition
from trueup.domain.health.network import ingress, service
from trueup.domain.health.pods import cron_job, job, pod
from trueup.domain.health.storage import persistent_volume_claim
from trueup.domain.health.value import Health, HealthStatus, mapping, worst
from trueup.domain.health.workloads import daemon_set, deployment, replica_set, stateful_set
from trueup.domain.resource import Body, ResourceKey

__all__ = ["Health", "HealthStatus", "assess", "has_health", "worst"]

_BY_KIND: Mapping[tuple[str, str], Callable[[Body], Health]] = {
    ("", "PersistentVolumeClaim"): persistent_volume_claim,
    ("", "Pod"): pod,
    ("", "Service"): service,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): custom_resource_definition,
    ("apiregistration.k8s.io", "APIService"): api_service,
    ("apps", "DaemonSet"): daemon_set,
    ("apps", "Deployment"): deployment,
    ("apps", "ReplicaSet"): replica_set,
    ("apps", "StatefulSet"): stateful_set,
    ("autoscaling", "HorizontalPodAutoscaler"): horizontal_pod_autoscaler,
    ("batch", "CronJob"): cron_job,
    ("batch", "Job"): job,
    ("networking.k8s.io", "Ingress"): ingress,
}


def has_health(group: str, kind: str) -> bool:
    """Whether objects of this kind can be anything but there or missing."""
    return (group, kind) in _BY_KIND


def assess(live: Body | None) -> Health | None:
    """The health of a desired object's live state; None for a kind that has none.

    An object that is not there is Missing, whatever its kind, and one that is being deleted Progressing.
    """
    if live is None:
        return Health("Missing")
    if mapping(live, "metadata").get("deletionTimestamp"):
        return Health("Progressing", "pending deletion")
    key = ResourceKey.of(live)
    known = _BY_KIND.get((key.group, key.kind))
    return known(live) if known is not None else None
