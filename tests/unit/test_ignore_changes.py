"""Whom a change of the resource settings concerns."""

from __future__ import annotations

from typing import Any

from trueup.clients.applications import parse_application
from trueup.domain.ignore_changes import concerned
from trueup.domain.ignore_settings import NO_SETTINGS, read_resource_settings

C = "resource.customizations.ignoreDifferences"


def application(name: str, *kinds: tuple[str, str]) -> Any:
    resources = [{"group": group, "kind": kind, "namespace": "n", "name": "x"} for group, kind in kinds]
    return parse_application({"metadata": {"name": name, "namespace": "argocd"}, "status": {"resources": resources}})


APPS = (application("web", ("apps", "Deployment"), ("", "Service")), application("config", ("", "ConfigMap")))


def names(before: dict[str, str], after: dict[str, str]) -> list[str]:
    found = concerned(read_resource_settings(before), read_resource_settings(after), APPS)
    return [app.id.name for app in found]


def test_a_changed_rule_concerns_those_with_objects_of_its_kind() -> None:
    rule = {f"{C}.apps_Deployment": "jsonPointers: [/spec/replicas]"}
    assert names({}, rule) == ["web"]
    assert names(rule, {}) == ["web"]
    assert names(rule, rule) == []
    assert names(rule, {f"{C}.apps_Deployment": "jsonPointers: [/spec/paused]"}) == ["web"]
    assert names({}, {f"{C}.all": "jsonPointers: [/a]"}) == ["web", "config"]
    assert names({}, {f"{C}.batch_Job": "jsonPointers: [/a]"}) == []


def test_a_rule_about_updates_changes_no_verdict() -> None:
    assert names({}, {"resource.customizations.ignoreResourceUpdates.all": "jsonPointers: [/a]"}) == []


def test_what_is_left_alone_or_compared_of_all_concerns_everybody() -> None:
    for data in ({"resource.exclusions": "- {kinds: [Job]}"}, {"resource.exclusions": "{"}):
        assert names({}, data) == ["web", "config"]
    assert concerned(NO_SETTINGS, NO_SETTINGS, APPS) == ()
