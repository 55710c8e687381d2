"""Ownership moves for exactly the named fields, and nobody loses anything else."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from trueup.domain.fieldpath import Item, Member, Path
from trueup.domain.managedfields import Cursors, root, transfer_ownership

PORT = Item((("port", 81), ("protocol", "TCP")))
PORT_NAME = 'k:{"port":81,"protocol":"TCP"}'


def entry(manager: str, operation: str, fields: dict[str, Any], **more: str) -> dict[str, Any]:
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
        **more,
    }


def live(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "managedFields": list(entries)}}


def fields_of(rewritten: list[dict[str, Any]] | None) -> dict[tuple[str, str], Any]:
    assert rewritten is not None
    return {(item["manager"], item["operation"]): item["fieldsV1"] for item in rewritten}


def test_a_list_member_moves_with_everything_in_it() -> None:
    edited = {"f:spec": {"f:ports": {PORT_NAME: {".": {}, "f:name": {}, "f:port": {}}}, "f:type": {}}}
    body = live(entry("kubectl-edit", "Update", edited))
    before = copy.deepcopy(body)
    moved = fields_of(transfer_ownership(body, [("spec", "ports", PORT)]))
    assert body == before
    assert moved == {
        ("kubectl-edit", "Update"): {"f:spec": {"f:type": {}}},
        ("trueup", "Apply"): {"f:spec": {"f:ports": {PORT_NAME: {".": {}, "f:name": {}, "f:port": {}}}}},
    }


def test_an_entry_that_is_left_with_nothing_goes_and_the_new_one_states_the_objects_version() -> None:
    (only,) = transfer_ownership(live(entry("x", "Update", {"f:data": {"f:a": {}}})), [("data", "a")]) or ()
    assert only == entry("trueup", "Apply", {"f:data": {"f:a": {}}})


def test_an_only_owner_needs_no_transfer() -> None:
    own = entry("trueup", "Apply", {"f:data": {"f:a": {}}})
    assert transfer_ownership(live(own), [("data", "a")]) is None
    assert transfer_ownership(live(own, entry("x", "Update", {"f:data": {"f:b": {}}})), [("data", "a")]) is None
    assert transfer_ownership(live(own, entry("x", "Update", {"f:data": {"f:a": {}}})), [("data", "a")]) is not None
    assert transfer_ownership(live(own), []) is None


def test_a_field_that_nobody_owns_becomes_ours() -> None:
    moved = fields_of(transfer_ownership(live(), [("spec", "strategy", "rollingUpdate")]))
    assert moved == {("trueup", "Apply"): {"f:spec": {"f:strategy": {"f:rollingUpdate": {}}}}}


def test_what_held_the_field_stays_with_its_owner() -> None:
    labels = {"f:metadata": {"f:labels": {".": {}, "f:a": {}, "f:b": {}}}}
    moved = fields_of(transfer_ownership(live(entry("x", "Update", labels)), [("metadata", "labels", "a")]))
    assert moved["x", "Update"] == {"f:metadata": {"f:labels": {".": {}, "f:b": {}}}}


def test_a_scaled_field_moves_and_status_never_does() -> None:
    scaled = entry("kubectl", "Update", {"f:spec": {"f:replicas": {}}}, subresource="scale")
    status = entry("ctl", "Update", {"f:spec": {"f:replicas": {}}}, subresource="status")
    rewritten = transfer_ownership(live(scaled, status), [("spec", "replicas")])
    assert fields_of(rewritten)["ctl", "Update"] == status["fieldsV1"]
    assert ("kubectl", "Update") not in fields_of(rewritten)


def test_our_own_update_gives_the_field_to_our_apply() -> None:
    body = live(entry("trueup", "Update", {"f:data": {"f:a": {}}}), entry("trueup", "Apply", {"f:data": {"f:b": {}}}))
    moved = fields_of(transfer_ownership(body, [("data", "a")]))
    assert moved == {("trueup", "Apply"): {"f:data": {"f:a": {}, "f:b": {}}}}


def test_a_member_of_a_set_moves() -> None:
    body = live(entry("x", "Update", {"f:metadata": {"f:finalizers": {'v:"a"': {}, 'v:"b"': {}}}}))
    moved = fields_of(transfer_ownership(body, [("metadata", "finalizers", Member("a"))]))
    assert moved["x", "Update"] == {"f:metadata": {"f:finalizers": {'v:"b"': {}}}}
    assert moved["trueup", "Apply"] == {"f:metadata": {"f:finalizers": {'v:"a"': {}}}}


def test_keys_are_found_however_they_are_spelled() -> None:
    spelled = 'k:{"protocol": "TCP", "port": 81}'
    body = live(entry("x", "Update", {"f:spec": {"f:ports": {spelled: {".": {}}}}}))
    assert ("x", "Update") not in fields_of(transfer_ownership(body, [("spec", "ports", PORT)]))


def test_entries_that_cannot_be_read_are_left_alone() -> None:
    odd = {"manager": "x", "operation": "Update", "fieldsType": "FieldsV2"}
    broken = entry("y", "Update", {"f:a": {"k:{": {}}})
    rewritten = transfer_ownership(live(odd, broken), [("a", PORT)]) or []
    assert odd in rewritten
    assert broken in rewritten


FIELDS = st.recursive(
    st.just({}),
    lambda inner: st.dictionaries(
        st.sampled_from([".", "f:a", "f:b", "f:c", 'k:{"n":1}', 'k:{"n":2}', 'v:"x"']), inner, min_size=1, max_size=4
    ).map(lambda fields: {name: {} if name == "." else below for name, below in fields.items()}),
    max_leaves=10,
)
SEGMENTS = st.sampled_from(["a", "b", "c", Item((("n", 1),)), Item((("n", 2),)), Member("x")])
PATHS = st.lists(st.lists(SEGMENTS, min_size=1, max_size=3).map(tuple), min_size=1, max_size=3)


def leaves(fields: dict[str, Any], prefix: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """Every owned place: the end of each branch, and each `.` as the place it stands in."""
    found: set[tuple[str, ...]] = set()
    for name, below in fields.items():
        if name == ".":
            found.add(prefix)
        elif not below:
            found.add((*prefix, name))
        else:
            found |= leaves(below, (*prefix, name))
    return found


def spelled(path: Path) -> tuple[str, ...]:
    names = {"a": "f:a", "b": "f:b", "c": "f:c"}
    return tuple(
        names[part]
        if isinstance(part, str)
        else 'v:"x"'
        if isinstance(part, Member)
        else f'k:{{"n":{part.keys[0][1]}}}'  # type: ignore[union-attr]
        for part in path
    )


def is_below(place: tuple[str, ...], paths: list[tuple[str, ...]]) -> bool:
    return any(place[: len(path)] == path for path in paths)


@given(theirs=FIELDS, own=FIELDS, paths=PATHS)
def test_others_keep_all_but_the_named_fields_and_those_become_ours_alone(
    theirs: dict[str, Any], own: dict[str, Any], paths: list[Path]
) -> None:
    body = live(entry("x", "Update", theirs), entry("trueup", "Apply", own))
    rewritten = transfer_ownership(body, paths)
    named = [spelled(path) for path in paths]
    if rewritten is None:
        assert not any(is_below(place, named) for place in leaves(theirs))
        return
    after = fields_of(rewritten)
    kept = {place for place in leaves(theirs) if not is_below(place, named)}
    assert leaves(after.get(("x", "Update"), {})) == kept
    ours = leaves(after["trueup", "Apply"])
    assert leaves(own) <= ours
    assert {place for place in leaves(theirs) if is_below(place, named)} <= ours
    assert all(any(place[: len(path)] == path for place in ours) for path in named)
    assert {place for place in ours if not is_below(place, named)} <= leaves(own) | {()}
    assert transfer_ownership({**body, "metadata": {"name": "a", "managedFields": rewritten}}, paths) is None


@given(fields=FIELDS, path=st.lists(SEGMENTS, max_size=4))
def test_a_walk_down_finds_an_owner_wherever_one_is(fields: dict[str, Any], path: list[Any]) -> None:
    cursor = root(live(entry("x", "Update", fields)))
    for segment in path:
        cursor = cursor.below(segment)
    assert len(cursor.owners) <= 1


KEYED = [Item((("port", 80),)), Item((("port", 81),)), PORT, Item((("protocol", "TCP"), ("port", 81)))]
STEPS = st.sampled_from([*KEYED, Member("a"), "spec", "ports", "name", 0])
FIELDS = st.recursive(
    st.just({}),
    lambda below: st.dictionaries(
        st.sampled_from(["f:spec", "f:ports", "f:name", ".", 'v:"a"', 'k:{"port":80}', 'k:{"port":81}', PORT_NAME]),
        below,
    ),
    max_leaves=12,
)


@given(
    st.lists(FIELDS, min_size=1, max_size=3), st.lists(st.lists(STEPS, max_size=4).map(tuple), min_size=1, max_size=4)
)
def test_who_owns_a_place_does_not_depend_on_what_was_asked_before(each: list[Any], paths: list[Path]) -> None:
    body = live(*(entry(f"m{number}", "Apply", fields) for number, fields in enumerate(each)))
    cursors = Cursors(body)
    for path in paths:
        cursor = root(body)
        for segment in path:
            cursor = cursor.below(segment)
        assert cursors.at(path) == cursor
