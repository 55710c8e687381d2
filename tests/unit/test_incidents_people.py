"""An incident's people and its history: who is named, when that is news, and what is told of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from trueup.cli.difference import console_for
from trueup.cli.incidents import describe
from trueup.clients.incident_records import new_record, read_record
from trueup.domain.application import ApplicationId
from trueup.domain.attribution import Attribution, Person
from trueup.domain.incident import DriftedObject, Field, Found
from trueup.domain.incident_story import HISTORY_MAX, closed, named, opened, war
from trueup.domain.resource import ResourceKey

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
KEY = ResourceKey("apps", "Deployment", "shop", "web")
ALICE = Person("alice", ("dev", "system:authenticated"), "10.0.0.7", "kubectl/v1.36")
BOB = Person("bob")
T1, T2 = "2026-01-01T11:59:58Z", "2026-01-01T11:59:59Z"
REPLICAS = Field("spec.replicas", "changed", "2", "5", "kubectl-edit", T1, "Update")


def found(*fields: Field, status: str = "OutOfSync", deleted_by: Attribution | None = None) -> Found:
    item = DriftedObject(KEY, "Missing" if status == "Missing" else "OutOfSync", fields)
    item = replace(item, deleted_by=deleted_by) if deleted_by else item
    return Found(ApplicationId("argocd", "shop"), "u", "home", "Drift", "c1", (item,))


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def written_by(person: Person, *, field: Field = REPLICAS, probable: bool = False) -> Attribution:
    return replace(field.attribution, person=person, is_probable=probable)


def test_a_name_that_becomes_known_is_told_and_is_no_new_drift() -> None:
    incident = opened(None, found(REPLICAS), NOW)
    after = named(incident, {(KEY, "spec.replicas"): written_by(ALICE)}, later(1))
    assert after.people == ("alice",)
    assert after.updated_at == later(1)
    assert [flip.times for flip in after.flips] == [(NOW,)]
    assert [flip.user for flip in after.flips] == ["alice"]
    assert [(entry.what, entry.by) for entry in after.history] == [("Opened", ("alice with kubectl-edit",))]
    looked_again = opened(after, found(REPLICAS.by(written_by(ALICE))), later(2))
    assert looked_again is after


def test_a_name_that_another_comparison_brings_is_no_new_drift_either() -> None:
    incident = opened(None, found(REPLICAS), NOW)
    after = opened(incident, found(REPLICAS.by(written_by(ALICE))), later(5))
    assert after.people == ("alice",)
    assert (after.times, after.flips) == (1, incident.flips)
    assert [(entry.what, entry.by) for entry in after.history] == [("Opened", ("alice with kubectl-edit",))]


def test_a_name_is_kept_where_the_log_has_forgotten_it() -> None:
    incident = opened(None, found(REPLICAS.by(written_by(ALICE))), NOW)
    assert opened(incident, found(REPLICAS), later(5)) is incident
    # Another field that the same program wrote later makes the whole entry of managedFields look newer.
    image = Field("spec.image", "changed", "a", "b", "kubectl-edit", T2, "Update").by(
        Attribution("kubectl-edit", "Update", time=T2, person=BOB)
    )
    after = opened(incident, found(replace(REPLICAS, time=T2), image), later(6))
    assert [field.attribution.who for field in after.objects[0].fields] == ["alice", "bob"]
    assert [field.time for field in after.objects[0].fields] == [T1, T2]
    doubted = replace(REPLICAS.by(written_by(ALICE, probable=True)), time=T2)
    assert opened(incident, found(doubted), later(7)) is incident


def test_a_field_is_as_old_as_its_own_edit_and_not_as_the_last_edit_of_another_field() -> None:
    incident = opened(None, found(REPLICAS), NOW)
    fields, at = [REPLICAS], T1
    for number in range(5):
        at = f"2026-01-01T12:00:{10 + number}Z"
        fields = [replace(field, time=at) for field in fields]
        fields.append(Field(f"spec.field{number}", "changed", "1", "2", "kubectl-edit", at, "Update"))
        incident = opened(incident, found(*fields), later(10 + number))
    assert [field.time for field in incident.objects[0].fields][:2] == [T1, "2026-01-01T12:00:10Z"]
    assert {len(flip.times) for flip in incident.flips} == {1}
    assert war(incident, later(15), flips_per_minute_max=3) is None
    assert opened(incident, found(*fields), later(20)) is incident
    # Nobody else has written here: who wrote the same value at another time has written it again.
    again = opened(incident, found(*(replace(field, time="2026-01-01T12:00:30Z") for field in fields)), later(30))
    assert {len(flip.times) for flip in again.flips} == {2}


def test_a_place_that_lies_still_has_no_part_in_the_war_about_another() -> None:
    image = Field("spec.image", "changed", "a", "b", "kubectl-edit", T1, "Update")
    incident = opened(None, found(image, replace(REPLICAS, manager="hpa", subresource="scale", time="")), NOW)
    for number in range(5):
        flapping = replace(REPLICAS, manager="hpa", subresource="scale", live=str(number), time="")
        incident = opened(incident, found(image, flapping), later(1 + number))
    assert [(flip.path, len(flip.times)) for flip in incident.flips] == [("spec.image", 1), ("spec.replicas", 6)]
    assert {entry.by for entry in incident.history[1:]} == {("manager hpa",)}
    fought = war(incident, later(7), flips_per_minute_max=3)
    assert fought is not None
    assert (fought.path, fought.manager) == ("spec.replicas", "hpa")


def test_who_sent_a_field_along_with_another_is_not_its_author() -> None:
    incident = opened(None, found(REPLICAS), NOW)
    image = Field("spec.image", "changed", "a", "b", "kubectl-edit", T2, "Update")
    by_bob = Attribution("kubectl-edit", "Update", time=T2, person=BOB)
    after = opened(incident, found(REPLICAS.by(by_bob), image.by(by_bob)), later(5))
    assert [field.attribution.who for field in after.objects[0].fields] == ["", "bob"]
    assert named(after, {(KEY, "spec.replicas"): by_bob}, later(6)) is after


def test_of_a_value_that_moved_the_old_name_is_not_kept() -> None:
    incident = opened(None, found(REPLICAS.by(written_by(ALICE))), NOW)
    after = opened(incident, found(replace(REPLICAS, live="7", time=T2)), later(5))
    assert after.people == ()
    assert after.objects[0].fields[0].attribution.who == ""


def test_of_a_secret_the_old_name_is_not_kept_for_a_later_write() -> None:
    key = ResourceKey("", "Secret", "shop", "login")
    field = Field("data.password", "changed", "8 bytes", "9 bytes", "kubectl-edit", T1, "Update")
    before = replace(found(), objects=(DriftedObject(key, "OutOfSync", (field.by(written_by(ALICE, field=field)),)),))
    incident = opened(None, before, NOW)
    again = replace(before, objects=(DriftedObject(key, "OutOfSync", (replace(field, time=T2),)),))
    assert opened(incident, again, later(5)).people == ()
    same = replace(before, objects=(DriftedObject(key, "OutOfSync", (field,)),))
    assert opened(incident, same, later(5)).people == ("alice",)


def test_a_name_for_another_write_does_not_count() -> None:
    incident = opened(None, found(REPLICAS), NOW)
    elsewhen = replace(written_by(ALICE), time=T2)
    assert named(incident, {(KEY, "spec.replicas"): elsewhen}, later(1)) is incident
    elsewho = replace(written_by(ALICE), manager="helm")
    assert named(incident, {(KEY, "spec.replicas"): elsewho}, later(1)) is incident


def test_what_is_certain_takes_the_place_of_what_is_probable_and_never_the_other_way_round() -> None:
    incident = opened(None, found(REPLICAS.by(written_by(BOB, probable=True))), NOW)
    assert incident.people == ("probably bob",)
    certain = named(incident, {(KEY, "spec.replicas"): written_by(ALICE)}, later(1))
    assert certain.people == ("alice",)
    assert named(certain, {(KEY, "spec.replicas"): written_by(BOB, probable=True)}, later(2)) is certain
    assert opened(certain, found(REPLICAS.by(written_by(BOB, probable=True))), later(2)) is certain
    # Who was sure before a later event had come gives way to who is sure with it.
    corrected = named(certain, {(KEY, "spec.replicas"): written_by(BOB)}, later(3))
    assert corrected.people == ("bob",)


def test_the_history_names_who_became_known_and_keeps_who_was() -> None:
    gone = Field("metadata.labels.team", "missing", '"red"', "")
    incident = opened(None, found(REPLICAS, gone), NOW)
    assert incident.history[0].by == ("manager kubectl-edit",)
    taken = Attribution(operation="patch", time=T1, person=BOB)
    after = named(incident, {(KEY, "metadata.labels.team"): taken}, later(1))
    assert after.history[0].by == ("manager kubectl-edit", "bob")
    both = named(after, {(KEY, "spec.replicas"): written_by(ALICE)}, later(2))
    assert both.history[0].by == ("alice with kubectl-edit", "bob")


def test_a_program_that_calls_itself_a_person_is_told_from_one() -> None:
    spoofed = replace(REPLICAS, manager="alice with kubectl-edit")
    by_program, by_person = (opened(None, found(field), NOW) for field in (spoofed, REPLICAS.by(written_by(ALICE))))
    assert by_person.history[0].by == by_person.writers == ("alice with kubectl-edit",)
    assert by_program.history[0].by == by_program.writers == ("manager alice with kubectl-edit",)
    alice = opened(None, found(replace(REPLICAS, manager="alice")), NOW)
    assert "was changed by manager alice 1 times" in str(war(alice, NOW, flips_per_minute_max=0))
    assert (alice.people, alice.programs) == ((), ("alice",))
    both = opened(None, found(REPLICAS.by(written_by(ALICE)), replace(REPLICAS, path="a", manager="hpa")), NOW)
    assert (both.people, both.programs) == (("alice",), ("hpa",))


def test_who_deleted_an_object_is_named_for_the_object() -> None:
    incident = opened(None, found(status="Missing"), NOW)
    by = Attribution(operation="delete", time=T1, person=ALICE, is_probable=True)
    after = named(incident, {(KEY, ""): by}, later(1))
    assert after.people == ("probably alice",)
    assert after.history[0].by == ("probably alice",)
    assert read_record(new_record(after, "shop.1")).objects == after.objects
    assert opened(after, found(status="Missing"), later(2)) is after


def test_the_history_tells_every_turn_and_is_bounded() -> None:
    incident = opened(None, found(REPLICAS.by(written_by(ALICE))), NOW)
    incident = opened(incident, found(REPLICAS, replace(REPLICAS, path="spec.paused", manager="hpa")), later(1))
    incident = closed(incident, "Reverted", later(2))
    incident = opened(incident, found(replace(REPLICAS, time=T2)), later(3))
    told = [(entry.what, entry.by, entry.fields, entry.ending) for entry in incident.history]
    assert told == [
        ("Opened", ("alice with kubectl-edit",), 1, ""),
        ("Changed", ("manager hpa",), 2, ""),
        ("Closed", (), 0, "Reverted"),
        ("Reopened", ("manager kubectl-edit",), 1, ""),
    ]
    for number in range(2 * HISTORY_MAX):
        incident = opened(incident, found(replace(REPLICAS, live=str(number))), later(10 + number))
    assert len(incident.history) == HISTORY_MAX
    assert incident.history[0].what == "Opened"
    assert read_record(new_record(incident, "shop.1")).history == incident.history


def test_the_record_says_all_that_is_known_of_a_person() -> None:
    incident = opened(None, found(REPLICAS.by(replace(written_by(ALICE), subresource="scale"))), NOW)
    assert read_record(new_record(incident, "shop.1")).objects == incident.objects
    assert read_record(new_record(incident, "shop.1")).flips == incident.flips


def test_at_a_prompt_all_is_said_that_is_known_of_who_did_it(capsys: pytest.CaptureFixture[str]) -> None:
    fields = (REPLICAS.by(written_by(ALICE)), replace(REPLICAS, path="spec.paused").by(written_by(ALICE)))
    describe(opened(None, found(*fields, replace(REPLICAS, path="a").by(written_by(BOB))), NOW), console_for())
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines.count(["alice", "dev,system:authenticated", "10.0.0.7", "kubectl/v1.36"]) == 1
    assert lines.count(["bob", "unknown", "unknown", "unknown"]) == 1


def test_a_war_is_told_with_whom() -> None:
    account = Person("system:serviceaccount:kube-system:horizontal-pod-autoscaler")
    by = Attribution("kube-controller-manager", "Update", "scale", T1, account)
    incident = opened(None, found(REPLICAS.by(by)), NOW)
    for second in range(1, 5):
        incident = closed(incident, "SelfHealed", later(second))
        incident = opened(incident, found(replace(REPLICAS.by(by), time=str(second))), later(second + 0.5))
    said = str(war(incident, later(6), flips_per_minute_max=3))
    assert "by the HorizontalPodAutoscaler's controller (kube-controller-manager) 5 times" in said
    silent = Attribution("kube-controller-manager", "Update", "scale", T1)
    unnamed = opened(None, found(REPLICAS.by(silent)), NOW)
    assert "by manager kube-controller-manager, as the HorizontalPodAutoscaler's controller does" in str(
        war(unnamed, later(1), flips_per_minute_max=0)
    )
