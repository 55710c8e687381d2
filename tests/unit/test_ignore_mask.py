"""Nothing at an ignored place is a difference, whatever stands there; everything else still is."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.diffing import config_map, deployment, managed, manifest, service
from trueup.domain.by_hand import Hands
from trueup.domain.compare_options import How
from trueup.domain.diff import ObjectDiff, compare
from trueup.domain.ignore_mask import Mask, mask_of
from trueup.domain.ignore_rules import IgnoreRule
from trueup.domain.normalize import LAST_APPLIED_ANNOTATION
from trueup.domain.verdict import local_verdict

Json = dict[str, Any]


def mask(desired: Json, live: Json, *, jq: Mapping[str, tuple[Any, Any]] | None = None, **rule: Any) -> Mask:
    """The mask of one rule; `jq` has for each expression the paths in desired and in live."""
    asked = {expression: found[0] for expression, found in (jq or {}).items()}
    there = {expression: found[1] for expression, found in (jq or {}).items()}
    read = IgnoreRule("*", "*", origin="the rule", jq=tuple(jq or ()), **rule)
    return mask_of([read], manifest(desired), live, desired_jq=asked, live_jq=there)


def found(desired: Json, live: Json, *pointers: str, **rule: Any) -> list[str]:
    diff = mask(desired, live, pointers=pointers, **rule).compared(manifest(desired), live)
    assert (diff.status == "Synced") is (not diff.changes)
    return [f"{change.kind} {change}" for change in diff.changes]


def container(name: str, image: str = "a") -> Json:
    return {"name": name, "image": image}


def test_a_pointer_takes_a_field_out_and_leaves_its_neighbours() -> None:
    desired, live = config_map(a="1", b="1"), config_map(a="2", b="2")
    assert found(desired, live, "/data/a") == ["changed data.b"]
    assert found(desired, live, "/data") == []
    assert found(desired, live, "/data/c", "/status", "/data/a/b") == ["changed data.a", "changed data.b"]


def test_a_pointer_leads_through_a_list_by_position_in_either_side() -> None:
    desired, live = deployment(containers=[container("web")]), deployment(containers=[container("web", "b")])
    assert found(desired, live, "/spec/template/spec/containers/0/image") == []
    assert found(desired, live, "/spec/template/spec/containers/1/image") == [
        "changed spec.template.spec.containers[name=web].image"
    ]
    assert found(desired, live, "/spec/template/spec/containers/00/image") != [], "RFC 6901 knows no leading zero"


def test_what_only_one_side_has_is_no_difference_where_it_is_ignored() -> None:
    assert found(config_map(a="1"), config_map(), "/data/a") == []
    without = {**config_map(), "metadata": {"name": "a", "namespace": "n"}}
    annotated = copy.deepcopy(without)
    annotated["metadata"]["annotations"] = {"tool.io/x": "1"}
    assert found(annotated, without, "/metadata/annotations/tool.io~1x") == []
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"}, "spec": {"a": {"b": 1}}}
    bare = {**widget, "spec": {}}
    assert found(widget, bare, "/spec/a/b") == [], "a map of which nothing is left is nothing"
    assert found({**widget, "spec": {"a": {"b": 1, "c": 2}}}, bare, "/spec/a/b") == ["missing spec.a"]


def test_members_of_a_list_that_a_jq_expression_names_are_out_of_both_sides() -> None:
    desired = deployment(containers=[container("web")])
    live = deployment(containers=[container("proxy"), container("web")])
    place = ["spec", "template", "spec", "containers", 0]
    jq = {'.spec.template.spec.containers[] | select(.name == "proxy")': ([], [place])}
    assert found(desired, live, jq=jq) == []
    edited = deployment(containers=[container("proxy", "x"), container("web", "x")])
    diff = mask(desired, edited, jq=jq).compared(manifest(desired), edited)
    assert [str(change) for change in diff.changes] == ["spec.template.spec.containers[name=web].image"]
    assert [change.pointer for change in diff.changes] == ["/spec/template/spec/containers/1/image"], (
        "the pointer is that of the whole live object"
    )


@pytest.mark.parametrize(
    "path", [["data", 0], ["data", {"start": None, "end": 2}], ["nothing", "there"], [], ["data", -1], [None], [True]]
)
def test_paths_that_lead_nowhere_ignore_nothing(path: list[Any]) -> None:
    assert found(config_map(a="1"), config_map(a="2"), jq={"x": ([path], [path])}) == ["changed data.a"]


def test_slices_and_negative_positions_of_jq_are_places() -> None:
    desired = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"}, "spec": {"l": [1, 2, 3]}}
    live = {**desired, "spec": {"l": [1, 7, 8]}}
    for path in (["spec", "l", {"start": 1, "end": None}], ["spec", "l", {"start": -2, "end": 3}]):
        assert found(desired, live, jq={"x": ([path], [path])}) == []
    assert found(desired, live, jq={"x": ([["spec", "l", -1]], [["spec", "l", -1]])}) == ["changed spec.l[1]"]


def test_what_a_manager_owns_is_out_and_what_it_shares_in_a_list_stays_told_apart() -> None:
    desired = service({"name": "http", "port": 80, "targetPort": 1})
    item = 'k:{"port":80,"protocol":"TCP"}'
    live = managed(
        service({"name": "http", "port": 80, "protocol": "TCP", "targetPort": 2, "nodePort": 3}),
        ("trueup", "Apply", {"f:spec": {"f:ports": {item: {".": {}, "f:name": {}, "f:port": {}}}}}),
        ("router-1", "Update", {"f:spec": {"f:ports": {item: {"f:port": {}, "f:targetPort": {}, "f:nodePort": {}}}}}),
    )
    assert found(desired, live) == ["changed spec.ports[port=80,protocol=TCP].targetPort"]
    assert found(desired, live, managers=("router-*",)) == []
    assert found(desired, live, managers=("other",)) != []
    live["spec"]["ports"][0]["name"] = "web"
    assert found(desired, live, managers=("router-*",)) == ["changed spec.ports[port=80,protocol=TCP].name"]


def test_a_list_member_that_only_the_manager_put_there_is_out_as_a_whole() -> None:
    desired = deployment(containers=[container("web")], tolerations=[])
    item = {'k:{"name":"proxy"}': {".": {}, "f:name": {}, "f:image": {}}}
    body = deployment(containers=[container("proxy", "z"), container("web")])
    live = managed(body, ("injector", "Update", {"f:spec": {"f:template": {"f:spec": {"f:containers": item}}}}))
    made = mask(desired, live, managers=("injector",))
    assert [str(one.path[-1]) for one in made.ignored] == ["Item(keys=(('name', 'proxy'),))"]
    assert made.compared(manifest(desired), live).status == "Synced"


def test_a_list_member_that_others_put_there_too_stays_without_what_the_manager_owns() -> None:
    item = 'k:{"name":"proxy"}'

    def owned(fields: Json) -> Json:
        return {"f:spec": {"f:template": {"f:spec": {"f:containers": {item: {".": {}, "f:name": {}, **fields}}}}}}

    live = managed(
        deployment(containers=[{**container("proxy", "z"), "workingDir": "/live"}]),
        ("injector", "Update", owned({"f:image": {}})),
        ("trueup", "Apply", owned({"f:workingDir": {}})),
    )
    desired = deployment(containers=[{**container("proxy"), "workingDir": "/git"}])
    place = "spec.template.spec.containers[name=proxy]"
    assert found(desired, live, managers=("injector",)) == [f"changed {place}.workingDir"]


def test_what_somebody_added_is_none_where_all_of_it_is_ignored() -> None:
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"}, "spec": {"x": 1}}
    fields = {"f:spec": {"f:mesh": {".": {}, "f:mode": {}, "f:pace": {}}}}
    live = managed({**widget, "spec": {"x": 1, "mesh": {"mode": "a", "pace": "b"}}}, ("kubectl-edit", "Update", fields))
    by = partial(local_verdict, how=How(Hands.of(["kubectl-*"]), "drift"))

    def added(*pointers: str) -> list[str]:
        diff = mask(widget, live, pointers=pointers).compared(manifest(widget), live, by)
        return [f"{change.kind} {change}" for change in diff.changes]

    assert added() == ["extra spec.mesh"]
    assert added("/spec/mesh/mode") == ["extra spec.mesh.pace"], "what is ignored does not go with it"
    assert added("/spec/mesh/mode", "/spec/mesh/pace") == []


def test_a_secrets_string_data_is_ignored_by_the_name_it_has_live() -> None:
    desired = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {"p": "one", "q": "one"}}
    live = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": {"p": "eA==", "q": "eA=="}}
    assert found(desired, live, "/data/p") == ["changed data.q"]


def test_who_owns_the_fields_is_known_though_all_metadata_is_ignored() -> None:
    fields = {"f:data": {"f:a": {}, "f:old": {}}}
    live = managed(config_map(a="1", old="1"), ("trueup", "Apply", fields))
    assert found(config_map(a="1"), live, "/metadata") == ["extra data.old"]


def test_what_kubectl_once_applied_is_known_though_all_annotations_are_ignored() -> None:
    live = managed(config_map(a="1", old="1"), ("kubectl-client-side-apply", "Update", {"f:data": {"f:a": {}}}))
    live["metadata"]["annotations"] = {LAST_APPLIED_ANNOTATION: json.dumps(config_map(a="1", old="1"))}
    assert found(config_map(a="1"), live, "/metadata/annotations") == ["extra data.old"]


def test_each_ignored_place_is_told_with_its_rule() -> None:
    desired, live = config_map(a="1"), config_map(a="2", b="2")
    made = mask(desired, live, pointers=("/data/a", "/data/b"))
    assert {(one.path, one.origin) for one in made.ignored} == {
        (("data", "a"), "the rule"),
        (("data", "b"), "the rule"),
    }


# The law, over objects of any shape.

NAMES = st.sampled_from(["a", "b", "c", "d/e", "f~g", "0"])
SCALARS = st.integers(1, 3) | st.sampled_from(["x", "y"])
MAPS = st.recursive(SCALARS, lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=4), max_leaves=12)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=3) | st.lists(inner, min_size=1, max_size=3),
    max_leaves=14,
)


def widget(spec: Any) -> Json:
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec}


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not isinstance(value, dict | list):
        yield path, value
    for step, below in members:
        yield from leaves(below, (*path, step))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, below in members:
        yield (*path, step)
        yield from places(below, (*path, step))


def pointer(path: tuple[Any, ...]) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in ("spec", *path))


def is_below(path: tuple[Any, ...], tops: list[tuple[Any, ...]]) -> bool:
    return any(path[: len(top)] == top for top in tops)


def reported(diff: ObjectDiff) -> set[tuple[Any, ...]]:
    return {
        (*change.path[1:], *below)
        for change in diff.changes
        for below, _ in leaves(change.desired if change.desired is not None else change.live)
    }


@given(st.data(), MAPS, MAPS)
def test_exactly_the_leaves_outside_are_compared(data: st.DataObject, one: Any, other: Any) -> None:
    one, other = {"z": one}, {"z": other}
    tops = data.draw(st.lists(st.sampled_from([*places(one), *places(other)]), max_size=3))
    desired, live = widget(one), widget(other)
    diff = mask(desired, live, pointers=tuple(map(pointer, tops))).compared(manifest(desired), live)
    everything = compare(manifest(desired), live)
    assert reported(diff) == {path for path in reported(everything) if not is_below(path, tops)}


@given(st.data(), VALUES)
def test_whatever_moves_below_an_ignored_place_is_nothing_and_what_moves_beside_it_is_seen(
    data: st.DataObject, spec: Any
) -> None:
    spec = {"z": spec}
    top = data.draw(st.sampled_from(list(places(spec))))
    desired, live = widget(spec), widget(copy.deepcopy(spec))
    parent = live["spec"]
    for step in top[:-1]:
        parent = parent[step]
    parent[top[-1]] = data.draw(VALUES)
    made = mask(desired, live, pointers=(pointer(top),))
    assert made.compared(manifest(desired), live).status == "Synced"
    beside = [path for path, _ in leaves(spec) if not is_below(path, [top])]
    if beside:
        chosen = data.draw(st.sampled_from(beside))
        parent = live["spec"]
        for step in chosen[:-1]:
            parent = parent[step]
        parent[chosen[-1]] = "something else"
        made = mask(desired, live, pointers=(pointer(top),))
        assert made.compared(manifest(desired), live).status == "OutOfSync"
