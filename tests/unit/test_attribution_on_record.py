"""A comparison takes a person from the record only for the very write that is live."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from trueup.domain.application import ApplicationId
from trueup.domain.attribution import UNKNOWN, Attribution, Person
from trueup.domain.attribution_on_record import names_on_record
from trueup.domain.diff import Change, ObjectDiff
from trueup.domain.incident import DriftedObject, Field, Incident
from trueup.domain.managedfields import FieldOwner
from trueup.domain.resource import ResourceKey

SECOND, LATER = "2026-01-01T12:00:00Z", "2026-01-01T12:00:09Z"
KEY = ResourceKey("", "ConfigMap", "sea", "one")
ALICE = Attribution("kubectl-edit", "Update", "", SECOND, Person("alice"))
DELETED = Attribution("", "delete", "", SECOND, Person("bob"), is_probable=True)
MOOD = Change(
    ("data", "mood"), "changed", "calm", "stormy", "/data/mood", (FieldOwner("kubectl-edit", "Update", "", SECOND),)
)
TIDE = Change(("data", "tide"), "missing", "low", None, "/data/tide", ())
FIELD = Field("data.mood", "changed", '"calm"', '"stormy"').by(ALICE)


def incident(*objects: DriftedObject) -> Incident:
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    return Incident(ApplicationId("argocd", "sea"), "u-1", "home", "Drift", "abc", now, now, objects)


def found(item: DriftedObject, *changes: Change) -> dict[object, Attribution]:
    names = names_on_record(incident(item), [ObjectDiff(KEY, "OutOfSync", changes)])
    return dict(names.get(KEY, {}))


def test_the_person_of_the_same_write_is_named() -> None:
    assert found(DriftedObject(KEY, "OutOfSync", (FIELD,)), MOOD) == {MOOD.path: ALICE}


@pytest.mark.parametrize(
    "owner",
    [FieldOwner("kubectl-edit", "Update", "", LATER), FieldOwner("k9s", "Update", "", SECOND)],
    ids=["a-later-write", "another-manager"],
)
def test_nobody_is_named_for_another_write_of_the_place(owner: FieldOwner) -> None:
    assert found(DriftedObject(KEY, "OutOfSync", (FIELD,)), replace(MOOD, owners=(owner,))) == {}


def test_a_record_without_a_person_adds_nothing() -> None:
    field = FIELD.by(replace(ALICE, person=None))
    assert found(DriftedObject(KEY, "OutOfSync", (field,)), MOOD) == {}


def test_who_took_something_away_is_named_only_where_it_is_still_away() -> None:
    who = Attribution("", "patch", "", SECOND, Person("alice"))
    field = Field("data.tide", "missing", '"low"', "").by(who)
    item = DriftedObject(KEY, "OutOfSync", (field,))
    assert found(item, TIDE) == {TIDE.path: who}
    assert found(item, replace(TIDE, kind="changed", live="high")) == {}


def test_who_deleted_an_object_is_named_only_while_it_is_missing() -> None:
    item = DriftedObject(KEY, "Missing", deleted_by=DELETED)
    assert names_on_record(incident(item), [ObjectDiff(KEY, "Missing")]) == {KEY: {(): DELETED}}
    assert names_on_record(incident(item), [ObjectDiff(KEY, "OutOfSync", (MOOD,))]) == {}
    assert names_on_record(incident(replace(item, deleted_by=UNKNOWN)), [ObjectDiff(KEY, "Missing")]) == {}


def test_objects_of_which_the_record_says_nothing_are_left_alone() -> None:
    other = replace(KEY, name="two")
    item = DriftedObject(KEY, "OutOfSync", (FIELD,))
    assert names_on_record(incident(item), [ObjectDiff(other, "OutOfSync", (MOOD,))]) == {}
