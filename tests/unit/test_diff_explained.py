"""Each field that is reported, ignored or written otherwise is explained by the rule that did it."""

from __future__ import annotations

from typing import Any

from tests.support.diffing import config_map, deployment, managed, manifest
from trueup.domain.diff import ObjectDiff, compare
from trueup.domain.explain import Explanation, explain
from trueup.domain.fieldpath import show


def why(desired: dict[str, Any], live: dict[str, Any] | None, diff: ObjectDiff | None = None) -> list[tuple[str, ...]]:
    asked = manifest(desired)
    found = explain(asked, live, diff or compare(asked, live))
    return [(show(each.path), each.verdict, each.rule) for each in found]


def test_a_missing_object_is_explained() -> None:
    assert why(config_map(a="1"), None) == [("", "reported", "missing")]


def test_what_is_reported_names_its_rule() -> None:
    assert why(config_map(a="1", b="2"), config_map(a="2")) == [
        ("data.a", "reported", "differs"),
        ("data.b", "reported", "missing"),
    ]


def test_what_was_dropped_from_git_is_told_from_what_was_never_there() -> None:
    live = managed(config_map(a="1", b="2"), ("trueup", "Apply", {"f:data": {"f:a": {}, "f:b": {}}}))
    live["data"]["c"] = "3"
    assert why(config_map(a="1"), live) == [
        ("data.b", "reported", "no longer in Git"),
        ("data.c", "ignored", "not in Git"),
    ]


def test_another_notation_shows_both() -> None:
    desired = deployment(containers=[{"name": "a", "resources": {"limits": {"cpu": "1000m"}}}])
    live = deployment(containers=[{"name": "a", "resources": {"limits": {"cpu": "1"}}}])
    asked = manifest(desired)
    (found,) = explain(asked, live, compare(asked, live))
    assert show(found.path) == "spec.template.spec.containers[name=a].resources.limits.cpu"
    assert (found.verdict, found.rule, found.detail) == (
        "equal though written otherwise",
        "another notation",
        "1000m is 1",
    )


def test_of_a_secret_no_spelling_is_shown() -> None:
    def secret(password: str) -> dict[str, Any]:
        named = {"name": "a", "namespace": "n"}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": named, "data": {"password": password}}

    asked = manifest(secret("aGV5\n"))
    (found,) = explain(asked, secret("aGV5"), compare(asked, secret("aGV5")))
    assert (show(found.path), found.rule, found.detail) == ("data.password", "another notation", "both mean the same")


def test_what_asks_for_nothing_is_no_difference_and_said_so() -> None:
    asked = deployment(containers=[{"name": "a", "resources": {}, "env": []}], hostNetwork=False)
    live = deployment(containers=[{"name": "a"}])
    assert [(verdict, rule) for _, verdict, rule in why(asked, live)] == [
        ("equal though written otherwise", "asks for nothing")
    ] * 3


def test_what_the_judge_settled_is_said_to_be_the_servers_own() -> None:
    desired, live = config_map(a="1"), config_map(a="rewritten")
    judged = ObjectDiff(manifest(desired).key, "Synced")
    assert why(desired, live, judged) == [("data.a", "ignored", "judged by the API server")]


def test_a_reason_that_somebody_gave_counts_for_its_place_and_all_below() -> None:
    desired, live = config_map(a="1"), config_map(a="2", b="3")
    asked = manifest(desired)
    given = Explanation(("data",), "ignored", "ignoreDifferences[0].jsonPointers[1]", "it is asked for")
    assert explain(asked, live, ObjectDiff(asked.key, "Synced"), ignored=[given]) == (given,)


def test_members_of_lists_are_named_by_their_owner() -> None:
    live = managed(
        deployment(containers=[{"name": "a", "image": "1"}, {"name": "mesh", "image": "2"}]),
        ("mesh-injector", "Update", {"f:spec": {"f:template": {"f:spec": {"f:containers": {
            'k:{"name":"mesh"}': {".": {}, "f:image": {}, "f:name": {}}}}}}}),
    )  # fmt: skip
    asked = manifest(deployment(containers=[{"name": "a", "image": "1"}]))
    (found,) = explain(asked, live, compare(asked, live))
    assert show(found.path) == "spec.template.spec.containers[name=mesh]"
    assert found.detail == "Git says nothing of it, and mesh-injector wrote it"
