"""A difference names every place that is not what Git says, and no other."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.diffing import config_map, deployment, managed, manifest, service, shown
from trueup.domain.diff import compare, settle_with
from trueup.domain.errors import StalledError
from trueup.domain.fieldpath import OBJECT_DEPTH_MAX, find


def test_an_object_that_is_not_there_is_missing() -> None:
    assert compare(manifest(config_map(a="1")), None).status == "Missing"


def test_what_only_the_server_writes_is_never_a_difference() -> None:
    live = config_map(a="1")
    live["status"] = {"phase": "Active"}
    live["metadata"] |= {
        "uid": "u",
        "resourceVersion": "9",
        "generation": 3,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "annotations": {"argocd.argoproj.io/tracking-id": "x", "kubectl.kubernetes.io/last-applied-configuration": "{"},
    }
    desired = copy.deepcopy(live)
    desired["status"] = {"phase": "Other"}
    desired["metadata"] |= {"uid": "v", "resourceVersion": "8", "generation": 1, "creationTimestamp": None}
    desired["metadata"]["annotations"] = {
        "argocd.argoproj.io/tracking-id": "y",
        "kubectl.kubernetes.io/last-applied-configuration": "z",
    }
    desired["apiVersion"] = "v1"
    assert compare(manifest(desired), live).changes == ()


def test_another_version_of_the_same_group_is_no_difference() -> None:
    live = deployment(nodeName="x")
    desired = {**deployment(nodeName="x"), "apiVersion": "apps/v1beta1"}
    assert shown(desired, live) == []


def test_a_change_says_where_what_and_whose() -> None:
    fields = {"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"b"}': {".": {}, "f:image": {}}}}}}}
    live = managed(
        deployment(containers=[{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]),
        ("someone", "Update", fields),
    )
    (change,) = compare(manifest(deployment(containers=[{"name": "b", "image": "1"}])), live).changes
    assert str(change) == "spec.template.spec.containers[name=b].image"
    assert change.pointer == "/spec/template/spec/containers/1/image"
    assert (change.kind, change.desired, change.live) == ("changed", "1", "2")
    assert [(owner.manager, owner.operation) for owner in change.owners] == [("someone", "Update")]
    assert change.removes is None


def test_annotations_with_dots_and_slashes_are_shown_whole_and_escaped_in_the_pointer() -> None:
    live = config_map()
    live["metadata"]["annotations"] = {"example.com/a": "1"}
    desired = config_map()
    desired["metadata"]["annotations"] = {"example.com/a": "2"}
    (change,) = compare(manifest(desired), live).changes
    assert str(change) == 'metadata.annotations["example.com/a"]'
    assert change.pointer == "/metadata/annotations/example.com~1a"


@pytest.mark.parametrize(
    ("desired", "live"),
    [
        ({"cpu": "1000m"}, {"cpu": "1"}),
        ({"cpu": 0.5}, {"cpu": "500m"}),
        ({"cpu": 1}, {"cpu": "1"}),
        ({"memory": "1024Mi"}, {"memory": "1Gi"}),
        ({"memory": 1e9}, {"memory": "1G"}),
        ({"memory": "1e3"}, {"memory": "1k"}),
    ],
)
def test_one_amount_in_two_spellings_is_no_difference(desired: dict[str, Any], live: dict[str, Any]) -> None:
    def body(limits: dict[str, Any]) -> dict[str, Any]:
        return deployment(containers=[{"name": "a", "resources": {"limits": limits}}])

    assert shown(body(desired), body(live)) == []
    assert shown(body(desired), body(dict.fromkeys(live, "7"))) != []


def test_amounts_are_text_wherever_no_quantity_stands() -> None:
    def env(value: str) -> dict[str, Any]:
        return deployment(containers=[{"name": "a", "env": [{"name": "limits", "value": value}]}])

    assert shown(env("1000m"), env("1")) == ["changed spec.template.spec.containers[name=a].env[name=limits].value"]
    assert shown(config_map(limits="1000m"), config_map(limits="1")) == ["changed data.limits"]
    assert shown(deployment(nodeSelector={"divisor": "1"}), deployment(nodeSelector={"divisor": "1000m"})) != []
    scaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"}
    labelled = [{**scaler, "metadata": {"name": "a", "labels": {"value": value}}} for value in ("1", "1000m")]
    assert shown(*labelled) == ["changed metadata.labels.value"]
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"}}
    assert shown({**widget, "limits": {"x": "1k"}}, {**widget, "limits": {"x": "1000"}}) == ["changed limits.x"]


def test_true_is_not_one_and_one_is_one_point_nought() -> None:
    assert shown(config_map(a=1), config_map(a=True)) == ["changed data.a"]
    assert shown(config_map(a=False), config_map(a=0)) == ["changed data.a"]
    assert shown(config_map(a=1), config_map(a=1.0)) == []


def test_nothing_said_is_nothing_missed() -> None:
    desired = deployment(
        nodeSelector={}, tolerations=[], hostNetwork=False, subdomain="", affinity=None, containers=[{"name": "a"}]
    )
    assert shown(desired, deployment(containers=[{"name": "a"}])) == []


def test_an_empty_object_or_a_false_that_means_something_is_missed() -> None:
    desired = deployment(volumes=[{"name": "v", "emptyDir": {}}], enableServiceLinks=False)
    assert shown(desired, deployment(volumes=[{"name": "v"}])) == [
        "missing spec.template.spec.volumes[name=v].emptyDir",
        "missing spec.template.spec.enableServiceLinks",
    ]
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"}}
    assert shown({**widget, "paused": False}, widget) == ["missing paused"]


def test_string_data_is_what_ends_up_in_data_and_wins_over_it() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}
    desired = {**secret, "stringData": {"a": "one"}, "data": {"a": "eA==", "b": "dHdv\n"}}
    assert shown(desired, {**secret, "data": {"a": "b25l", "b": "dHdv"}}) == []
    assert shown(desired, {**secret, "data": {"a": "eA==", "b": "dHdv"}}) == ["changed data.a"]


def test_a_certificates_name_makes_no_base64_of_a_text() -> None:
    assert shown(config_map(caBundle="QUJD\n"), config_map(caBundle="QUJD")) == ["changed data.caBundle"]
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}
    assert shown({**secret, "data": {"caBundle": "QUJD\n"}}, {**secret, "data": {"caBundle": "QUJD"}}) == []


@pytest.mark.parametrize(
    ("said", "different"),
    [
        ({"data": ["a"], "stringData": {"a": "b"}}, ["changed data", "missing stringData"]),
        ({"data": "a", "stringData": {"a": "b"}}, ["changed data", "missing stringData"]),
        ({"stringData": ["a"]}, ["missing stringData"]),
        ({"stringData": None}, []),
    ],
)
def test_a_secret_that_is_none_differs_and_breaks_nothing(said: dict[str, Any], different: list[str]) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}
    assert shown({**secret, **said}, {**secret, "data": {"a": "eA=="}}) == different


def test_the_rules_of_an_aggregated_role_are_the_controllers() -> None:
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "a"}}
    filled = {**role, "aggregationRule": {}, "rules": [{"verbs": ["get"]}]}
    assert shown({**role, "aggregationRule": {}, "rules": []}, filled) == []
    assert shown({**role, "rules": [{"verbs": ["list"]}]}, filled) == ["changed rules[0].verbs[0]"]


def test_last_applied_counts_until_trueup_has_applied() -> None:
    live = config_map(a="1", b="2")
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(config_map(a="1", b="0"))}
    live["metadata"]["annotations"] = annotations
    assert shown(config_map(a="1"), live) == ["extra data.b"]
    own = managed(live, ("trueup", "Apply", {"f:data": {"f:a": {}}}))
    assert shown(config_map(a="1"), own) == []
    update = managed(live, ("kubectl-client-side-apply", "Update", {"f:data": {".": {}, "f:a": {}, "f:b": {}}}))
    assert shown(config_map(a="1"), update) == ["extra data.b"]
    del update["metadata"]["annotations"]
    assert shown(config_map(a="1"), update) == []


@pytest.mark.parametrize(
    "note", ["{", "[]", '"x"', "null", "[" * 100_000, json.dumps({"metadata": {"uid": "u"}, "data": {"b": "2"}})]
)
def test_a_note_that_kubectl_did_not_apply_is_no_note(note: str) -> None:
    live = config_map(a="1", b="2")
    live["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": note}
    assert shown(config_map(a="1"), live) == []


def test_the_label_argo_cd_tracks_by_is_not_extra_unless_ours() -> None:
    live = config_map()
    live["metadata"]["labels"] = {"app.kubernetes.io/instance": "shop"}
    fields = {"f:metadata": {"f:labels": {"f:app.kubernetes.io/instance": {}}}}
    assert shown(config_map(), managed(live, ("argocd-controller", "Apply", fields))) == []
    assert shown(config_map(), managed(live, ("trueup", "Apply", fields))) == [
        'extra metadata.labels["app.kubernetes.io/instance"]'
    ]


def test_a_map_that_others_have_filled_is_not_ours_to_remove() -> None:
    live = config_map()
    live["metadata"]["labels"] = {"theirs": "1"}
    live = managed(
        live,
        ("trueup", "Apply", {"f:metadata": {"f:labels": {}}}),
        ("other", "Update", {"f:metadata": {"f:labels": {"f:theirs": {}}}}),
    )
    assert shown(config_map(), live) == []


def test_a_selector_is_compared_whole_whoever_wrote_it() -> None:
    live = service()
    live["spec"]["selector"] = {"app": "a", "tier": "b"}
    desired = service()
    desired["spec"]["selector"] = {"app": "a"}
    leaf = {"f:spec": {"f:selector": {}}}
    ours = ("trueup", "Apply", {"f:spec": {"f:type": {}}})
    assert shown(desired, managed(live, ours, ("edit", "Update", leaf))) == ["extra spec.selector.tier"]
    assert shown(desired, managed(live, ("trueup", "Apply", leaf))) == ["extra spec.selector.tier"], "Git dropped it"
    assert shown(desired, live) == ["extra spec.selector.tier"]


def test_settling_drops_what_the_server_makes_of_the_manifest_and_keeps_the_rest() -> None:
    diff = compare(manifest(config_map(a="x", b="y", c="z")), config_map(a="X", b="other"))
    assert [str(change) for change in diff.changes] == ["data.a", "data.b", "data.c"]
    settled = settle_with(diff, config_map(a="X", b="y"))
    assert [str(change) for change in settled.changes] == ["data.b"]
    assert settled.status == "OutOfSync"
    assert settle_with(diff, config_map(a="X", b="other")).status == "Synced"


def test_settling_keeps_what_has_to_be_removed() -> None:
    live = managed(config_map(a="1"), ("trueup", "Apply", {"f:data": {"f:a": {}}}))
    diff = compare(manifest(config_map()), live)
    assert [change.kind for change in diff.changes] == ["extra"]
    assert settle_with(diff, live) == diff


def test_settling_drops_an_alternative_that_the_server_itself_writes() -> None:
    def env(**said: Any) -> dict[str, Any]:
        return deployment(containers=[{"name": "a", "env": [{"name": "A", **said}]}])

    asked, live = env(value="1"), env(valueFrom={"fieldRef": {"fieldPath": "metadata.name"}})
    diff = compare(manifest(asked), live)
    assert diff.removals != ()
    assert settle_with(diff, live).status == "Synced"
    assert settle_with(diff, asked).status == "OutOfSync"


def test_an_object_nested_too_deep_is_refused_by_name() -> None:
    def nested(levels: int) -> dict[str, Any]:
        value: Any = "x"
        for _ in range(levels):
            value = {"a": value}
        return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "deep"}, "spec": value}

    assert shown(nested(OBJECT_DEPTH_MAX - 1), nested(OBJECT_DEPTH_MAX - 1)) == []
    with pytest.raises(StalledError, match=r"Widget.example.com deep is nested deeper"):
        compare(manifest(nested(OBJECT_DEPTH_MAX)), nested(OBJECT_DEPTH_MAX))


def test_a_note_nested_too_deep_is_refused_by_name() -> None:
    value: Any = "x"
    for _ in range(600):
        value = {"a": value}
    live = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "deep"}, "spec": value}
    desired = {**live, "spec": None}
    note = json.dumps(live)
    annotated = {**live, "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": note}}}
    with pytest.raises(StalledError, match="nested deeper"):
        compare(manifest(desired), annotated)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=12,
)


def holds(live: Any, desired: Any) -> bool:
    """Whether a custom resource's live value says all that is desired: an oracle without lists of keys."""
    if isinstance(desired, dict) and isinstance(live, dict):
        return all(holds(live.get(name), value) for name, value in desired.items() if value is not None)
    if isinstance(desired, list) and isinstance(live, list):
        return len(desired) == len(live) and all(holds(other, one) for one, other in zip(desired, live, strict=True))
    return type(desired) is type(live) and desired == live


def widget(spec: Any) -> dict[str, Any]:
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"}, "spec": spec}


@given(desired=JSON, live=JSON)
def test_a_difference_is_empty_exactly_if_live_says_all_that_is_desired(desired: Any, live: Any) -> None:
    synced = compare(manifest(widget(desired)), widget(live)).changes == ()
    assert synced == holds(widget(live), widget(desired))


@given(desired=JSON, extra=st.dictionaries(st.sampled_from("wxyz"), JSON, max_size=2))
def test_what_was_applied_is_synced_whatever_others_add(desired: Any, extra: dict[str, Any]) -> None:
    live = widget(desired)
    if isinstance(desired, dict):
        live = widget({**extra, **desired})
    assert compare(manifest(widget(desired)), live).status == "Synced"


@given(desired=JSON, live=JSON)
def test_every_change_is_found_where_it_says(desired: Any, live: Any) -> None:
    diff = compare(manifest(widget(desired)), widget(live))
    for change in diff.changes:
        assert change.kind != "extra"
        assert find(widget(desired), change.path) == change.desired
        if change.kind == "changed":
            assert find(widget(live), change.path) == change.live
    assert settle_with(diff, widget(live)).status == "Synced"
