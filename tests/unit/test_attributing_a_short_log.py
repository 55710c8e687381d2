"""A log that begins late makes nobody the author of what somebody wrote before it began."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.audit_writes import NOON, write
from trueup.domain.attributing import Place, Seen, attributed
from trueup.domain.audit import AuditRecord
from trueup.domain.fieldpath import Item, Path
from trueup.domain.managedfields import FieldOwner

MINUTE = 60.0
MEMBERS = ("a", "b")


def path_of(member: str) -> Path:
    return ("spec", "items", Item((("name", member),)), "v")


def place_of(member: str, second: float) -> Place:
    time = datetime.fromtimestamp(second, UTC).isoformat().replace("+00:00", "Z")
    return Place(path_of(member), (FieldOwner("kubectl-edit", "Update", "", time),))


def patch_of(way: str, member: str) -> object:
    """What a client sends that changes this member alone."""
    if way == "member":
        return {"spec": {"$setElementOrder/items": [{"name": "a"}, {"name": "b"}], "items": [{"name": member, "v": 1}]}}
    if way == "list":
        return {"spec": {"items": [{"name": "a", "v": 1}, {"name": "b", "v": 1}]}}
    if way == "position":
        return [{"op": "replace", "path": f"/spec/items/{MEMBERS.index(member)}/v", "value": 1}]
    return None


WAYS = st.sampled_from(["member", "list", "position", "whole object"])
EDITS = st.tuples(st.sampled_from(["alice", "bob"]), WAYS, st.sampled_from(MEMBERS))
FIRSTS = st.sampled_from(["created", "delivered"])


@given(FIRSTS, st.lists(st.one_of(EDITS, st.just("delivered")), min_size=1, max_size=6), st.data())
def test_who_is_named_for_sure_wrote_the_place_wherever_the_log_begins(
    first: str, later: list[tuple[str, str, str] | str], data: st.DataObject
) -> None:
    log: list[AuditRecord] = []
    authors: dict[str, str] = {}
    second = NOON
    for number, edit in enumerate([first, *later]):
        at, version = NOON + number * MINUTE, str(10 + number)
        if edit == "delivered":
            log.append(write("trueup", version, manager="trueup", at=at))
            authors = dict.fromkeys(MEMBERS, "trueup")
            continue
        second = at
        if edit == "created":
            log.append(write("carol", version, verb="create", at=at))
            authors = dict.fromkeys(MEMBERS, "carol")
            continue
        user, way, member = edit
        verb = "update" if way == "whole object" else "patch"
        log.append(write(user, version, verb=verb, at=at, patch=patch_of(way, member)))
        authors[member] = user
    seen = Seen("u-1", log[-1].version)
    begins = data.draw(st.integers(0, len(log)))
    for member, author in authors.items():
        # What we delivered ourselves is no drift, and nobody asks.
        if author != "trueup":
            found = attributed(place_of(member, second), seen, log[begins:], own_user="trueup")
            assert found.person is None or found.is_probable or found.person.user == author


PROOF = write("bob", "11", at=NOON - MINUTE, patch=patch_of("member", "a"))


@pytest.mark.parametrize("way", ["list", "position", "whole object"])
@pytest.mark.parametrize(
    ("before", "is_wanted", "who"),
    [
        ((), True, "probably bob"),
        ((write("trueup", "11", manager="trueup", at=NOON - MINUTE),), True, "bob"),
        # What Git does not have, a delivery leaves as it was.
        ((write("trueup", "11", manager="trueup", at=NOON - MINUTE),), False, "probably bob"),
        ((write("carol", "11", verb="create", manager="kubectl-create", at=NOON - MINUTE),), False, "bob"),
        # It may be that of an object which is gone: nothing tells.
        (
            (write("carol", "", verb="create", manager="kubectl-create", at=NOON - MINUTE, uid=""),),
            True,
            "probably bob",
        ),
        ((PROOF,), True, "bob"),
        ((replace(PROOF, version=""),), True, "probably bob"),
        ((write("bob", "11", at=NOON - MINUTE, patch=patch_of("member", "b")),), True, "probably bob"),
        ((write("bob", "11", at=NOON - MINUTE, verb="update"),), True, "probably bob"),
    ],
    ids=[
        "nothing",
        "our delivery",
        "our delivery of other places",
        "creation",
        "creation without a version",
        "own proof",
        "own patch without a version",
        "own patch of another member",
        "own write of the whole object",
    ],
)
def test_what_may_have_been_sent_along_is_sure_only_where_the_log_reaches_back(
    before: tuple[AuditRecord, ...], is_wanted: bool, who: str, way: str
) -> None:
    verb = "update" if way == "whole object" else "patch"
    bob = write("bob", "12", at=NOON + 0.1, verb=verb, patch=patch_of(way, "a"))
    place = replace(place_of("a", NOON), is_wanted=is_wanted)
    assert attributed(place, Seen("u-1", "12"), [*before, bob], own_user="trueup").who == who


def test_an_edit_of_a_plain_field_is_sure_whenever_the_log_began() -> None:
    place = replace(place_of("a", NOON), path=("spec", "replicas"))
    for patch in ({"spec": {"replicas": 5}}, [{"op": "replace", "path": "/spec/replicas", "value": 5}]):
        assert attributed(place, Seen("u-1", "12"), [write("bob", patch=patch)]).who == "bob"


def test_who_creates_an_object_wrote_what_it_has() -> None:
    created = write("bob", "12", verb="create")
    assert attributed(place_of("a", NOON), Seen("u-1", "12"), [created]).who == "bob"
