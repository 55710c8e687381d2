"""What people added is told from what others wrote by the names of field managers, place by place."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.diffing import config_map, deployment, managed, manifest, service
from trueup.domain.by_hand import ByHand, Hands, added, passed_by, with_additions, without_additions
from trueup.domain.diff import ObjectDiff, compare
from trueup.domain.fieldpath import ABSENT, Item, Member, Path, find, show
from trueup.domain.managedfields import FieldOwner
from trueup.domain.normalize import LAST_APPLIED_ANNOTATION
from trueup.engine.judge import removal
from trueup.settings import HAND_MANAGERS

HANDS = Hands.of(HAND_MANAGERS)


def found(desired: dict[str, Any], live: dict[str, Any], mode: ByHand = "drift") -> ObjectDiff:
    asked = manifest(desired)
    return with_additions(compare(asked, live), asked, live, HANDS, mode)


def paths(diff: ObjectDiff) -> list[str]:
    return [str(change) for change in added(diff)]


@pytest.mark.parametrize(
    "manager",
    ["kubectl", "kubectl-edit", "kubectl-patch", "k9s", "Mozilla", "node-fetch", "Headlamp 0.30.0 (linux", "lfk:alice"],
)
def test_these_are_people(manager: str) -> None:
    assert HANDS.wrote(FieldOwner(manager, "Update"))


@pytest.mark.parametrize(
    "manager",
    ["kubectl-client-side-apply", "trueup", "argocd-controller", "kube-controller-manager", "helm", "kubectlish", ""],
)
def test_these_are_not(manager: str) -> None:
    assert not HANDS.wrote(FieldOwner(manager, "Update"))


@pytest.mark.parametrize("manager", ["kubectl-client-side-apply", "trueup", "argocd-controller"])
def test_who_delivers_is_nobodys_hand_whatever_is_set(manager: str) -> None:
    assert not Hands.of(["*"]).wrote(FieldOwner(manager, "Update"))


def test_with_no_names_there_are_no_hands() -> None:
    assert not Hands.of(()).wrote(FieldOwner("kubectl-edit", "Update"))


def test_a_status_is_nobodys_addition() -> None:
    assert not HANDS.wrote(FieldOwner("kubectl-edit", "Update", "status"))
    assert HANDS.wrote(FieldOwner("kubectl", "Update", "scale"))


def test_what_is_only_shown_leaves_the_object_synced_and_in_place() -> None:
    live = managed(config_map(a="1", b="2"), ("kubectl-edit", "Update", {"f:data": {"f:b": {}}}))
    shown = found(config_map(a="1"), live, "report")
    assert (shown.status, shown.removals, paths(shown)) == ("Synced", (), ["data.b"])
    assert [change.counts for change in shown.changes] == [False]
    counted = found(config_map(a="1"), live)
    assert (counted.status, counted.removals) == ("OutOfSync", (("data", "b"),))
    assert found(config_map(a="1"), live, "ignore").changes == ()
    assert without_additions(counted).status == "Synced"


def test_what_another_owns_too_is_left_alone() -> None:
    fields = {"f:data": {"f:b": {}}}
    live = managed(config_map(a="1", b="2"), ("kubectl-edit", "Update", fields), ("operator", "Update", fields))
    assert found(config_map(a="1"), live).changes == ()


def test_a_member_is_whose_put_it_there() -> None:
    pods = {"f:spec": {"f:template": {"f:spec": {"f:containers": {}}}}}

    def of(name: str, fields: dict[str, Any]) -> dict[str, Any]:
        containers = {f'k:{{"name":"{name}"}}': fields}
        pods["f:spec"]["f:template"]["f:spec"] = {"f:containers": containers}
        return {"f:spec": {"f:template": {"f:spec": {"f:containers": containers}}}}

    body = deployment(containers=[{"name": "a"}, {"name": "mesh", "image": "2"}, {"name": "mine", "image": "3"}])
    live = managed(
        body,
        ("mesh", "Update", of("mesh", {".": {}, "f:name": {}})),
        ("kubectl-edit", "Update", of("mesh", {"f:image": {}})),
        ("kubectl-patch", "Update", of("mine", {".": {}, "f:name": {}, "f:image": {}})),
        ("mesh", "Update", of("mine", {"f:image": {}})),
    )
    diff = found(deployment(containers=[{"name": "a"}]), live)
    assert paths(diff) == ["spec.template.spec.containers[name=mine]"], "the other one is the mesh's, edited or not"


def test_what_stands_in_for_a_desired_member_is_no_addition_beside_it() -> None:
    port = {'k:{"port":81,"protocol":"TCP"}': {".": {}, "f:name": {}, "f:port": {}}}
    live = managed(
        service({"name": "http", "port": 81, "protocol": "TCP"}),
        ("kubectl-edit", "Update", {"f:spec": {"f:ports": port}}),
    )
    diff = found(service({"name": "http", "port": 80, "protocol": "TCP"}), live)
    assert paths(diff) == []
    assert [str(change) for change in diff.changes] == ["spec.ports[name=http].port"]


@pytest.mark.parametrize(
    ("annotation", "is_drift"),
    [
        ("kubectl.kubernetes.io/restartedAt", False),
        ("deployment.kubernetes.io/revision", False),
        ("kubernetes.io/change-cause", False),
        ("example.com/owner", True),
    ],
)
def test_notes_of_tools_are_passed_by_and_explained(annotation: str, is_drift: bool) -> None:
    live = managed(
        config_map(), ("kubectl-annotate", "Update", {"f:metadata": {"f:annotations": {f"f:{annotation}": {}}}})
    )
    live["metadata"]["annotations"] = {annotation: "now"}
    assert bool(paths(found(config_map(), live))) is is_drift
    explained = passed_by(manifest(config_map()), live, HANDS)
    assert bool(explained) is not is_drift
    assert all(one.rule == "added by hand, and no drift" for one in explained)


DELIVERED = ("trueup", "Apply", {"f:data": {"f:a": {}}})


def applied_by_kubectl(note: dict[str, Any], *entries: tuple[str, str, dict[str, Any]]) -> dict[str, Any]:
    """A live object with three keys, the note of `kubectl apply`, and these entries beside kubectl's own."""
    kubectl = {"f:data": {".": {}, "f:a": {}, "f:b": {}, "f:default": {}}}
    live = managed(config_map(a="1", b="2", default="x"), ("kubectl-client-side-apply", "Update", kubectl), *entries)
    live["metadata"]["annotations"] = {LAST_APPLIED_ANNOTATION: json.dumps(note)}
    return live


def test_what_somebody_adds_by_kubectl_apply_to_what_was_delivered_is_an_addition() -> None:
    live = applied_by_kubectl(config_map(a="1", b="2"), DELIVERED)
    assert paths(found(config_map(a="1"), live)) == ["data.b"], "and not the default that kubectl's entry owns too"
    assert paths(found(config_map(a="1", b="2"), live)) == []


def test_what_kubectl_applied_is_no_addition_where_others_own_it_or_nobody_says_that_people_use_kubectl() -> None:
    note = config_map(a="1", b="2")
    live = applied_by_kubectl(note, DELIVERED, ("operator", "Update", {"f:data": {"f:b": {}}}))
    assert found(config_map(a="1"), live).changes == ()
    asked, live = manifest(config_map(a="1")), applied_by_kubectl(note, DELIVERED)
    assert with_additions(compare(asked, live), asked, live, Hands.of(["k9s"]), "drift").changes == ()


def test_a_default_that_came_back_is_nobodys_though_a_note_of_kubectl_speaks_of_it() -> None:
    live = managed(config_map(a="1", b="2"), DELIVERED, ("kubectl-client-side-apply", "Update", {"f:data": {}}))
    live["metadata"]["annotations"] = {LAST_APPLIED_ANNOTATION: json.dumps(config_map(a="1", b="2"))}
    assert found(config_map(a="1"), live).changes == ()


def test_a_label_that_charts_carry_is_an_addition_only_where_a_person_labelled() -> None:
    """It tells nothing of who added it: `helm template | kubectl apply` has it as well."""
    label = "app.kubernetes.io/instance"
    labelled = config_map(a="1")
    labelled["metadata"]["labels"] = {label: "a"}
    owned = {"f:metadata": {"f:labels": {f"f:{label}": {}}}}
    noted = managed(labelled, DELIVERED, ("kubectl-client-side-apply", "Update", owned))
    noted["metadata"]["annotations"] = {LAST_APPLIED_ANNOTATION: json.dumps(labelled)}
    assert paths(found(config_map(a="1"), noted)) == []
    by_hand = managed(labelled, DELIVERED, ("kubectl-label", "Update", owned))
    assert paths(found(config_map(a="1"), by_hand)) == [f'metadata.labels["{label}"]']


def test_before_anything_was_delivered_what_kubectl_applied_is_what_git_once_said() -> None:
    live = applied_by_kubectl(config_map(a="1", b="2"))
    (change,) = found(config_map(a="1"), live).changes
    assert (str(change), change.rule) == ("data.b", "no longer in Git")


def test_a_finalizer_is_shown_and_never_taken_away() -> None:
    live = managed(config_map(), ("kubectl-edit", "Update", {"f:metadata": {"f:finalizers": {'v:"a/b"': {}}}}))
    live["metadata"]["finalizers"] = ["a/b"]
    diff = found(config_map(), live)
    assert [(show(change.path), change.counts) for change in diff.changes] == [("metadata.finalizers[=a/b]", False)]
    assert (diff.status, diff.removals) == ("Synced", ())


def test_a_certificate_that_git_leaves_to_others_is_passed_by() -> None:
    """Whoever makes it puts it there, often by a job that runs kubectl."""
    body = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "a"},
        "webhooks": [{"name": "a.example.com", "clientConfig": {"url": "https://a"}}],
    }
    live = copy.deepcopy(body)
    live["webhooks"][0]["clientConfig"]["caBundle"] = "aGk="  # type: ignore[index]
    webhook = {'k:{"name":"a.example.com"}': {"f:clientConfig": {"f:caBundle": {}}}}
    live = managed(live, ("kubectl-patch", "Update", {"f:webhooks": webhook}))
    assert found(body, live).changes == ()
    (explanation,) = passed_by(manifest(body), live, HANDS)
    assert show(explanation.path) == "webhooks[name=a.example.com].clientConfig.caBundle"


def test_what_only_is_called_as_a_certificate_is_an_addition_like_any_other() -> None:
    """In a ConfigMap it is a text, and in a custom resource somebody's trust."""
    live = managed(config_map(caBundle="x"), ("kubectl-edit", "Update", {"f:data": {"f:caBundle": {}}}))
    assert paths(found(config_map(), live)) == ["data.caBundle"]
    issuer = {"apiVersion": "example.com/v1", "kind": "Issuer", "metadata": {"name": "a"}, "spec": {"a": 1}}
    trusting = {**issuer, "spec": {"a": 1, "caBundle": "aGk="}}
    live = managed(trusting, ("kubectl-edit", "Update", {"f:spec": {"f:caBundle": {}}}))
    assert paths(found(issuer, live)) == ["spec.caBundle"]


NAMES = st.sampled_from("abcdefgh~/0")


@given(st.lists(NAMES, unique=True, min_size=1), st.sets(st.integers(0, 10)), st.lists(NAMES, unique=True))
def test_the_patch_takes_exactly_the_places_away(names: list[str], chosen: set[int], words: list[str]) -> None:
    """Whatever their order, and however many members of one list."""
    items = [{"name": name, "value": number, "args": list(words)} for number, name in enumerate(names)]
    live = {"metadata": {"resourceVersion": "1"}, "spec": {"items": items, "set": list(words)}}
    wanted: list[Path] = [
        ("spec", "items", Item((("name", name),))) for number, name in enumerate(names) if number in chosen
    ]
    kept = [name for number, name in enumerate(names) if number not in chosen]
    wanted += [("spec", "items", Item((("name", name),)), "value") for name in kept[::2]]
    wanted += [("spec", "set", Member(word)) for word in words[1:]]
    left = _patched(live, removal(live, wanted))
    assert all(find(left, path) is ABSENT for path in wanted)
    assert [item["name"] for item in left["spec"]["items"]] == kept
    assert [item["name"] for item in left["spec"]["items"] if "value" in item] == kept[1::2]
    assert left["spec"]["set"] == words[:1]


def _patched(value: Any, operations: list[dict[str, Any]]) -> Any:
    """RFC 6902, as far as tests and removals go."""
    value = copy.deepcopy(value)
    for operation in operations:
        *above, last = [token.replace("~1", "/").replace("~0", "~") for token in operation["path"].split("/")[1:]]
        holder = value
        for token in above:
            holder = holder[int(token)] if isinstance(holder, list) else holder[token]
        place: Any = int(last) if isinstance(holder, list) else last
        if operation["op"] == "test":
            assert holder[place] == operation["value"]
        else:
            del holder[place]
    return value
