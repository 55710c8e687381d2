"""When an automated sync is due, and when the next try of a failed one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domain.application import Application, ApplicationId, Automated, Operation, RetryPolicy, SyncOptions
from trueup.domain.autosync import Situation, decide
from trueup.domain.job import Token
from trueup.domain.retry import next_retry, self_heal_delay
from trueup.domain.source import Source
from trueup.domain.status import with_token

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SOURCE = {"repoURL": "https://example.com/a.git", "path": "a"}
DRIFTED = Situation("OutOfSync", "c1", has_changes=True)


def app(automated: Automated | None = None, state: dict[str, Any] | None = None, **more: Any) -> Application:
    made = Application(
        id=ApplicationId("argocd", "shop"),
        uid="u",
        resource_version="1",
        project="default",
        sources=(Source("https://example.com/a.git", "a", "HEAD"),),
        server="https://kubernetes.default.svc",
        cluster="",
        namespace="n",
        automated=automated,
        options=SyncOptions(),
        retry=RetryPolicy(),
        history_limit=10,
        operation=None,
        refresh=None,
        deleting=False,
        finalizers=(),
        skip_reconcile=False,
        refusals=(),
        raw={"spec": {"source": SOURCE}, "status": {"operationState": state} if state else {}},
    )
    return replace(made, **more)


def synced(
    revision: str = "c1", phase: str = "Succeeded", seconds_ago: float = 3600, attempts: int = 0
) -> dict[str, Any]:
    return {
        "phase": phase,
        "message": "it said no",
        "finishedAt": (NOW - timedelta(seconds=seconds_ago)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "syncResult": {"revision": revision, "source": SOURCE},
        "operation": {"sync": {"autoHealAttemptsCount": attempts}},
    }


def test_a_new_revision_is_synced_once() -> None:
    assert decide(app(Automated()), DRIFTED, NOW).sync
    assert decide(app(Automated(prune=True)), DRIFTED, NOW).prune
    assert not decide(app(Automated()), DRIFTED, NOW).prune
    assert decide(app(Automated(), synced("c0")), DRIFTED, NOW).sync
    again = decide(app(Automated(), synced("c1")), DRIFTED, NOW)
    assert (again.sync, again.reason) == (False, "already synced to c1, and self-heal is off")


def test_without_the_policy_or_a_difference_nothing_is_synced() -> None:
    assert not decide(app(None), DRIFTED, NOW).sync
    assert not decide(app(Automated()), replace(DRIFTED, status="Synced"), NOW).sync
    assert not decide(app(Automated()), replace(DRIFTED, status="Unknown"), NOW).sync
    assert not decide(app(Automated(), deleting=True), DRIFTED, NOW).sync


def test_another_source_at_the_same_revision_is_new() -> None:
    state = synced("c1")
    state["syncResult"]["source"] = {**SOURCE, "path": "b"}
    assert decide(app(Automated(), state), DRIFTED, NOW).sync


@pytest.mark.parametrize("phase", ["Failed", "Error"])
def test_a_failed_revision_waits_for_another_even_with_self_heal(phase: str) -> None:
    decision = decide(app(Automated(self_heal=True), synced("c1", phase)), DRIFTED, NOW)
    assert not decision.sync
    assert decision.error == "the last sync to c1 failed: it said no"
    assert decide(app(Automated(), synced("c0", phase)), DRIFTED, NOW).sync


def test_drift_is_healed_at_once_and_then_ever_more_slowly() -> None:
    healing = Automated(self_heal=True)
    first = decide(app(healing, synced(seconds_ago=0)), DRIFTED, NOW)
    assert (first.sync, first.self_heal_attempts) == (True, 1)
    second = decide(app(healing, synced(seconds_ago=0, attempts=1)), DRIFTED, NOW)
    assert (second.sync, second.retry_after_seconds) == (False, 2.0)
    later = decide(app(healing, synced(seconds_ago=2, attempts=1)), DRIFTED, NOW)
    assert (later.sync, later.self_heal_attempts) == (True, 2)
    at_the_cap = decide(app(healing, synced(seconds_ago=301, attempts=9)), DRIFTED, NOW)
    assert (at_the_cap.sync, at_the_cap.self_heal_attempts) == (True, 10), "what never heals is not fought in bursts"
    calm = decide(app(healing, synced(seconds_ago=331, attempts=9)), DRIFTED, NOW)
    assert (calm.sync, calm.self_heal_attempts) == (True, 1)
    assert [self_heal_delay(attempts) for attempts in range(8)] == [0, 2, 6, 18, 54, 162, 300, 300]


@pytest.mark.parametrize("asked", [{"dryRun": True}, {"resources": [{"kind": "Service", "name": "s"}]}])
def test_a_dry_run_or_a_part_of_a_revision_has_not_delivered_it(asked: dict[str, Any]) -> None:
    state = synced("c1")
    state["operation"] = {"sync": asked}
    assert decide(app(Automated(), state), DRIFTED, NOW).sync


def test_a_sync_that_was_cut_short_is_finished_even_without_self_heal() -> None:
    decision = decide(app(Automated(), synced("c1", "Running", attempts=2)), DRIFTED, NOW)
    assert (decision.sync, decision.self_heal_attempts) == (True, 2)


def test_pruning_everything_has_to_be_allowed() -> None:
    wipe = replace(DRIFTED, wipes=True, has_changes=False)
    refused = decide(app(Automated(prune=True)), wipe, NOW)
    assert not refused.sync
    assert "allowEmpty" in refused.error
    assert decide(app(Automated(prune=True, allow_empty=True)), wipe, NOW).sync


def test_what_only_needs_pruning_waits_for_the_policy_that_prunes() -> None:
    only_prune = replace(DRIFTED, has_changes=False)
    assert not decide(app(Automated()), only_prune, NOW).sync
    assert decide(app(Automated(prune=True)), only_prune, NOW).sync


def test_a_requested_sync_follows_its_own_words() -> None:
    operation = Operation(prune=True, initiated_by="alice")
    decision = decide(app(None, synced("c1", "Failed"), operation=operation), replace(DRIFTED, status="Synced"), NOW)
    assert (decision.sync, decision.prune, decision.reason) == (True, True, "requested by alice")


@pytest.mark.parametrize("time", [None, 7, "yesterday", "2026-01-01T12:00:00"])
def test_an_unreadable_time_does_not_hold_healing_up(time: Any) -> None:
    state = synced(attempts=5)
    state["finishedAt"] = time
    assert decide(app(Automated(self_heal=True), state), DRIFTED, NOW).sync


def test_retries_double_up_to_the_limit_of_both() -> None:
    policy = RetryPolicy(limit=4, duration_seconds=5, factor=2, duration_seconds_max=15)
    assert [next_retry(policy, count) for count in range(6)] == [5, 10, 15, 15, None, None]
    assert next_retry(RetryPolicy(limit=0), 0) is None
    assert next_retry(RetryPolicy(limit=-1, duration_seconds_max=180), 10**9) == 180


@given(limit=st.integers(-1, 10), factor=st.floats(1, 1e6), count=st.integers(0, 10**6))
def test_a_retry_never_waits_longer_than_it_may(limit: int, factor: float, count: int) -> None:
    delay = next_retry(RetryPolicy(limit=limit, factor=factor), count)
    assert (delay is None) == (0 <= limit <= count)
    assert delay is None or 0 <= delay <= 180


EDITED = Situation("OutOfSync", "c2", has_changes=True, drifted=True)


def true_to(revision: str, state: dict[str, Any] | None, automated: Automated) -> Application:
    """An application that was Synced at the revision, though its last sync may have been to another."""
    status = {"sync": {"status": "Synced", "revision": revision}, "operationState": state or {}}
    return app(automated, raw={"spec": {"source": SOURCE}, "status": status})


@pytest.mark.parametrize("state", [None, synced("c1"), synced("c1", "Failed"), synced("c2")])
def test_a_live_edit_without_self_heal_waits_for_a_person_whatever_was_synced_last(
    state: dict[str, Any] | None,
) -> None:
    decision = decide(true_to("c2", state, Automated()), EDITED, NOW)
    assert not decision.sync
    assert "self-heal is off" in decision.reason


@pytest.mark.parametrize("state", [None, synced("c1"), synced("c1", "Failed"), synced("c2"), synced("c2", "Failed")])
def test_a_live_edit_with_self_heal_is_a_heal_and_no_deployment(state: dict[str, Any] | None) -> None:
    decision = decide(true_to("c2", state, Automated(self_heal=True)), EDITED, NOW)
    assert decision.sync
    assert decision.self_heal_attempts == 1


def test_what_could_not_be_healed_waits_for_a_change() -> None:
    failed = [{"type": "SyncError", "message": "it said no"}]
    status = {"operationState": synced("c2", "Failed"), "conditions": failed}
    application = app(Automated(self_heal=True), raw={"spec": {"source": SOURCE}, "status": status})
    decision = decide(application, EDITED, NOW)
    assert not decision.sync
    assert "it said no" in decision.error


def test_a_drift_war_is_fought_at_the_longest_interval_and_named() -> None:
    automated = Automated(self_heal=True)
    fought = replace(EDITED, war="spec.replicas of Deployment n/web was changed by hpa 4 times within 60 s")
    first = decide(true_to("c2", synced("c2", seconds_ago=400), automated), fought, NOW)
    assert first.sync, "the quiet before it makes it a new drift"
    assert not first.warning
    again = decide(true_to("c2", synced("c2", seconds_ago=20, attempts=2), automated), fought, NOW)
    assert not again.sync
    assert again.retry_after_seconds == 280
    assert "by hpa 4 times" in again.warning
    assert "take the field out of Git" in again.warning
    last = decide(true_to("c2", synced("c2", seconds_ago=301, attempts=2), automated), fought, NOW)
    assert last.sync


TOKEN = Token(1, 7)


def failed_once(seconds_ago: float, *, tries: int = 1, **more: Any) -> dict[str, Any]:
    """An automated sync that failed, with its next try due 5 s later, and 10 s after the second."""
    operation = with_token({"sync": {"revision": "c1", **more}, "initiatedBy": {"automated": True}}, TOKEN, "u")
    return {**synced(phase="Running", seconds_ago=seconds_ago), "retryCount": tries, "operation": operation}


@pytest.mark.parametrize(("tries", "due"), [(1, 5), (2, 10), (3, 20)])
def test_a_sync_that_failed_is_tried_again_when_it_is_due_and_not_before(tries: int, due: int) -> None:
    early = decide(app(Automated(), failed_once(due - 2, tries=tries)), DRIFTED, NOW)
    assert (early.sync, early.pending, early.retry_after_seconds) == (False, True, 2)
    assert decide(app(Automated(), failed_once(due, tries=tries)), DRIFTED, NOW).sync


@pytest.mark.parametrize(
    "change",
    [
        {"automated": Automated(prune=True)},
        {"spec": {"source": {**SOURCE, "path": "b"}}},
        {"spec": {"source": SOURCE, "destination": {"namespace": "other"}}},
        {"spec": {"source": SOURCE, "syncPolicy": {"syncOptions": ["CreateNamespace=true"]}}},
        {"spec": {"source": SOURCE, "syncPolicy": {"retry": {"limit": 0}}}},
        {"operation": Operation(raw={"sync": {}})},
        {"uid": "another object with a restored status"},
    ],
    ids=str,
)
def test_who_asks_for_something_else_does_not_wait_for_the_retry(change: dict[str, Any]) -> None:
    given = dict(change)
    raw = {"spec": given.pop("spec", {"source": SOURCE}), "status": {"operationState": failed_once(0)}}
    assert decide(app(given.pop("automated", Automated()), raw=raw, **given), DRIFTED, NOW).sync


def test_another_revision_or_a_cluster_put_right_does_not_wait_for_the_retry() -> None:
    application = app(Automated(), failed_once(0))
    assert not decide(application, DRIFTED, NOW).sync
    assert decide(application, replace(DRIFTED, revision="c2"), NOW).sync
    assert decide(application, replace(DRIFTED, status="Synced", has_changes=False), NOW).sync


def test_a_requested_sync_that_failed_waits_by_its_own_policy() -> None:
    asked = {"sync": {"prune": True}, "retry": {"limit": 3}}
    operation = Operation(prune=True, retry=RetryPolicy(limit=3, duration_seconds=60), raw=asked)
    state = {**failed_once(10), "operation": with_token(asked, TOKEN, "u")}
    decision = decide(app(None, state, operation=operation), DRIFTED, NOW)
    assert (decision.sync, decision.pending, decision.retry_after_seconds) == (False, True, 50)


def test_drift_after_a_failed_heal_was_put_right_is_healed_though_its_pause_was_waited_out() -> None:
    """The run that waits writes OutOfSync; what it does not write is that the sync failed."""
    state = synced("c2", "Failed", seconds_ago=5, attempts=3)
    status = {"sync": {"status": "OutOfSync", "revision": "c2"}, "operationState": state}
    waited = app(Automated(self_heal=True), raw={"spec": {"source": SOURCE}, "status": status})
    assert decide(waited, EDITED, NOW).retry_after_seconds == 13
    assert decide(waited, EDITED, NOW + timedelta(seconds=13)).sync
