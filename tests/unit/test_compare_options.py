"""What Applications, objects and argocd-cm ask of a comparison, and what the API server's word then means."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.diffing import config_map, deployment, managed, manifest
from trueup.domain.compare_options import CompareSettings, How, HowToCompare
from trueup.domain.diff import ObjectDiff, compare
from trueup.domain.serverside import settle_by_server
from trueup.domain.verdict import explained, local_verdict

OPTIONS = "argocd.argoproj.io/compare-options"
BY_HAND = "trueup.dev/added-by-hand"


def annotated(body: dict[str, Any], **annotations: str) -> dict[str, Any]:
    names = {"options": OPTIONS, "by_hand": BY_HAND}
    return {**body, "metadata": {**body["metadata"], "annotations": {names[k]: v for k, v in annotations.items()}}}


def how_of(application: dict[str, str], own: dict[str, str], settings: CompareSettings | None = None) -> How:
    raw = annotated(config_map(), **application)
    how = HowToCompare.of(raw, settings or CompareSettings())
    return how.of_object(annotated(config_map(), **own))[0]


def test_by_default_additions_are_drift_and_the_server_is_asked_where_live_differs() -> None:
    how = how_of({}, {})
    assert (how.by_hand, how.server_side, how.webhooks) == ("drift", None, False)


@pytest.mark.parametrize(
    ("text", "server_side", "webhooks"),
    [
        ("ServerSideDiff=true", True, False),
        ("ServerSideDiff=false", False, False),
        (" IgnoreExtraneous , ServerSideDiff=true , IncludeMutationWebhook=true", True, True),
        ("ServerSideDiff=perhaps,IncludeMutationWebhook", None, False),
        (",,=,", None, False),
    ],
)
def test_options_are_read_as_argo_cd_writes_them(text: str, server_side: bool | None, webhooks: bool) -> None:
    for of_application, own in (({"options": text}, {}), ({}, {"options": text})):
        how = how_of(of_application, own)
        assert (how.server_side, how.webhooks) == (server_side, webhooks)


def test_an_object_overrules_its_application() -> None:
    how = how_of({"options": "ServerSideDiff=true", "by_hand": "ignore"}, {"options": "ServerSideDiff=false"})
    assert (how.server_side, how.by_hand) == (False, "ignore")
    assert how_of({"by_hand": "ignore"}, {"by_hand": "report"}).by_hand == "report"


def test_a_value_that_nobody_knows_is_named_with_the_three_that_there_are_and_only_shows() -> None:
    how = HowToCompare.of(annotated(config_map(), by_hand="always"), CompareSettings())
    assert how.of_application.by_hand == "report"
    (sentence,) = how.problems
    assert sentence.startswith(f"{BY_HAND} is none of drift, ignore, report")
    of_object, (own,) = how.of_object(annotated(config_map(), by_hand="never"))
    assert of_object.by_hand == "report"
    assert own.startswith("ConfigMap a: ")


def test_a_status_in_git_is_never_compared() -> None:
    desired, live = {**config_map(), "status": {"phase": "A"}}, {**config_map(), "status": {"phase": "B"}}
    assert local_verdict(manifest(desired), live, How()).changes == ()


def test_with_the_local_comparison_alone_what_may_be_a_default_is_taken_for_one() -> None:
    selector = {"f:spec": {"f:podSelector": {}}}
    live = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "a", "namespace": "n"},
        "spec": {"podSelector": {"matchLabels": {"a": "b"}, "more": {"x": "y"}}},
    }
    desired = manifest({**live, "spec": {"podSelector": {"matchLabels": {"a": "b"}}}})
    live = managed(live, ("trueup", "Apply", selector))
    assert local_verdict(desired, live, How()).is_presumed
    alone = local_verdict(desired, live, How(server_side=False))
    assert alone.status == "Synced"
    rules = {one.rule for one in explained(desired, live, alone, How(server_side=False))}
    assert rules == {"a default"}


def settled(desired: dict[str, Any], live: dict[str, Any], applied: dict[str, Any], *, webhooks: bool) -> ObjectDiff:
    asked = manifest(desired)
    return settle_by_server(compare(asked, live), asked, live, applied, webhooks=webhooks)


def test_where_git_and_live_are_equal_only_by_a_rule_of_ours_the_server_decides() -> None:
    def limits(cpu: str) -> dict[str, Any]:
        return deployment(containers=[{"name": "a", "resources": {"limits": {"cpu": cpu}}}])

    desired, live = limits("1000m"), limits("1")
    assert settled(desired, live, live, webhooks=False).status == "Synced"
    (change,) = settled(desired, live, limits("2"), webhooks=False).changes
    assert change.rule == "differs, says the API server"


def test_what_a_webhook_would_change_counts_only_for_who_asks() -> None:
    desired = live = config_map(mood="calm")
    applied = config_map(mood="CALM", added="more")
    assert settled(desired, live, applied, webhooks=False).status == "Synced"
    asked = settled(desired, live, applied, webhooks=True)
    assert sorted(str(change) for change in asked.changes) == ["data.added", "data.mood"]


def test_what_the_server_settles_is_gone_in_any_case() -> None:
    desired, live = config_map(mood="calm"), config_map(mood="CALM")
    for webhooks in (False, True):
        assert settled(desired, live, live, webhooks=webhooks).status == "Synced"
