"""A change of files that would leave a difference, or make another one, is found before anything comes of it."""

from __future__ import annotations

from typing import Any

from tests.support.diffing import config_map, manifest
from trueup.domain.diff import compare
from trueup.engine.adoption import Proposal, Taken
from trueup.engine.adoption_proof import worse
from trueup.engine.comparison import Comparison

Object = dict[str, Any]


def named(name: str, **data: str) -> Object:
    body = config_map(**data)
    body["metadata"]["name"] = name
    return body


def held(desired: list[Object], live: list[Object]) -> Comparison:
    manifests = {manifest(body).key: manifest(body) for body in desired}
    there = {manifest(body).key: body for body in live}
    diffs = {key: compare(wanted, there.get(key)) for key, wanted in manifests.items()}
    return Comparison("shop", "n", "sha", manifests, {key: there.get(key) for key in manifests}, {}, diffs)


LIVE = [named("one", a="2", b="2"), named("two", a="1")]
BEFORE = held([named("one", a="1", b="1"), named("two", a="1")], LIVE)
ONE, TWO = sorted(BEFORE.manifests)


def taking(*fields: str) -> Proposal:
    changes = tuple(change for change in BEFORE.diffs[ONE].changes if change.path[-1] in fields)
    return Proposal((Taken(ONE, "one.yaml", changes),))


def test_a_change_that_takes_away_what_it_accepts_is_good() -> None:
    after = held([named("one", a="2", b="1"), named("two", a="1")], LIVE)
    assert worse(BEFORE, after, taking("a")) == []


def test_what_was_accepted_and_still_differs_is_found() -> None:
    assert worse(BEFORE, BEFORE, taking("a")) == ["ConfigMap n/one: data.a"]


def test_a_difference_of_another_object_is_found() -> None:
    after = held([named("one", a="2", b="2"), named("two", a="2")], LIVE)
    assert worse(BEFORE, after, taking("a", "b")) == ["ConfigMap n/two: data.a"]


def test_an_object_that_would_go_along_is_found() -> None:
    after = held([named("one", a="2", b="2")], LIVE)
    assert worse(BEFORE, after, taking("a", "b")) == ["ConfigMap n/two would be gone from Git"]


def test_an_object_that_was_to_go_and_did_not_is_found() -> None:
    gone = Proposal((Taken(TWO, "two.yaml", ()),))
    assert worse(BEFORE, BEFORE, gone) == ["ConfigMap n/two is still in Git"]
    assert worse(BEFORE, held([named("one", a="1", b="1")], LIVE), gone) == []


def test_an_object_that_came_in_new_is_found() -> None:
    after = held([named("one", a="2", b="2"), named("two", a="1"), named("new", a="1")], LIVE)
    assert worse(BEFORE, after, taking("a", "b")) == ["ConfigMap n/new is missing"]
