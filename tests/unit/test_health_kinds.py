"""Health by Argo CD's names and rules."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.health import API_VERSIONS, CONDITIONS_ANNOTATION, judge, said
from trueup.domain.health import Health, assess, worst


def rolled(**status: Any) -> dict[str, Any]:
    return {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3, **status}


@pytest.mark.parametrize(
    ("spec", "status", "health"),
    [
        ({"replicas": 3}, rolled(), ("Healthy", "")),
        ({"replicas": 0}, {"observedGeneration": 2}, ("Healthy", "")),
        ({"replicas": 3, "paused": True}, {}, ("Suspended", "the Deployment is paused")),
        (
            {"replicas": 3},
            rolled(observedGeneration=1),
            ("Progressing", "waiting for the controller to see the latest spec"),
        ),
        ({"replicas": 3}, {}, ("Progressing", "waiting for the controller to see the latest spec")),
        ({"replicas": 4}, rolled(), ("Progressing", "3 of 4 replicas are updated")),
        ({}, rolled(updatedReplicas=0), ("Progressing", "0 of 1 replicas are updated")),
        ({"replicas": 3}, rolled(replicas=5), ("Progressing", "2 old replicas are pending termination")),
        ({"replicas": 3}, rolled(availableReplicas=1), ("Progressing", "1 of 3 updated replicas are available")),
        (
            {"replicas": 3},
            rolled(conditions=[{"type": "Progressing", "reason": "ProgressDeadlineExceeded", "message": "too slow"}]),
            ("Degraded", "too slow"),
        ),
    ],
)
def test_deployments(spec: Any, status: Any, health: tuple[str, str]) -> None:
    assert judge("Deployment", spec, status) == health


@pytest.mark.parametrize(
    ("spec", "status", "health"),
    [
        ({"replicas": 2}, {"observedGeneration": 2, "availableReplicas": 2}, ("Healthy", "")),
        ({"replicas": 0}, {"observedGeneration": 2}, ("Healthy", "")),
        ({}, {"observedGeneration": 2}, ("Progressing", "0 of 1 pods are available")),
        (
            {"replicas": 2},
            {"observedGeneration": 2, "availableReplicas": 1},
            ("Progressing", "1 of 2 pods are available"),
        ),
        (
            {"replicas": 1},
            {"observedGeneration": 1, "availableReplicas": 1},
            ("Progressing", "waiting for the controller to see the latest spec"),
        ),
        (
            {"replicas": 2},
            {"observedGeneration": 2, "conditions": [said("ReplicaFailure", "True", message="exceeded quota")]},
            ("Degraded", "exceeded quota"),
        ),
        (
            {"replicas": 2},
            {"observedGeneration": 2, "availableReplicas": 2, "conditions": [said("ReplicaFailure", "False")]},
            ("Healthy", ""),
        ),
        (
            {"replicas": 2},
            {"observedGeneration": 1, "conditions": [said("ReplicaFailure", "True", message="of the last spec")]},
            ("Progressing", "waiting for the controller to see the latest spec"),
        ),
    ],
)
def test_replica_sets(spec: Any, status: Any, health: tuple[str, str]) -> None:
    assert judge("ReplicaSet", spec, status) == health


READY = {"observedGeneration": 2, "readyReplicas": 3, "updateRevision": "2", "currentRevision": "2"}


@pytest.mark.parametrize(
    ("strategy", "status", "health"),
    [
        ({}, READY, "Healthy"),
        ({}, READY | {"observedGeneration": 1}, "Progressing"),
        ({}, READY | {"readyReplicas": 2}, "Progressing"),
        ({}, READY | {"currentRevision": "1"}, "Progressing"),
        ({"type": "OnDelete"}, READY | {"currentRevision": "1"}, "Healthy"),
        ({"rollingUpdate": {"partition": 1}}, READY | {"updatedReplicas": 1}, "Progressing"),
        ({"rollingUpdate": {"partition": 1}}, READY | {"updatedReplicas": 2, "currentRevision": "1"}, "Healthy"),
        ({"rollingUpdate": {"partition": 9}}, READY | {"currentRevision": "1"}, "Healthy"),
        ({"rollingUpdate": {"partition": 0}}, READY | {"currentRevision": "1"}, "Progressing"),
    ],
)
def test_stateful_sets(strategy: Any, status: Any, health: str) -> None:
    assert judge("StatefulSet", {"replicas": 3, "updateStrategy": strategy}, status)[0] == health


SPREAD = {"observedGeneration": 2, "desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 2}


@pytest.mark.parametrize(
    ("spec", "status", "health"),
    [
        ({}, SPREAD, "Healthy"),
        ({}, SPREAD | {"observedGeneration": 1}, "Progressing"),
        ({}, SPREAD | {"updatedNumberScheduled": 1}, "Progressing"),
        ({}, SPREAD | {"numberAvailable": 1}, "Progressing"),
        ({"updateStrategy": {"type": "OnDelete"}}, SPREAD | {"updatedNumberScheduled": 1}, "Healthy"),
    ],
)
def test_daemon_sets(spec: Any, status: Any, health: str) -> None:
    assert judge("DaemonSet", spec, status)[0] == health


def container(**state: Any) -> list[dict[str, Any]]:
    return [{"name": "c", **state}]


@pytest.mark.parametrize(
    ("spec", "status", "health"),
    [
        ({}, {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}, "Healthy"),
        ({}, {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}, "Progressing"),
        (
            {},
            {"phase": "Running", "containerStatuses": container(lastState={"terminated": {"exitCode": 1}})},
            "Degraded",
        ),
        ({}, {"phase": "Pending"}, "Progressing"),
        (
            {},
            {"phase": "Pending", "containerStatuses": container(state={"waiting": {"reason": "ImagePullBackOff"}})},
            "Degraded",
        ),
        (
            {},
            {"phase": "Pending", "initContainerStatuses": container(state={"waiting": {"reason": "ErrImagePull"}})},
            "Degraded",
        ),
        (
            {},
            {"phase": "Pending", "containerStatuses": container(state={"waiting": {"reason": "ContainerCreating"}})},
            "Progressing",
        ),
        ({"restartPolicy": "Never"}, {"phase": "Running"}, "Progressing"),
        ({"restartPolicy": "Never"}, {"phase": "Succeeded"}, "Healthy"),
        ({"restartPolicy": "Never"}, {"phase": "Failed"}, "Degraded"),
        ({}, {"phase": "Unknown"}, "Unknown"),
        ({}, {}, "Unknown"),
    ],
)
def test_pods(spec: Any, status: Any, health: str) -> None:
    assert judge("Pod", spec, status)[0] == health


def test_a_failed_pod_says_what_failed() -> None:
    ended = container(state={"terminated": {"exitCode": 137, "reason": "OOMKilled"}})
    assert judge("Pod", {"restartPolicy": "Never"}, {"phase": "Failed", "containerStatuses": ended}) == (
        "Degraded",
        "container c: OOMKilled",
    )
    assert judge("Pod", {}, {"phase": "Failed", "message": "evicted"}) == ("Degraded", "evicted")


@pytest.mark.parametrize(
    ("conditions", "health"),
    [
        ([], ("Progressing", "")),
        ([{"type": "Complete", "status": "True"}], ("Healthy", "")),
        ([{"type": "Failed", "status": "True", "message": "backoff"}], ("Degraded", "backoff")),
        ([{"type": "Suspended", "status": "True"}], ("Suspended", "the Job is suspended")),
        ([{"type": "Suspended", "status": "False"}, {"type": "Complete", "status": "False"}], ("Progressing", "")),
    ],
)
def test_jobs(conditions: Any, health: tuple[str, str]) -> None:
    assert judge("Job", {}, {"conditions": conditions}) == health


EARLIER, LATER = "2026-01-31T23:59:00Z", "2026-02-01T00:00:00Z"
FAILED = ("Degraded", "the latest run did not succeed")


@pytest.mark.parametrize(
    ("spec", "status", "health"),
    [
        ({}, {}, ("Healthy", "")),
        ({"suspend": False}, {"lastScheduleTime": EARLIER, "lastSuccessfulTime": LATER}, ("Healthy", "")),
        ({}, {"lastScheduleTime": EARLIER, "lastSuccessfulTime": EARLIER}, ("Healthy", "")),
        ({}, {"lastScheduleTime": LATER, "lastSuccessfulTime": EARLIER}, FAILED),
        ({}, {"lastScheduleTime": LATER, "lastSuccessfulTime": EARLIER, "active": [{"name": "a"}]}, ("Healthy", "")),
        ({}, {"lastScheduleTime": LATER}, ("Healthy", "")),
        ({}, {"lastSuccessfulTime": EARLIER}, ("Healthy", "")),
        ({}, {"lastScheduleTime": LATER, "lastSuccessfulTime": 7}, ("Healthy", "")),
        (
            {"suspend": True},
            {"lastScheduleTime": LATER, "lastSuccessfulTime": EARLIER},
            ("Suspended", "the CronJob is suspended"),
        ),
    ],
)
def test_cron_jobs(spec: Any, status: Any, health: tuple[str, str]) -> None:
    assert judge("CronJob", spec, status) == health


ADDRESS = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}


def test_services_ingresses_and_claims() -> None:
    assert judge("Service", {"type": "ClusterIP"})[0] == "Healthy"
    assert judge("Service", {"type": "LoadBalancer"})[0] == "Progressing"
    assert judge("Service", {"type": "LoadBalancer"}, ADDRESS)[0] == "Healthy"
    assert judge("Ingress", {}, {"loadBalancer": {}})[0] == "Progressing"
    assert judge("Ingress", {}, ADDRESS)[0] == "Healthy"
    phases = {"Bound": "Healthy", "Pending": "Progressing", "Lost": "Degraded", "Odd": "Unknown"}
    assert {phase: judge("PersistentVolumeClaim", {}, {"phase": phase})[0] for phase in phases} == phases


def test_an_object_that_is_not_there_is_missing_and_one_that_goes_progresses() -> None:
    assert assess(None) == Health("Missing")
    assert judge("ConfigMap", deletionTimestamp="2026-01-01T00:00:00Z") == ("Progressing", "pending deletion")


def test_other_kinds_have_no_health_even_under_a_known_name() -> None:
    assert assess({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}) is None
    assert assess({"apiVersion": "autoscaling.k8s.io/v1", "kind": "VerticalPodAutoscaler", "metadata": {}}) is None
    assert assess({"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": "a"}}) is None


def test_an_application_is_as_well_as_its_worst_object() -> None:
    ranks = ["Healthy", "Suspended", "Progressing", "Missing", "Degraded", "Unknown"]
    healths = [Health(status) for status in ranks]  # type: ignore[arg-type]
    for position, health in enumerate(healths):
        assert worst([None, *healths[: position + 1]]) == health
        assert worst(reversed(healths[: position + 1])) == health
    assert worst([None, None]) == Health("Healthy")
    assert worst([Health("Degraded", "one"), Health("Degraded", "two")]).message == "one"


FIELDS = [
    "conditions",
    "containerStatuses",
    "ingress",
    "lastScheduleTime",
    "lastState",
    "lastSuccessfulTime",
    "loadBalancer",
    "observedGeneration",
    "partition",
    "phase",
    "reason",
    "replicas",
    "rollingUpdate",
    "state",
    "status",
    "terminated",
    "type",
    "updateStrategy",
    "waiting",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 4) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(FIELDS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


CONDITIONS = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["AbleToScale", "Available", "Established", "NamesAccepted", "ScalingActive"]) | JSON},
        optional={"status": st.sampled_from(["True", "False"]) | JSON, "reason": JSON, "message": JSON},
    ),
    max_size=3,
)


@given(
    kind=st.sampled_from(sorted({*API_VERSIONS, "Pod", "Service", "PersistentVolumeClaim"})),
    spec=JSON,
    status=JSON | st.fixed_dictionaries({"observedGeneration": st.just(2), "conditions": CONDITIONS}),
    annotations=JSON | st.fixed_dictionaries({CONDITIONS_ANNOTATION: JSON | CONDITIONS.map(orjson.dumps)}),
)
def test_no_object_however_odd_is_an_error(kind: str, spec: Any, status: Any, annotations: Any) -> None:
    health = judge(kind, spec, status, annotations=annotations)
    assert health[0] in {"Healthy", "Suspended", "Progressing", "Degraded", "Unknown"}
    assert isinstance(health[1], str)
