"""A comparison takes a person from the record only for the very write that is live."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from trueup.domain.application import ApplicationId
from trueup.domain.attributing import written_by
from trueup.domain.attribution import UNKNOWN, Attribution, Person
from trueup.domain.attribution_on_record import as_on_record, on_record
from trueup.domain.diff import Change, ObjectDiff
from trueup.domain.incident import DriftedObject, Field, Incident
from trueup.domain.managedfields import FieldOwner
from trueup.domain.redact import Redactor
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


def found(item: DriftedObject, *changes: Change) -> dict[object, Attribution]:
    """Whom the record adds to what a comparison knows by itself."""
    diff = ObjectDiff(KEY, "OutOfSync", changes) if changes else ObjectDiff(KEY, "Missing")
    told = as_on_record(diff, item, Redactor(), {})
    owned = {change.path: written_by(change.owners) for change in changes}
    return {path: by for path, by in told.items() if by != owned.get(path, UNKNOWN)}


def test_the_person_of_the_same_write_is_named() -> None:
    assert found(DriftedObject(KEY, "OutOfSync", (FIELD,)), MOOD) == {MOOD.path: ALICE}


@pytest.mark.parametrize(
    "change",
    [
        replace(MOOD, live="wild", owners=(FieldOwner("kubectl-edit", "Update", "", LATER),)),
        replace(MOOD, owners=(FieldOwner("k9s", "Update", "", SECOND),)),
    ],
    ids=["another-value-later", "another-manager"],
)
def test_nobody_is_named_for_another_write_of_the_place(change: Change) -> None:
    assert found(DriftedObject(KEY, "OutOfSync", (FIELD,)), change) == {}


def test_a_manager_that_wrote_something_else_later_is_still_told_by_its_write_of_this() -> None:
    later = replace(MOOD, owners=(FieldOwner("kubectl-edit", "Update", "", LATER),))
    assert found(DriftedObject(KEY, "OutOfSync", (FIELD,)), later) == {MOOD.path: ALICE}


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
    assert found(item) == {(): DELETED}
    assert found(item, MOOD) == {}
    assert found(replace(item, deleted_by=UNKNOWN)) == {}


def test_of_what_the_record_does_not_tell_that_stands_which_was_heard() -> None:
    heard = {MOOD.path: ALICE}
    assert as_on_record(ObjectDiff(KEY, "OutOfSync", (MOOD,)), None, Redactor(), heard) == heard
    other = DriftedObject(KEY, "OutOfSync", (replace(FIELD, path="data.else"),))
    assert as_on_record(ObjectDiff(KEY, "OutOfSync", (MOOD,)), other, Redactor(), heard) == heard


def test_an_incident_that_is_over_tells_nothing_of_what_is_live() -> None:
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    item = DriftedObject(KEY, "OutOfSync", (FIELD,))
    incident = Incident(ApplicationId("argocd", "sea"), "u-1", "home", "Drift", "abc", now, now, (item,))
    assert on_record(incident) == {KEY: item}
    assert on_record(replace(incident, closed_at=now)) == {}
    assert on_record(None) == {}
