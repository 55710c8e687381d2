"""Whether a difference is drift is read from the Application's own status."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from trueup.clients.applications import parse_application
from trueup.domain.application import Application
from trueup.domain.autosync import Situation, decide
from trueup.domain.errors import StalledError, TransientError
from trueup.domain.resource import ResourceKey
from trueup.domain.status import was_true
from trueup.engine.comparison import Comparison
from workers.outcome import compared, not_compared

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
GONE = ResourceKey("", "ConfigMap", "shop", "old")
OLD = {"apiVersion": "v1", "kind": "ConfigMap"}


def application(**source: str) -> Application:
    return parse_application(
        {
            "metadata": {"namespace": "argocd", "name": "shop", "uid": "u", "resourceVersion": "1"},
            "spec": {
                "project": "default",
                "source": {"repoURL": "https://git.example.com/shop.git", "path": "a", **source},
                "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
                "syncPolicy": {"automated": {}},
            },
        }
    )


def with_status(before: Application, status: dict[str, Any]) -> Application:
    return replace(before, raw={**before.raw, "status": status})


def looked_at(before: Application, revision: str, *, differs: bool) -> Application:
    tracked = {**OLD, "metadata": {"name": "old", "namespace": "shop", "annotations": tracking()}}
    live = {GONE: tracked} if differs else {}
    comparison = Comparison("shop", "shop", revision, {}, live, {}, {})
    assert comparison.sync_status == ("OutOfSync" if differs else "Synced")
    return with_status(before, compared(before, comparison, now=NOW))


def tracking() -> dict[str, str]:
    return {"argocd.argoproj.io/tracking-id": "shop:/ConfigMap:shop/old"}


def conditions(of: Application) -> list[str]:
    return [entry["type"] for entry in of.status.get("conditions", ())]


def test_drift_stays_drift_on_every_later_look_without_any_record() -> None:
    true = looked_at(application(), "c2", differs=False)
    drifted = looked_at(true, "c2", differs=True)
    for _ in range(3):
        assert was_true(drifted, "c2")
        assert conditions(drifted) == ["DriftInfo"]
        situation = Situation("OutOfSync", "c2", has_changes=True, drifted=was_true(drifted, "c2"))
        assert not decide(drifted, situation, NOW).sync, "a person's edit is not to be overwritten"
        drifted = looked_at(drifted, "c2", differs=True)
    assert conditions(looked_at(drifted, "c2", differs=False)) == []


def test_what_git_brought_and_nobody_delivered_is_no_drift() -> None:
    moved = looked_at(looked_at(application(), "c1", differs=False), "c2", differs=True)
    assert not was_true(moved, "c2")
    assert conditions(moved) == []
    assert not was_true(looked_at(moved, "c2", differs=True), "c2")
    drifted = looked_at(looked_at(application(), "c1", differs=False), "c1", differs=True)
    assert conditions(looked_at(drifted, "c2", differs=True)) == []


def test_another_source_or_destination_at_the_same_revision_is_no_drift() -> None:
    true = looked_at(application(), "c1", differs=False)
    for change in ({"source": {**true.raw["spec"]["source"], "path": "b"}}, {"destination": {"name": "other"}}):
        elsewhere = replace(true, raw={**true.raw, "spec": {**true.raw["spec"], **change}})
        assert not was_true(elsewhere, "c1")


@pytest.mark.parametrize("error", [StalledError("no right"), TransientError("away")])
def test_a_comparison_that_fails_in_between_does_not_take_that_away(error: StalledError | TransientError) -> None:
    true = looked_at(application(), "c2", differs=False)
    drifted = looked_at(true, "c2", differs=True)
    for before in (true, drifted):
        failed = with_status(before, not_compared(before, error, now=NOW))
        assert was_true(failed, "c2")
        assert was_true(looked_at(failed, "c2", differs=True), "c2")
