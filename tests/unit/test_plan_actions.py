"""A plan writes what is desired, in order, and deletes nothing that is not certainly the application's own."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domain.diff import compare
from trueup.domain.inventory import after_reading, before_sync
from trueup.domain.plan import Plan, Policy, plan, tracked
from trueup.domain.resource import Manifest, ResourceKey, tracked_by, tracking_id

APP = "shop"


def key(name: str, kind: str = "ConfigMap") -> ResourceKey:
    return ResourceKey("", kind, "n", name)


def body(at: ResourceKey, *, app: str | None = None, value: str = "1", **metadata: Any) -> dict[str, Any]:
    annotations = dict(metadata.pop("annotations", {}))
    if app is not None:
        annotations["argocd.argoproj.io/tracking-id"] = tracking_id(app, at)
    metadata = {"name": at.name, "namespace": at.namespace, "annotations": annotations, **metadata}
    return {"apiVersion": "v1", "kind": at.kind, "metadata": metadata, "data": {"a": value}}


def manifest(at: ResourceKey) -> Manifest:
    return Manifest(at, "v1", body(at), f"{at.name}.yaml")


def make(
    desired: list[ResourceKey],
    live: dict[ResourceKey, dict[str, Any] | None],
    inventory: list[ResourceKey] | None = None,
    policy: Policy | None = None,
    others: frozenset[str] = frozenset(),
) -> Plan:
    manifests = [manifest(at) for at in desired]
    return plan(
        application=APP,
        desired=manifests,
        diffs={item.key: compare(item, live[item.key]) for item in manifests if item.key in live},
        live=live,
        inventory=inventory or [],
        policy=policy or Policy(prune=True),
        other_applications=others,
    )


def done(made: Plan) -> list[tuple[str, str]]:
    return [(action.verb, action.key.name) for action in made.actions]


def why(made: Plan) -> dict[str, str]:
    return {action.key.name: action.reason for action in made.actions if action.verb == "keep"}


def test_each_desired_object_is_created_updated_adopted_or_left() -> None:
    a, b, c, d = (key(name) for name in "abcd")
    live = {a: None, b: body(b, app=APP, value="2", uid="u-b"), c: body(c), d: body(d, app=APP)}
    made = make([a, b, c, d], live)
    assert done(made) == [("create", "a"), ("update", "b"), ("adopt", "c")]
    assert [action.uid for action in made.actions] == ["", "u-b", ""]
    for action in made.actions:
        assert action.body is not None
        assert tracked_by(action.body) == APP
        assert action.body["data"] == {"a": "1"}


def test_an_update_names_each_place_to_remove_once() -> None:
    a = key("a")
    live = body(a, app=APP)
    live["data"]["b"] = "2"
    live["metadata"]["managedFields"] = [
        {"manager": manager, "operation": "Apply", "fieldsV1": {"f:data": {"f:a": {}, "f:b": {}}}}
        for manager in ("trueup", "argocd-controller")
    ]
    (action,) = make([a], {a: live}).actions
    assert action.verb == "update"
    assert action.remove == (("data", "b"),)


def test_writes_go_by_kind_and_prunes_against_it() -> None:
    kinds = ["Ingress", "Widget", "Deployment", "Service", "Secret", "Namespace"]
    keys = [key(kind.lower(), kind) for kind in kinds]
    assert [name for _, name in done(make(keys, dict.fromkeys(keys)))] == [
        "namespace",
        "secret",
        "service",
        "deployment",
        "ingress",
        "widget",
    ]
    stays = key("stays")
    live = {at: body(at, app=APP) for at in [*keys, stays]}
    assert done(make([stays], live, keys)) == [
        ("prune", name) for name in ("widget", "ingress", "deployment", "service", "secret", "namespace")
    ]


def test_what_git_dropped_is_pruned_only_if_it_is_ours() -> None:
    ours, theirs, free, copy, gone, stays = (key(name) for name in ("ours", "theirs", "free", "copy", "gone", "stays"))
    copied = body(copy)
    copied["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"] = tracking_id(APP, ours)
    live = {
        ours: body(ours, app=APP, uid="u"),
        theirs: body(theirs, app="other"),
        free: body(free),
        copy: copied,
        gone: None,
        stays: body(stays, app=APP),
    }
    made = make([stays], live, [ours, theirs, free, copy, gone])
    assert [(action.key, action.uid) for action in made.writes] == [(ours, "u")]
    assert why(made) == {
        "theirs": "it is tracked by other",
        "free": "it does not carry our tracking id",
        "copy": "it does not carry our tracking id",
    }


def test_nothing_outside_the_inventory_is_pruned_though_it_says_it_is_ours() -> None:
    stays, stray = key("stays"), key("stray")
    made = make([stays], {stays: body(stays, app=APP), stray: body(stray, app=APP)}, [stays])
    assert made.actions == ()


@pytest.mark.parametrize(
    ("policy", "annotations", "reason"),
    [
        (Policy(prune=False), {}, "pruning is not enabled"),
        (Policy(prune=True, prune_option=False), {}, "the sync option Prune=false keeps it"),
        (
            Policy(prune=True),
            {"argocd.argoproj.io/sync-options": "Validate=false, Prune=false"},
            "the sync option Prune=false keeps it",
        ),
        (
            Policy(prune=True),
            {"argocd.argoproj.io/sync-options": "Prune=confirm"},
            "Prune=confirm asks for a confirmation, which is not supported yet",
        ),
        (Policy(prune=True, selected=(key("stays"),)), {}, "it is not among the selected resources"),
    ],
)
def test_a_guard_keeps_what_would_be_pruned_and_says_why(
    policy: Policy, annotations: dict[str, str], reason: str
) -> None:
    stays, old = key("stays"), key("old")
    live = {stays: body(stays, app=APP), old: body(old, app=APP, annotations=annotations)}
    made = make([stays], live, [old], policy)
    assert why(made) == {"old": reason}
    assert [action.requires_pruning for action in made.actions] == [True]
    assert done(make([stays], {stays: body(stays, app=APP), old: body(old, app=APP)}, [old])) == [("prune", "old")]


def test_an_object_that_is_being_deleted_is_neither_pruned_again_nor_written() -> None:
    a, b = key("a"), key("b")
    live = {at: body(at, app=APP, value="2", deletionTimestamp="2026-01-01T00:00:00Z") for at in (a, b)}
    made = make([a], live, [b])
    assert made.writes == ()
    assert why(made) == {
        "a": "it is being deleted; it is created anew once it is gone",
        "b": "it is being deleted already",
    }


def test_an_empty_render_prunes_nothing_unless_that_is_allowed() -> None:
    old = key("old")
    live = {old: body(old, app=APP)}
    made = make([], live, [old])
    assert made.writes == ()
    assert [condition.type for condition in made.conditions] == ["SyncError"]
    allowed = make([], live, [old], Policy(prune=True, allow_empty=True))
    assert done(allowed) == [("prune", "old")]
    assert allowed.conditions == ()


def test_what_could_not_be_read_is_neither_written_nor_pruned() -> None:
    a, b, old = key("a"), key("b"), key("old")
    made = make([a, b], {b: body(b, app=APP)}, [old])
    assert made.writes == ()
    assert why(made) == {"a": "its live state could not be read", "old": "its live state could not be read"}
    assert after_reading([old], [a, b], {b: None}, APP) == (a, b, old)


def test_a_selection_writes_and_prunes_only_what_it_names() -> None:
    a, b, old, older = (key(name) for name in ("a", "b", "old", "older"))
    live: dict[ResourceKey, Any] = {a: None, b: None, old: body(old, app=APP), older: body(older, app=APP)}
    made = make([a, b], live, [old, older], Policy(prune=True, selected=(b, old)))
    assert [(action.verb, action.key.name) for action in made.writes] == [("create", "b"), ("prune", "old")]


def test_a_selected_name_without_a_namespace_is_that_name_in_any() -> None:
    a, old, older = (key(name) for name in ("a", "old", "older"))
    live: dict[ResourceKey, Any] = {a: None, old: body(old, app=APP), older: body(older, app=APP)}
    selected = tuple(ResourceKey("", "ConfigMap", "", name) for name in ("a", "old"))
    made = make([a], live, [old, older], Policy(prune=True, selected=selected))
    assert [(action.verb, action.key.name) for action in made.writes] == [("create", "a"), ("prune", "old")]


def test_an_object_of_another_application_is_left_to_it_and_both_are_told() -> None:
    a, b = key("a"), key("b")
    live = {a: body(a, app="other", value="2"), b: body(b, app="bygone", value="2")}
    made = make([a, b], live, others=frozenset({"other"}))
    assert done(made) == [("keep", "a"), ("update", "b")]
    assert why(made) == {"a": "it belongs to application other"}
    assert [condition.type for condition in made.conditions] == ["SharedResourceWarning"]
    assert made.refusal == ""
    strict = make([a], live, policy=Policy(fail_on_shared_resource=True), others=frozenset({"other"}))
    assert strict.refusal == "ConfigMap n/a is part of application other too; take it out of all but one"


def test_an_object_that_is_defined_twice_is_written_once_and_told() -> None:
    a = key("a")
    made = make([a, a], {a: None})
    assert done(made) == [("create", "a")]
    assert [condition.type for condition in made.conditions] == ["RepeatedResourceWarning"]
    assert "a.yaml, a.yaml" in made.conditions[0].message


def test_a_secret_is_applied_with_its_strings_in_data() -> None:
    at = key("a", "Secret")
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {"x": "one"}}
    applied = tracked(Manifest(at, "v1", secret, ""), APP)
    assert applied["data"] == {"x": "b25l"}
    assert "stringData" not in applied
    assert "annotations" not in secret["metadata"]


def test_the_inventory_is_old_and_new_before_a_sync_and_what_is_left_after() -> None:
    a, b, ours, gone, theirs = (key(name) for name in ("a", "b", "ours", "gone", "theirs"))
    assert before_sync([ours, a], [b, a]) == (a, b, ours)
    live = {ours: body(ours, app=APP), gone: None, theirs: body(theirs, app="other"), a: None}
    assert after_reading([ours, gone, theirs], [a], live, APP) == (a, ours)


NAMES = st.sampled_from("abcdef")
STATES = st.sampled_from(["unread", "gone", "ours", "theirs", "free"])


@given(
    desired=st.sets(NAMES),
    inventory=st.sets(NAMES),
    states=st.dictionaries(NAMES, STATES),
    prune=st.booleans(),
    allow_empty=st.booleans(),
    selected=st.sets(NAMES, max_size=2),
)
def test_only_ours_from_the_inventory_is_ever_deleted(
    desired: set[str],
    inventory: set[str],
    states: dict[str, str],
    prune: bool,
    allow_empty: bool,
    selected: set[str],
) -> None:
    live: dict[ResourceKey, dict[str, Any] | None] = {}
    for name, state in states.items():
        owner = {"ours": APP, "theirs": "other"}.get(state)
        if state != "unread":
            live[key(name)] = None if state == "gone" else body(key(name), app=owner)
    policy = Policy(prune=prune, allow_empty=allow_empty, selected=tuple(key(name) for name in sorted(selected)))
    made = make([key(name) for name in sorted(desired)], live, [key(name) for name in inventory], policy)
    pruned = {action.key.name for action in made.actions if action.verb == "prune"}
    may = {name for name in inventory - desired if states.get(name) == "ours"}
    if selected:
        may &= selected
    if not prune or (not desired and not allow_empty):
        may = set()
    assert pruned == may
    written = {action.key.name for action in made.writes} - pruned
    assert written <= desired
    assert not selected or written <= selected
    left = {at.name for at in after_reading([key(n) for n in inventory], [key(n) for n in desired], live, APP)}
    assert desired <= left <= desired | inventory
    assert {name for name in inventory if name not in states or states[name] in ("unread", "ours")} <= left


def test_a_cluster_scoped_object_carries_the_applications_namespace_in_its_tracking_id_as_in_argo_cd() -> None:
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "r"}}
    key = ResourceKey.of(role)
    applied = tracked(Manifest(key, "v1", role, ""), APP, "delivered-to")
    identity = applied["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"]
    assert identity == f"{APP}:rbac.authorization.k8s.io/ClusterRole:delivered-to/r"
    assert tracked_by(applied) == APP
    for wrong in (f"{APP}:rbac.authorization.k8s.io/ClusterRole:x/other", f"{APP}:/ClusterRole:x/r", f"{APP}:r"):
        applied["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"] = wrong
        assert tracked_by(applied) is None
