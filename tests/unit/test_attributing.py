"""Who is named for a place that differs: never anybody more surely than the audit log allows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.support.audit_writes import KEY, NOON, write
from trueup.domain.attributing import Place, Seen, attributed
from trueup.domain.attribution import UNKNOWN
from trueup.domain.audit import AuditRecord
from trueup.domain.fieldpath import Item
from trueup.domain.managedfields import FieldOwner

SECOND = "2026-01-01T12:00:00Z"
EDITOR = FieldOwner("kubectl-edit", "Update", "", SECOND)
REPLICAS = Place(("spec", "replicas"), (EDITOR,))
PAUSED = Place(("spec", "paused"), (EDITOR,))
LABEL = Place(("metadata", "labels", "team"))
SEEN = Seen("u-1", "12")
TO_FIVE = {"spec": {"replicas": 5}}
#: Our own write, before which nothing is there any more.
OURS = write("trueup", "9", manager="trueup", at=NOON - 90)


def who(place: Place, *writes: object, seen: Seen = SEEN) -> str:
    return attributed(place, seen, writes, own_user="trueup").who  # type: ignore[arg-type]


def test_the_write_that_made_the_version_is_certain() -> None:
    found = attributed(REPLICAS, SEEN, [write("alice", patch=TO_FIVE)])
    assert str(found) == "alice with kubectl-edit"
    assert (found.operation, found.time) == ("Update", SECOND)


def test_a_later_version_by_a_controller_leaves_it_certain() -> None:
    seen = Seen("u-1", "19", generation=3)
    assert who(REPLICAS, replace(write("alice", patch=TO_FIVE), generation=3), seen=seen) == "alice"
    # Of metadata the generation says nothing.
    label = Place(("metadata", "labels", "a"), (EDITOR,))
    labelled = write("alice", patch={"metadata": {"labels": {"a": "b"}}})
    assert who(label, replace(labelled, generation=3), seen=seen) == "probably alice"


def test_nobody_is_certain_while_the_event_of_a_later_write_may_be_on_its_way() -> None:
    patch = {"spec": {"replicas": 5}}
    bob, alice = write("bob", "11", patch=patch), write("alice", "12", at=NOON + 0.6, patch=patch)
    first = attributed(REPLICAS, SEEN, [bob])
    assert first.who == "probably bob"
    second = attributed(REPLICAS, SEEN, [bob, alice])
    assert second.who == "alice"
    assert second.is_better_than(first)
    assert not first.is_better_than(second)
    removal = {"metadata": {"labels": {"team": None}}}
    assert who(LABEL, write("bob", "11", patch=removal)) == "probably bob"


def test_without_the_log_only_the_manager_is_named() -> None:
    assert str(attributed(REPLICAS, SEEN, [])) == "kubectl-edit"
    assert attributed(LABEL, SEEN, []) == UNKNOWN


def test_without_the_objects_in_the_log_it_is_probable() -> None:
    assert who(REPLICAS, write("alice", "")) == "probably alice"
    assert who(LABEL, write("alice", "")) == "probably alice"


@pytest.mark.parametrize(
    "other",
    [
        write("bob", manager="argocd-controller"),
        write("bob", subresource="scale"),
        write("bob", at=NOON + 1.5),
        write("bob", at=NOON - 1.5),
        write("bob", uid="u-0"),
        write("bob", "13"),
        write("bob", patch={"spec": {"paused": True}}),
        write("bob", patch=[{"op": "add", "path": "/spec/paused", "value": True}]),
        write("bob", verb="delete"),
    ],
    ids=["manager", "subresource", "later", "earlier", "another object", "later version", "patch", "json", "deletion"],
)
def test_a_write_that_cannot_be_the_one_names_nobody(other: object) -> None:
    assert who(REPLICAS, other) == ""


def test_two_people_in_one_second_are_told_apart_by_what_they_patched() -> None:
    writes = [
        write("alice", "11", patch={"spec": {"replicas": 5}}),
        write("bob", "12", at=NOON + 0.5, patch={"spec": {"paused": True}}),
    ]
    assert who(REPLICAS, *writes) == "alice"
    assert who(PAUSED, *writes) == "bob"


def test_two_people_in_one_second_of_whom_nobody_can_tell_are_probable() -> None:
    writes = [write("alice", "11", verb="update"), write("bob", "12", verb="update", at=NOON + 0.5)]
    assert who(REPLICAS, *writes) == "probably bob"
    writes = [write("alice", ""), write("bob", "", at=NOON + 0.5)]
    assert who(REPLICAS, *writes) == "probably bob"


def test_the_last_of_two_that_name_the_place_wrote_it() -> None:
    patch = {"spec": {"replicas": 5}}
    writes = [write("alice", "12", at=NOON + 0.5, patch=patch), write("bob", "11", patch=patch)]
    assert who(REPLICAS, *writes) == "alice"


def test_a_write_that_changed_nothing_is_nobodys() -> None:
    writes = [OURS, write("alice", "12"), write("bob", "12", at=NOON + 0.3)]
    assert who(REPLICAS, *writes) == "alice"
    assert who(LABEL, *writes) == "alice"


def test_what_the_same_program_wrote_elsewhere_later_does_not_make_it_its_author() -> None:
    writes = [
        write("alice", "11", at=NOON - 60, patch={"spec": {"replicas": 5}}),
        write("bob", "12", patch={"spec": {"paused": True}}),
    ]
    assert who(REPLICAS, *writes) == "probably alice"
    assert who(PAUSED, *writes) == "bob"


def test_who_takes_something_away_is_certain_where_his_patch_says_so() -> None:
    patch = {"metadata": {"labels": {"team": None}}}
    by_label = write("alice", "12", manager="kubectl-label", patch=patch)
    later = write("system:serviceaccount:x:y", "13", verb="update", at=NOON + 5, manager="operator")
    assert who(LABEL, by_label) == "alice"
    assert who(LABEL, by_label, later, seen=Seen("u-1", "13")) == "alice"
    assert who(replace(LABEL, path=("metadata", "labels", "tier")), by_label) == ""


def test_who_replaced_the_whole_object_last_is_certain_unless_another_did_so_just_before() -> None:
    assert who(LABEL, write("alice", verb="update")) == "alice"
    assert who(LABEL, write("alice", verb="update"), seen=Seen("u-1", "15")) == "probably alice"
    both = [write("bob", "11", verb="update"), write("alice", verb="update", at=NOON + 2)]
    assert who(LABEL, *both) == "probably alice"


def test_of_an_object_without_managed_fields_the_log_alone_tells() -> None:
    unowned = Place(("spec", "replicas"))
    patch = {"spec": {"replicas": 5}}
    assert who(unowned, write("alice", patch=patch)) == "alice"
    assert who(unowned, write("alice", patch=patch), seen=Seen("u-1", "20")) == "probably alice"
    assert who(unowned, write("alice", patch=patch), seen=Seen()) == "probably alice"


def test_a_member_taken_out_by_a_strategic_patch_is_that_member() -> None:
    patch = {
        "spec": {
            "template": {
                "spec": {
                    "$setElementOrder/containers": [{"name": "web"}],
                    "containers": [
                        {
                            "name": "web",
                            "$setElementOrder/env": [{"name": "KEPT"}],
                            "env": [{"name": "GONE", "$patch": "delete"}],
                        }
                    ],
                }
            }
        }
    }

    def variable(name: str, container: str = "web") -> Place:
        steps = ("spec", "template", "spec", "containers", Item((("name", container),)), "env")
        return Place((*steps, Item((("name", name),))))

    alice = write("alice", patch=patch)
    alice = replace(alice, generation=7)
    assert who(variable("GONE"), alice, seen=Seen("u-1", "14", generation=7)) == "alice"
    assert who(variable("KEPT"), alice) == ""
    assert who(variable("GONE", "side"), alice) == ""


def test_an_object_that_is_gone_was_probably_deleted_by_the_last_who_asked_for_it() -> None:
    gone = Seen(is_there=False)
    everything = Place(())
    deletion = write("alice", "", verb="delete", manager="kubectl", at=NOON - 30)
    assert who(everything, deletion, write("bob"), seen=gone) == "probably alice"
    whole_kind = write("bob", "", verb="deletecollection", key=replace(KEY, name=""))
    assert who(everything, deletion, whole_kind, seen=gone) == "probably bob"
    assert who(everything, write("bob"), seen=gone) == ""


def test_who_wrote_before_what_we_delivered_is_not_named_for_what_came_after() -> None:
    ours = write("trueup", "11", manager="trueup", at=NOON - 30)

    def named(place: Place, *writes: AuditRecord) -> str:
        return attributed(place, SEEN, writes, own_user="trueup").who

    removal = write("alice", "10", at=NOON - 60, patch={"metadata": {"labels": {"team": None}}})
    assert (named(LABEL, removal), named(LABEL, removal, ours)) == ("probably alice", "")
    patch = write("alice", "10", at=NOON - 60, patch={"spec": {"replicas": 5}})
    assert (named(REPLICAS, patch), named(REPLICAS, patch, ours)) == ("probably alice", "")
    # What Git does not have, a delivery need not take away.
    assert named(replace(REPLICAS, is_wanted=False), patch, ours) == "probably alice"
    assert named(replace(REPLICAS, is_wanted=False), patch, ours, write("bob", verb="update")) == "probably bob"


def test_who_deleted_an_object_before_it_was_made_anew_has_not_deleted_it_now() -> None:
    gone, everything = Seen(is_there=False), Place(())
    deletion = write("alice", "", verb="delete", manager="kubectl", at=NOON - 30)
    ours = write("trueup", "20", manager="trueup", at=NOON - 20)
    finalized = write("system:serviceaccount:kube-system:generic-garbage-collector", "21", at=NOON - 10)

    def named(*writes: AuditRecord) -> str:
        return attributed(everything, gone, writes, own_user="trueup").who

    assert named(deletion, ours) == ""
    assert named(deletion, write("bob", "20", verb="create", at=NOON - 20)) == ""
    assert named(deletion, finalized) == "probably alice"
    assert named(deletion, ours, replace(deletion, completed_at=NOON)) == "probably alice"
    assert named(deletion, write("trueup", "", verb="delete", manager="trueup", at=NOON)) == ""


def test_a_spoofed_manager_is_no_person_and_does_not_hide_one() -> None:
    spoofed = Place(("spec", "replicas"), (FieldOwner("bob", "Update", "", SECOND),))
    assert attributed(spoofed, SEEN, []).person is None
    assert str(attributed(spoofed, SEEN, [write("alice", manager="bob", patch=TO_FIVE)])) == "alice with bob"
    assert who(spoofed, write("bob")) == ""


SCALED = Place(("spec", "replicas"), (FieldOwner("kubectl", "Update", "scale", ""),), scaled_to=1)


def scale(user: str, version: str, to: int | None, *, at: float = NOON + 0.1) -> AuditRecord:
    patch = {"spec": {"replicas": 1}}
    return write(user, version, manager="kubectl", subresource="scale", at=at, patch=patch, scaled_to=to)


def test_a_write_by_scale_has_no_time_and_is_the_last_of_its_program_that_came_to_the_number() -> None:
    writes = [
        scale("alice", "10", 1, at=NOON - 300),
        scale("bob", "12", 1),
        write("alice", "13", manager="kubectl", patch={"metadata": {"labels": {"a": "b"}}}, at=NOON + 5),
    ]
    found = attributed(SCALED, Seen("u-1", "15"), writes)
    assert (found.who, found.time) == ("bob", "2026-01-01T12:00:00Z")
    assert attributed(SCALED, Seen("u-1", "15"), []).who == ""


def test_who_scaled_before_is_not_named_while_the_event_of_the_last_one_is_on_its_way() -> None:
    assert who(SCALED, scale("alice", "10", 5, at=NOON - 300), seen=Seen("u-1", "15")) == ""
    # A log without objects tells no number.
    assert who(SCALED, scale("alice", "", None, at=NOON - 300), seen=Seen("u-1", "15")) == "probably alice"


def test_who_scaled_before_what_we_delivered_is_not_named_for_what_came_after() -> None:
    ours = write("trueup", "13", manager="trueup", at=NOON + 1)
    found = attributed(SCALED, Seen("u-1", "15"), [scale("alice", "12", 1), ours], own_user="trueup")
    assert found.who == ""


def test_who_sent_the_whole_object_is_only_probable_for_what_another_may_have_put_there() -> None:
    patch = {"spec": {"replicas": 5}}
    bob = write("bob", "12", verb="update")
    ours = write("trueup", "11", manager="trueup", at=NOON - 30)
    for before in (write("alice", "10", at=NOON - 60, patch=patch), write("alice", "10", at=NOON - 60, verb="update")):
        assert who(REPLICAS, before, bob) == "probably bob"
        assert attributed(REPLICAS, SEEN, [before, ours, bob], own_user="trueup").who == "bob"
    elsewhere = write("alice", "11", at=NOON - 60, patch={"spec": {"paused": True}})
    assert who(REPLICAS, OURS, elsewhere, bob) == "bob"
    assert who(REPLICAS, elsewhere, bob) == "probably bob"
    assert who(REPLICAS, write("bob", "11", at=NOON - 60, patch=patch), bob) == "bob"


MEMBER = Item((("name", "a"),))


@pytest.mark.parametrize(
    ("path", "alices", "bobs"),
    [
        (
            ("spec", "items", MEMBER, "v"),
            {"spec": {"items": [{"name": "a", "v": 2}, {"name": "b", "v": 1}]}},
            {"spec": {"items": [{"name": "a", "v": 2}, {"name": "b", "v": 9}]}},
        ),
        (
            ("spec", "ports", Item((("port", 80),)), "nodePort"),
            [{"op": "replace", "path": "/spec/ports/0/nodePort", "value": 1}],
            [{"op": "replace", "path": "/spec/ports/1/nodePort", "value": 2}],
        ),
    ],
    ids=["a-list-as-a-whole", "members-by-position"],
)
def test_a_later_patch_that_may_have_left_a_member_as_it_was_is_no_proof(
    path: tuple[Any, ...], alices: object, bobs: object
) -> None:
    place = Place(path, (EDITOR,))
    alice, bob = write("alice", "11", at=NOON - 30, patch=alices), write("bob", patch=bobs)
    assert who(place, alice, bob) == "probably bob"
    assert who(place, bob) == "probably bob"
    assert who(place, OURS, bob) == "bob"


def test_a_patch_of_this_very_member_is_proof_whoever_wrote_there_before() -> None:
    member = {"$setElementOrder/items": [{"name": "a"}], "items": [{"name": "a", "v": 2}]}
    place = Place(("spec", "items", MEMBER, "v"), (EDITOR,))
    writes = [
        write(user, version, at=NOON + at, patch={"spec": member})
        for user, version, at in (("alice", "11", -30), ("bob", "12", 0.1))
    ]
    assert who(place, *writes) == "bob"
