"""`argocd-cm` is read as Argo CD reads it, and what makes no sense there is a fault of its own."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.arbitrary import JSON
from trueup.clients.argocd_cm import ArgocdCm, faults_of
from trueup.domain.ignore_settings import NO_SETTINGS, ResourceSettings, read_resource_settings

C = "resource.customizations"
SERVER = "https://kubernetes.default.svc"
KEYS = (
    C,
    f"{C}.ignoreDifferences.apps_Deployment",
    f"{C}.ignoreDifferences.all",
    f"{C}.ignoreResourceUpdates.all",
    "resource.exclusions",
    "resource.inclusions",
    "resource.compareoptions",
    "resource.ignoreResourceUpdatesEnabled",
)


def test_a_key_names_the_kind_and_all_is_every_kind() -> None:
    read = read_resource_settings(
        {
            f"{C}.ignoreDifferences.apps_Deployment": "jsonPointers: [/spec/replicas]",
            f"{C}.ignoreDifferences.ConfigMap": "jqPathExpressions:\n- .data.x\n",
            f"{C}.ignoreDifferences.all": "managedFieldsManagers: [kube-controller-manager]",
            f"{C}.ignoreResourceUpdates.argoproj.io_Rollout": "jsonPointers: [/spec/x]",
            f"{C}.health.apps_Deployment": "return {}",
            f"{C}.useOpenLibs.apps_Deployment": "true",
        }
    )
    assert {(rule.group, rule.kind): (rule.pointers, rule.jq, rule.managers) for rule in read.differences} == {
        ("apps", "Deployment"): (("/spec/replicas",), (), ()),
        ("", "ConfigMap"): ((), (".data.x",), ()),
        ("*", "*"): ((), (), ("kube-controller-manager",)),
    }
    assert [(rule.group, rule.kind, rule.pointers) for rule in read.updates] == [
        ("argoproj.io", "Rollout", ("/spec/x",))
    ]
    assert faults_of(read) == ()


def test_the_older_key_holds_them_all_and_a_newer_one_replaces_it() -> None:
    older = """
    apps/Deployment:
      ignoreDifferences: |
        jsonPointers: [/spec/replicas]
      health.lua: "return {}"
    "*.example.com/*":
      ignoreDifferences: {jsonPointers: [/spec/a]}
      ignoreResourceUpdates: |
        jsonPointers: [/spec/b]
    Service:
      actions: "x"
    """
    read = read_resource_settings({C: older, f"{C}.ignoreDifferences.apps_Deployment": "jsonPointers: [/spec/paused]"})
    assert {(rule.group, rule.kind): rule.pointers for rule in read.differences} == {
        ("apps", "Deployment"): ("/spec/paused",),
        ("*.example.com", "*"): ("/spec/a",),
    }
    assert [rule.pointers for rule in read.updates] == [("/spec/b",)]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({f"{C}.ignoreDifferences.apps_Deployment": "jsonPointers: ["}, ("apps_Deployment", "correct it")),
        ({f"{C}.ignoreDifferences.apps_Deployment": "- a"}, ("apps_Deployment", "mapping")),
        ({f"{C}.ignoreDifferences.apps_Deployment": "jsonPointers: [a]"}, ("apps_Deployment", "slash")),
        ({f"{C}.ignoreDifferences.apps_Deployment": "{}\n---\n{}"}, ("apps_Deployment", "documents")),
        ({C: "apps/Deployment: {ignoreDifferences: 'a: ['}"}, ("apps/Deployment", "correct it")),
        ({C: "]"}, (C, "correct it")),
        ({C: "- a"}, (C, "<group>/<kind>")),
        ({"resource.exclusions": "- {"}, ("resource.exclusions", "correct it")),
        ({"resource.exclusions": "a: b"}, ("resource.exclusions", "list")),
        ({"resource.inclusions": "- kinds: [1]"}, ("resource.inclusions", "list of strings")),
        ({"resource.inclusions": "- a"}, ("resource.inclusions", "mapping")),
        ({"resource.exclusions": "- kinds: ['[']"}, ("resource.exclusions", "glob")),
    ],
)
def test_what_makes_no_sense_is_named_with_its_key(data: dict[str, str], words: tuple[str, ...]) -> None:
    (sentence,) = faults_of(read_resource_settings(data))
    assert all(word in sentence for word in words), sentence


def test_a_customization_that_is_no_yaml_may_be_about_anything_and_takes_no_good_rule_along() -> None:
    read = read_resource_settings({C: "]", f"{C}.ignoreDifferences.all": "jsonPointers: [/a]"})
    assert [(bool(rule.fault), rule.group, rule.kind) for rule in read.differences] == [
        (True, "*", "*"),
        (False, "*", "*"),
    ]


@pytest.mark.parametrize(
    ("exclusions", "inclusions", "kind", "excluded"),
    [
        ("- {apiGroups: ['*.example.com'], kinds: ['*']}", "", ("a.example.com", "Widget"), True),
        ("- {apiGroups: ['*.example.com'], kinds: ['*']}", "", ("example.com", "Widget"), False),
        ("- {apiGroups: ['']}", "", ("", "Secret"), True),
        ("- {kinds: [Endpoint*]}", "", ("discovery.k8s.io", "EndpointSlice"), True),
        ("- {kinds: [Secret], clusters: ['https://other*']}", "", ("", "Secret"), False),
        ("- {kinds: [Secret], clusters: ['*']}", "", ("", "Secret"), True),
        ("", "- {apiGroups: [apps]}", ("", "Secret"), True),
        ("", "- {apiGroups: [apps]}", ("apps", "Deployment"), False),
        ("- {kinds: [Deployment]}", "- {apiGroups: [apps]}", ("apps", "Deployment"), True),
        ("[]", "[]", ("", "Secret"), False),
        ("- {}", "", ("", "Secret"), True),
    ],
)
def test_kinds_are_left_alone_as_the_filters_say(
    exclusions: str, inclusions: str, kind: tuple[str, str], excluded: bool
) -> None:
    read = read_resource_settings({"resource.exclusions": exclusions, "resource.inclusions": inclusions})
    assert read.fault == ""
    assert read.excludes(*kind, SERVER) is excluded


def test_compare_options_have_argo_cds_defaults_and_decide_on_updates() -> None:
    asked = "ignoreAggregatedRoles: true\nignoreResourceStatusField: crd\nignoreDifferencesOnResourceUpdates: false\n"
    data = {"resource.compareoptions": asked, f"{C}.ignoreDifferences.all": "jsonPointers: [/a]"}
    assert read_resource_settings(data).update_rules == ()
    del data["resource.compareoptions"]
    assert [rule.pointers for rule in read_resource_settings(data).update_rules] == [("/a",)]
    data["resource.ignoreResourceUpdatesEnabled"] = "False"
    assert read_resource_settings(data).update_rules == ()


def test_a_change_is_told_of_once_and_only_where_it_says_something_else() -> None:
    told: list[tuple[ResourceSettings, ResourceSettings]] = []
    held = ArgocdCm()
    held.on_change(lambda before, after: told.append((before, after)))
    body = {"data": {f"{C}.ignoreDifferences.all": "jsonPointers: [/a]", "url": "x"}}
    held.observe(None, body)
    held.observe(body, {"data": {**body["data"], "url": "y"}})
    held.observe(body, None)
    assert [(len(before.differences), len(after.differences)) for before, after in told] == [(0, 1), (1, 0)]
    assert held() == NO_SETTINGS


YAMLISH = st.text(st.sampled_from("{}[]:-,'\"|>&*!%# \n\tab1/"), max_size=40)


@given(st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=60), YAMLISH | JSON, max_size=4))
def test_nothing_in_a_config_map_breaks_the_reading(data: dict[str, Any]) -> None:
    read = read_resource_settings(data)
    read.excludes("apps", "Deployment", SERVER)
    for rule in (*read.differences, *read.update_rules):
        assert rule.origin.startswith("argocd-cm resource.customizations")
        rule.concerns_kind("apps", "Deployment")
