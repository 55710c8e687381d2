"""Health of what sets the size of workloads and of what adds kinds to the API: their conditions say it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.support.health import CONDITIONS_ANNOTATION, judge, said

ABLE = said("AbleToScale", "True", "SucceededGetScale", "able to get the current scale")
LIMITED = said("ScalingLimited", "True", "TooFewReplicas", "at the minimum")
DISABLED = said("ScalingActive", "False", "ScalingDisabled", "the target has no replicas")
WAITING = ("Progressing", "waiting for the first look at the target and its metrics")


@pytest.mark.parametrize("annotated", [False, True], ids=["autoscaling/v2", "autoscaling/v1"])
@pytest.mark.parametrize(
    ("conditions", "health"),
    [
        ([], WAITING),
        ([ABLE], ("Healthy", "")),
        ([ABLE, DISABLED], ("Healthy", "")),
        ([LIMITED], ("Healthy", "")),
        ([ABLE | {"status": "False", "reason": "BackoffBoth"}, LIMITED | {"status": "False"}], WAITING),
        ([said("ScalingActive", "True", "ValidMetricFound")], WAITING),
        ([said("AbleToScale", "False", "FailedGetScale", "not found")], ("Degraded", "not found")),
        ([said("AbleToScale", "False", "FailedUpdateScale")], ("Degraded", "FailedUpdateScale")),
        ([said("ScalingLimited", "True", "FailedGetScale")], ("Healthy", "")),
        *(
            ([ABLE, said("ScalingActive", "False", reason, "no metrics"), LIMITED], ("Degraded", "no metrics"))
            for reason in (
                "FailedComputeMetricsReplicas",
                "FailedGetExternalMetric",
                "FailedGetObjectMetric",
                "FailedGetPodsMetric",
                "FailedGetResourceMetric",
                "InvalidSelector",
            )
        ),
    ],
)
def test_autoscalers(conditions: Any, annotated: bool, health: tuple[str, str]) -> None:
    if annotated:
        annotations = {CONDITIONS_ANNOTATION: orjson.dumps(conditions).decode()}
        assert judge("HorizontalPodAutoscaler", annotations=annotations) == health
    else:
        assert judge("HorizontalPodAutoscaler", {}, {"conditions": conditions}) == health


@pytest.mark.parametrize(
    "text", ["", "[", "null", "{}", '[1, null, "a"]', '[{"type": "AbleToScale", "reason": []}]', 7, None]
)
def test_conditions_that_are_annotated_and_cannot_be_read_are_none(text: Any) -> None:
    assert judge("HorizontalPodAutoscaler", annotations={CONDITIONS_ANNOTATION: text}) == WAITING


ACCEPTED, ESTABLISHED = said("NamesAccepted", "True", "NoConflicts"), said("Established", "True")
UNSERVED = ("Progressing", "waiting for the kind to be served")


@pytest.mark.parametrize(
    ("conditions", "health"),
    [
        ([], UNSERVED),
        ([ACCEPTED], UNSERVED),
        ([ACCEPTED, said("Established", "False", "Installing", "just accepted")], UNSERVED),
        ([ACCEPTED, ESTABLISHED], ("Healthy", "")),
        ([said("NamesAccepted", "False", "ListKindConflict", "in use"), ESTABLISHED], ("Degraded", "in use")),
        ([said("NamesAccepted", "False")], ("Degraded", "another definition has these names")),
        ([ACCEPTED, said("Established", "False", "NotAccepted", "not all")], ("Degraded", "not all")),
        ([ACCEPTED, said("Established", "False")], ("Degraded", "the kind is not served")),
        (
            [ACCEPTED, ESTABLISHED, said("NonStructuralSchema", "True", message="must be false")],
            ("Degraded", "must be false"),
        ),
        (
            [ACCEPTED, ESTABLISHED, said("NonStructuralSchema", "True")],
            ("Degraded", "the schema is not structural"),
        ),
        ([ACCEPTED, ESTABLISHED, said("NonStructuralSchema", "False")], ("Healthy", "")),
    ],
)
def test_custom_resource_definitions(conditions: Any, health: tuple[str, str]) -> None:
    assert judge("CustomResourceDefinition", {}, {"conditions": conditions}) == health


def test_a_definition_that_is_being_deleted_progresses_though_it_is_served() -> None:
    status = {"conditions": [ACCEPTED, ESTABLISHED, said("Terminating", "True")]}
    gone = judge("CustomResourceDefinition", {}, status, deletionTimestamp="2026-01-01T00:00:00Z")
    assert gone == ("Progressing", "pending deletion")


@pytest.mark.parametrize(
    ("conditions", "health"),
    [
        ([], ("Progressing", "waiting for a look at its server")),
        ([said("Available", "True", "Passed", "all checks passed")], ("Healthy", "")),
        ([said("Available", "False", "ServiceNotFound", "not present")], ("Progressing", "not present")),
        ([said("Available", "Unknown")], ("Progressing", "waiting for a look at its server")),
    ],
)
def test_api_services(conditions: Any, health: tuple[str, str]) -> None:
    assert judge("APIService", {}, {"conditions": conditions}) == health
