"""A verdict is of one API server, one question and one moment, and says nothing of others."""

from __future__ import annotations

from typing import Any

from tests.support.diffing import config_map, managed, manifest
from trueup.domain.by_hand import Hands
from trueup.domain.compare_options import How, HowToCompare
from trueup.domain.diff import ObjectDiff, compare
from trueup.domain.resource import Manifest
from trueup.domain.verdict import local_verdict
from trueup.engine.comparison import Comparison
from trueup.engine.verdicts import Verdicts


def test_a_verdict_is_of_one_cluster() -> None:
    """A cluster that was restored from another's copy has its objects' uids and versions."""
    desired = manifest(config_map(mood="calm"))
    live = config_map(mood="stormy")
    live["metadata"] |= {"uid": "u", "resourceVersion": "1"}
    diff, verdicts = compare(desired, live), Verdicts()
    verdicts.put("https://east", desired, live, diff)
    assert verdicts.get("https://east", desired, live) == diff
    assert verdicts.get("https://west", desired, live) is None


def test_a_verdict_is_of_the_options_it_was_asked_with() -> None:
    desired, live = manifest(config_map(mood="calm")), config_map(mood="stormy")
    diff, verdicts = compare(desired, live), Verdicts()
    verdicts.put("https://east", desired, live, diff, How(server_side=True))
    assert verdicts.get("https://east", desired, live, How(server_side=True)) == diff
    assert verdicts.get("https://east", desired, live, How(server_side=True, webhooks=True)) is None
    assert verdicts.get("https://east", desired, live) is None


def test_what_was_asked_least_recently_is_forgotten_first_and_an_older_version_at_once() -> None:
    verdicts = Verdicts(verdicts_max=2)

    def asked(name: str, version: str = "1") -> tuple[Manifest, dict[str, Any], ObjectDiff]:
        desired, live = manifest(config_map(mood=name)), config_map(mood="stormy")
        live["metadata"] |= {"uid": name, "resourceVersion": version}
        return desired, live, compare(desired, live)

    for name in ("a", "b"):
        verdicts.put("", *asked(name))
    assert verdicts.get("", *asked("a")[:2]) is not None
    verdicts.put("", *asked("c"))
    assert [verdicts.get("", *asked(name)[:2]) is not None for name in "abc"] == [True, False, True]
    verdicts.put("", *asked("c", "2"))
    assert [verdicts.get("", *asked("c", version)[:2]) is not None for version in "12"] == [False, True]
    assert verdicts.get("", *asked("a")[:2]) is not None, "it took no other's place"


async def test_what_is_only_shown_is_shown_as_the_annotation_of_now_says() -> None:
    """It is no part of what is remembered: the Application may ask for another mode meanwhile."""
    desired = manifest(config_map(mood="calm"))
    live = managed(
        config_map(mood="stormy"), ("kubectl-edit", "Update", {"f:metadata": {"f:finalizers": {'v:"a"': {}}}})
    )
    live["metadata"] |= {"finalizers": ["a"], "uid": "u", "resourceVersion": "1"}
    key, verdicts = desired.key, Verdicts()
    hands = Hands.of(["kubectl-*"])
    shown = HowToCompare(How(hands, "drift"))
    hidden = HowToCompare(How(hands, "ignore"))

    async def judged(how: HowToCompare) -> list[str]:
        diff = local_verdict(desired, live, how.of_application)
        comparison = Comparison("shop", "n", "c", {key: desired}, {key: live}, {}, {key: diff}, how=how)
        verdicts.remember(comparison)
        # Nobody is asked of what is known.
        told = await verdicts.judged(None, comparison, in_flight_max=1)  # type: ignore[arg-type]
        return [str(change) for change in told.diffs[key].changes]

    assert await judged(shown) == ["data.mood", "metadata.finalizers[=a]"]
    assert await judged(hidden) == ["data.mood"]


def test_what_a_syncs_own_applies_say_is_kept_without_what_people_added() -> None:
    """Of that they say nothing: somebody may have added something just before."""
    desired = manifest(config_map(mood="calm"))
    live = managed(config_map(mood="calm", more="yes"), ("kubectl-edit", "Update", {"f:data": {"f:more": {}}}))
    how = HowToCompare(How(Hands.of(["kubectl-*"]), "drift"))
    diff = local_verdict(desired, live, how.of_application)
    assert diff.status == "OutOfSync"
    key = desired.key
    comparison = Comparison("shop", "n", "c", {key: desired}, {key: live}, {}, {key: diff}, how=how)
    verdicts = Verdicts()
    verdicts.remember(comparison)
    kept = verdicts.get("", desired, live, how.of_application)
    assert kept is not None
    assert kept.changes == ()


def test_a_comparison_after_writes_looks_only_for_additions_that_were_judged() -> None:
    desired = manifest(config_map(mood="calm"))
    fields = {"f:data": {"f:more": {}, "f:default": {}}}
    live = managed(config_map(mood="calm", more="yes", default="1"), ("kubectl-create", "Update", fields))
    how = HowToCompare(How(Hands.of(["kubectl-*"]), "report"))
    found = local_verdict(desired, live, how.of_application, only=frozenset({("data", "more")}))
    key = desired.key
    before = Comparison("shop", "n", "c", {key: desired}, {key: live}, {}, {key: found}, how=how)
    after = before.with_live({key: live})
    assert [str(change) for change in after.diffs[key].changes] == ["data.more"]
