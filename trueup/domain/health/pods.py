"""What runs: Pod, Job and CronJob."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trueup.domain.health.value import Health, condition, mapping, objects
from trueup.domain.lenient import as_text
from trueup.domain.resource import Body


def pod(body: Body) -> Health:  # noqa: PLR0911 a ladder of cases
    status = mapping(body, "status")
    phase = status.get("phase")
    keeps_running = mapping(body, "spec").get("restartPolicy", "Always") == "Always"
    if keeps_running and (stuck := _stuck(status)):
        return Health("Degraded", stuck)
    if phase == "Succeeded":
        return Health("Healthy")
    if phase == "Failed":
        return Health("Degraded", str(status.get("message") or _failure(status) or "the pod failed"))
    if phase == "Running" and keeps_running:
        if condition(body, "Ready").get("status") == "True":
            return Health("Healthy")
        if any(mapping(container, "lastState", "terminated") for container in _containers(status)):
            return Health("Degraded", str(status.get("message") or "a container ended and is not ready again"))
    if phase in ("Pending", "Running"):
        return Health("Progressing", str(status.get("message") or ""))
    return Health("Unknown", f"the pod's phase is {phase or 'not known'}")


def job(body: Body) -> Health:
    if (failed := condition(body, "Failed")).get("status") == "True":
        return Health("Degraded", str(failed.get("message") or "the Job failed"))
    if condition(body, "Complete").get("status") == "True":
        return Health("Healthy")
    if (suspended := condition(body, "Suspended")).get("status") == "True":
        return Health("Suspended", str(suspended.get("message") or "the Job is suspended"))
    return Health("Progressing")


def cron_job(body: Body) -> Health:
    """A run that failed shows in this alone: it is over, and the latest success is older than its start."""
    if mapping(body, "spec").get("suspend") is True:
        return Health("Suspended", "the CronJob is suspended")
    status = mapping(body, "status")
    started, succeeded = as_text(status.get("lastScheduleTime")), as_text(status.get("lastSuccessfulTime"))
    # Times are written alike, in UTC, so that their texts compare as they do.
    if succeeded and succeeded < started and not objects(status, "active"):
        return Health("Degraded", "the latest run did not succeed")
    return Health("Healthy")


def _containers(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from objects(status, "initContainerStatuses")
    yield from objects(status, "containerStatuses")


def _stuck(status: Mapping[str, Any]) -> str:
    """Why a container waits with no good end in sight: ErrImagePull, CreateContainerError, CrashLoopBackOff."""
    for container in _containers(status):
        waiting = mapping(container, "state", "waiting")
        reason = str(waiting.get("reason") or "")
        if reason.startswith("Err") or reason.endswith(("Error", "BackOff")):
            return f"container {container.get('name')}: {reason}" + (
                f": {text}" if (text := waiting.get("message")) else ""
            )
    return ""


def _failure(status: Mapping[str, Any]) -> str:
    for container in _containers(status):
        ended = mapping(container, "state", "terminated")
        if ended.get("exitCode"):
            what = ended.get("message") or ended.get("reason") or f"exit code {ended.get('exitCode')}"
            return f"container {container.get('name')}: {what}"
    return ""
