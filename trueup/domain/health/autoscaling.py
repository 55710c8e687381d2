"""What sets the size of workloads: HorizontalPodAutoscaler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from trueup.domain.health.value import Health, mapping, objects
from trueup.domain.resource import Body

#: Where autoscaling/v1, whose status has no room for conditions, keeps them: a list as JSON text.
_CONDITIONS_ANNOTATION = "autoscaling.alpha.kubernetes.io/conditions"
_FAILURES = {
    "AbleToScale": {"FailedGetScale", "FailedUpdateScale"},
    "ScalingActive": {
        "FailedComputeMetricsReplicas",
        "FailedGetExternalMetric",
        "FailedGetObjectMetric",
        "FailedGetPodsMetric",
        "FailedGetResourceMetric",
        "InvalidSelector",
    },
}


def horizontal_pod_autoscaler(body: Body) -> Health:
    """A failure counts before what goes well: scaling may be possible, and still have nothing to go by."""
    conditions = objects(mapping(body, "status"), "conditions") or _annotated(body)
    for found in conditions:
        reason = str(found.get("reason"))
        if reason in _FAILURES.get(str(found.get("type")), ()):
            return Health("Degraded", str(found.get("message") or reason))
    if any(
        found.get("type") in ("AbleToScale", "ScalingLimited") and found.get("status") == "True" for found in conditions
    ):
        return Health("Healthy")
    return Health("Progressing", "waiting for the first look at the target and its metrics")


def _annotated(body: Body) -> list[Mapping[str, Any]]:
    try:
        noted = orjson.loads(mapping(body, "metadata", "annotations").get(_CONDITIONS_ANNOTATION, "null"))
    except orjson.JSONDecodeError:
        return []
    return objects({"noted": noted}, "noted")
