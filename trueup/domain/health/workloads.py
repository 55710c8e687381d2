"""Controllers that keep pods running: Deployment, ReplicaSet, StatefulSet, DaemonSet."""

from __future__ import annotations

from trueup.domain.health.value import Health, condition, is_observed, mapping, number
from trueup.domain.resource import Body

_UNOBSERVED = Health("Progressing", "waiting for the controller to see the latest spec")


def deployment(body: Body) -> Health:  # noqa: PLR0911 a ladder of cases
    spec, status = mapping(body, "spec"), mapping(body, "status")
    if spec.get("paused") is True:
        return Health("Suspended", "the Deployment is paused")
    if not is_observed(body):
        return _UNOBSERVED
    progressing = condition(body, "Progressing")
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return Health("Degraded", str(progressing.get("message") or "the Deployment exceeded its progress deadline"))
    wanted = number(spec, "replicas", 1)
    updated = number(status, "updatedReplicas")
    if updated < wanted:
        return Health("Progressing", f"{updated} of {wanted} replicas are updated")
    if (old := number(status, "replicas") - updated) > 0:
        return Health("Progressing", f"{old} old replicas are pending termination")
    if (available := number(status, "availableReplicas")) < updated:
        return Health("Progressing", f"{available} of {updated} updated replicas are available")
    return Health("Healthy")


def replica_set(body: Body) -> Health:
    if not is_observed(body):
        return _UNOBSERVED
    if (failure := condition(body, "ReplicaFailure")).get("status") == "True":
        return Health("Degraded", str(failure.get("message") or "pods cannot be made or deleted"))
    wanted = number(mapping(body, "spec"), "replicas", 1)
    if (available := number(mapping(body, "status"), "availableReplicas")) < wanted:
        return Health("Progressing", f"{available} of {wanted} pods are available")
    return Health("Healthy")


def stateful_set(body: Body) -> Health:  # noqa: PLR0911 a ladder of cases
    spec, status = mapping(body, "spec"), mapping(body, "status")
    if not is_observed(body):
        return _UNOBSERVED
    wanted = number(spec, "replicas", 1)
    if (ready := number(status, "readyReplicas")) < wanted:
        return Health("Progressing", f"{ready} of {wanted} pods are ready")
    strategy = mapping(spec, "updateStrategy")
    if strategy.get("type") == "OnDelete":
        return Health("Healthy", "pods are updated when they are deleted")
    partition = number(mapping(strategy, "rollingUpdate"), "partition")
    if partition > 0:
        due = max(0, wanted - partition)
        if (updated := number(status, "updatedReplicas")) < due:
            return Health("Progressing", f"{updated} of {due} pods above the partition are updated")
        return Health("Healthy", f"pods above partition {partition} are updated")
    if status.get("updateRevision") != status.get("currentRevision"):
        return Health("Progressing", f"{number(status, 'updatedReplicas')} of {wanted} pods are updated")
    return Health("Healthy")


def daemon_set(body: Body) -> Health:
    status = mapping(body, "status")
    if not is_observed(body):
        return _UNOBSERVED
    if mapping(body, "spec", "updateStrategy").get("type") == "OnDelete":
        return Health("Healthy", "pods are updated when they are deleted")
    wanted = number(status, "desiredNumberScheduled")
    if (updated := number(status, "updatedNumberScheduled")) < wanted:
        return Health("Progressing", f"{updated} of {wanted} pods are updated")
    if (available := number(status, "numberAvailable")) < wanted:
        return Health("Progressing", f"{available} of {wanted} pods are available")
    return Health("Healthy")
