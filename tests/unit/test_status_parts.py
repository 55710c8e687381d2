"""Every part of a status has Argo CD's shape, and what did not change keeps its times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from trueup.clients.applications import parse_application
from trueup.clients.crds.application_status import ApplicationStatus
from trueup.clients.crds.sentences import type_sentences
from trueup.domain import status
from trueup.domain.application import Application
from trueup.domain.job import Token
from trueup.domain.resource import ResourceKey

NOW = datetime(2025, 1, 31, 12, 0, 0, 999_999, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
SAMPLES = Path(__file__).parents[1] / "samples" / "applications"
KEY = ResourceKey("apps", "Deployment", "shop", "front")
CONFIG = ResourceKey("", "ConfigMap", "shop", "front")
SHA = "a" * 40
UID = "0b0c8f1e-0000-4000-8000-000000000001"
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "message", "status", "id", "info", "name", "value", "lastTransitionTime", "operation"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


def application(name: str = "web-shop", **source: Any) -> Application:
    raw = yaml.safe_load((SAMPLES / f"{name}.yaml").read_text(encoding="utf-8"))
    raw["spec"]["source"].update(source)
    return parse_application(raw)


def whole(old: dict[str, Any] | None = None, *, now: datetime = NOW) -> dict[str, Any]:
    before, app = old or {}, application()
    operation = status.with_token(status.automated_operation({}, SHA, prune=True), Token(3, 14), UID)
    results = [
        status.ResourceResult(KEY, "v1", "Synced", "configured", sync_phase="Sync", images=("front:v1",)),
        status.ResourceResult(CONFIG, "v1", "", hook_type="PreSync", hook_phase="Running"),
    ]
    source = app.raw["spec"]["source"]
    return {
        "sync": status.sync(app, status="Synced", revision=SHA),
        "health": status.health(before, status="Healthy", now=now),
        "conditions": status.conditions(
            before, [status.Condition("SyncError", "no")], evaluated=status.SYNC_CONDITIONS, now=now
        ),
        "resources": status.resources(
            [
                status.ResourceEntry(KEY, "v1", "Synced", health="Healthy", sync_wave=-1),
                status.ResourceEntry(CONFIG, "v1", "OutOfSync", requires_pruning=True),
            ]
        ),
        "operationState": status.operation_state(
            operation=operation,
            phase="Succeeded",
            message="done",
            started_at=NOW,
            finished_at=now,
            revision=SHA,
            spec={"source": source},
            results=results,
            retry_count=2,
        ),
        "history": status.history(
            before,
            revision=SHA,
            spec={"source": source},
            initiated_by={"automated": True},
            started_at=NOW,
            now=now,
            limit=3,
        ),
        "summary": status.summary(["front:v2", "front:v1", "front:v2"]),
        "sourceType": "Directory",
        "reconciledAt": status.timestamp(now),
        "controllerNamespace": "argocd",
    }


def test_a_status_is_what_the_schema_says() -> None:
    made = whole()
    assert type_sentences(ApplicationStatus, made, "status") == []
    assert made["sync"] == {
        "status": "Synced",
        "revision": SHA,
        "comparedTo": {
            "source": application().raw["spec"]["source"],
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
        },
    }
    assert made["resources"] == [
        {"version": "v1", "kind": "ConfigMap", "namespace": "shop", "name": "front", "status": "OutOfSync",
         "requiresPruning": True},
        {"group": "apps", "version": "v1", "kind": "Deployment", "namespace": "shop", "name": "front",
         "status": "Synced", "health": {"status": "Healthy"}, "syncWave": -1},
    ]  # fmt: skip
    assert made["operationState"]["syncResult"]["resources"][1] == {
        "group": "", "version": "v1", "kind": "ConfigMap", "namespace": "shop", "name": "front", "hookType": "PreSync",
        "hookPhase": "Running",
    }  # fmt: skip
    assert made["summary"] == {"images": ["front:v1", "front:v2"]}


def test_the_inventory_comes_back_as_it_was_written() -> None:
    raw = {**application().raw, "status": whole()}
    assert parse_application(raw).inventory == (CONFIG, KEY)


def test_times_are_utc_and_whole_seconds() -> None:
    assert status.timestamp(NOW) == "2025-01-31T12:00:00Z"
    assert status.timestamp(NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))) == "2025-01-31T12:00:00Z"
    assert status.timestamp(NOW.replace(tzinfo=None)) == "2025-01-31T12:00:00Z"


def test_health_keeps_its_time_while_it_stays_the_same() -> None:
    first = status.health({}, status="Progressing", message="1 of 2", now=NOW)
    second = status.health({"health": first}, status="Progressing", message="2 of 2", now=LATER)
    assert second == {"status": "Progressing", "message": "2 of 2", "lastTransitionTime": "2025-01-31T12:00:00Z"}
    third = status.health({"health": second}, status="Healthy", now=LATER)
    assert third == {"status": "Healthy", "lastTransitionTime": "2025-01-31T13:00:00Z"}


def test_conditions_come_stay_and_go_by_what_was_evaluated() -> None:
    theirs = {"type": "OrphanedResourceWarning", "message": "2 orphans", "lastTransitionTime": "2024-01-01T00:00:00Z"}
    failed = {"type": "SyncError", "message": "denied", "lastTransitionTime": "2024-02-01T00:00:00Z"}
    gone = {"type": "ComparisonError", "message": "no path", "lastTransitionTime": "2024-03-01T00:00:00Z"}
    stays = {"type": "ComparisonError", "message": "no kind", "lastTransitionTime": "2024-04-01T00:00:00Z"}
    found = [status.Condition("ComparisonError", "no kind"), status.Condition("SharedResourceWarning", "shared")]
    made = status.conditions(
        {"conditions": [theirs, failed, gone, stays]}, found, evaluated=status.COMPARISON_CONDITIONS, now=NOW
    )
    new = {"type": "SharedResourceWarning", "message": "shared", "lastTransitionTime": "2025-01-31T12:00:00Z"}
    assert made == [theirs, failed, stays, new]


def test_the_same_condition_twice_is_one() -> None:
    twice = [status.Condition("SyncError", "x")] * 2
    evaluated = status.SYNC_CONDITIONS
    first = status.conditions({}, twice, evaluated=evaluated, now=NOW)
    assert len(first) == 1
    assert status.conditions({"conditions": first * 2}, twice, evaluated=evaluated, now=LATER) == first


def test_history_grows_by_ids_and_is_bounded() -> None:
    old: dict[str, Any] = {}
    for number in range(5):
        old["history"] = status.history(
            old,
            revision=str(number),
            spec={"source": {"repoURL": "https://git.example.com/a.git"}},
            initiated_by={"username": "ada"},
            started_at=NOW,
            now=LATER,
            limit=3,
        )
    assert [(entry["id"], entry["revision"]) for entry in old["history"]] == [(2, "2"), (3, "3"), (4, "4")]
    assert old["history"][-1] == {
        "id": 4,
        "revision": "4",
        "source": {"repoURL": "https://git.example.com/a.git"},
        "initiatedBy": {"username": "ada"},
        "deployStartedAt": "2025-01-31T12:00:00Z",
        "deployedAt": "2025-01-31T13:00:00Z",
    }


@pytest.mark.parametrize(("limit", "kept"), [(0, 0), (-1, 0), (1, 1), (1_000_000, status.HISTORY_ENTRIES_MAX)])
def test_a_history_limit_is_kept_and_has_a_limit_itself(limit: int, kept: int) -> None:
    old = {"history": [{"id": number} for number in range(200)]}
    made = status.history(old, revision="", spec={}, initiated_by={}, started_at=NOW, now=NOW, limit=limit)
    assert len(made) == kept
    assert not made or made[-1]["id"] == 200


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ada:hunter2@git.example.com/a.git", "https://git.example.com/a.git"),
        ("https://token@git.example.com/a.git", "https://git.example.com/a.git"),
        ("ssh://git:hunter2@git.example.com/a.git", "ssh://git.example.com/a.git"),
        ("ssh://git@git.example.com/a.git", "ssh://git@git.example.com/a.git"),
        ("git@git.example.com:a.git", "git@git.example.com:a.git"),
        ("https://git.example.com/a.git", "https://git.example.com/a.git"),
    ],
)
def test_no_credential_is_copied_into_a_status(url: str, shown: str) -> None:
    app = application(repoURL=url)
    source = app.raw["spec"]["source"]
    assert status.sync(app, status="Unknown", revision="")["comparedTo"]["source"] == {**source, "repoURL": shown}
    made = status.history({}, revision="", spec={"source": source}, initiated_by={}, started_at=NOW, now=NOW, limit=1)
    assert made[0]["source"]["repoURL"] == shown
    state = status.operation_state(
        operation={}, phase="Running", message="", started_at=NOW, revision=SHA, spec={"source": source}
    )
    assert state["syncResult"]["source"]["repoURL"] == shown
    assert state["operation"] == {}


def test_the_token_lives_in_the_operation_and_only_once() -> None:
    asked = {"sync": {}, "info": [{"name": "Reason", "value": "why not"}]}
    held = status.with_token(status.with_token(asked, Token(1, 2), UID), Token(1, 3), UID)
    assert held["info"] == [
        {"name": "Reason", "value": "why not"},
        {"name": "trueup.dev/token", "value": f"1.3@{UID}"},
    ]
    assert asked["info"] == [{"name": "Reason", "value": "why not"}]
    state = status.operation_state(operation=held, phase="Running", message="", started_at=NOW)
    assert status.token_of({"operationState": state}, UID) == Token(1, 3)
    assert status.token_of({"operationState": state}, "of-another-object") is None
    assert status.token_of({}, UID) is None
    assert status.token_of({"operationState": {"operation": asked}}, UID) is None


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "Pod", "spec": {"initContainers": [{"image": "a"}], "containers": [{"image": "b"}, {"image": "a"}]}},
        {"kind": "Deployment", "spec": {"template": {"spec": {"containers": [{"image": "a"}, {"image": "b"}, {}]}}}},
        {"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": [
            {"image": "a"}, {"image": "b"}]}}}}}},
    ],
)  # fmt: skip
def test_images_are_found_wherever_pods_are_described(body: dict[str, Any]) -> None:
    assert status.images_of(body) == ("a", "b")


def test_objects_without_pods_run_no_images() -> None:
    assert status.images_of({"kind": "Service", "spec": {"ports": []}}) == ()
    assert status.images_of({"kind": "Secret"}) == ()


def test_lists_are_bounded() -> None:
    many = [status.Condition("SyncError", f"{number}") for number in range(1_000)]
    made = status.conditions({}, many, evaluated=status.SYNC_CONDITIONS, now=NOW)
    assert len(made) == status.CONDITIONS_MAX
    images = status.summary(f"image:{number}" for number in range(10_000))["images"]
    assert len(images) == status.IMAGES_MAX


def test_messages_are_bounded() -> None:
    made = status.conditions(
        {}, [status.Condition("SyncError", "x" * 10_000)], evaluated=status.SYNC_CONDITIONS, now=NOW
    )
    assert len(made[0]["message"]) == status.MESSAGE_CHARS_MAX
    again = status.conditions(
        {"conditions": made},
        [status.Condition("SyncError", "x" * 10_000)],
        evaluated=status.SYNC_CONDITIONS,
        now=LATER,
    )
    assert again == made


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(["health", "conditions", "history", "operationState"]), ODD))
def test_whatever_another_controller_left_behind_is_written_over(old: dict[str, Any]) -> None:
    made = whole(old)
    status.token_of(old, UID)
    status.with_token(old, Token(1, 1), UID)
    assert made["history"][-1]["revision"] == SHA
    assert {"type": "SyncError", "message": "no"}.items() <= made["conditions"][-1].items() or any(
        entry["type"] == "SyncError" and entry["message"] == "no" for entry in made["conditions"]
    )


def test_the_same_facts_make_the_same_status() -> None:
    first = whole()
    again = whole({key: value for key, value in first.items() if key != "history"})
    assert again == first
