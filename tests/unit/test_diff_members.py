"""Members of lists are held against each other by what tells them apart, and one may stand in for another."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.diffing import config_map, deployment, managed, manifest, service, shown
from trueup.domain.diff import compare
from trueup.domain.fieldpath import find


def test_members_are_told_apart_by_the_keys_that_their_owners_state() -> None:
    def widget(*items: dict[str, Any]) -> dict[str, Any]:
        return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"}, "things": list(items)}

    live = widget({"id": 2, "x": 1}, {"id": 1, "x": 1})
    assert shown(widget({"id": 1, "x": 1}), live) == ["changed things"]
    owned = managed(live, ("ctl", "Update", {"f:things": {'k:{"id":1}': {".": {}}, 'k:{"id":2}': {".": {}}}}))
    assert shown(widget({"id": 1, "x": 1}), owned) == []
    assert shown(widget({"id": 1, "x": 2}), owned) == ["changed things[id=1].x"]
    assert shown(widget({"id": 3}), owned) == ["missing things[id=3]"]


@pytest.mark.parametrize("odd", [[{"name": ["a"]}], [{"name": {}}], ["a"], [None], [{}], [{"name": None}], [[1]]])
def test_members_without_proper_keys_are_compared_by_position(odd: list[Any]) -> None:
    named = [{"name": "a"}]
    assert shown(deployment(containers=odd), deployment(containers=named)) != [] or odd in ([{}], [{"name": None}])
    assert shown(deployment(containers=named), deployment(containers=odd)) != []
    assert shown(deployment(containers=odd), deployment(containers=odd)) == []


def test_a_set_lacks_only_what_is_desired() -> None:
    live = config_map()
    live["metadata"]["finalizers"] = ["b", "c"]
    desired = config_map()
    desired["metadata"]["finalizers"] = ["a", "b"]
    assert shown(desired, live) == ["missing metadata.finalizers[=a]"]


def test_a_port_without_its_protocol_is_the_tcp_port() -> None:
    live = service(
        {"name": "u", "port": 53, "protocol": "UDP"}, {"name": "t", "port": 53, "protocol": "TCP", "targetPort": 53}
    )
    assert shown(service({"name": "t", "port": 53}), live) == []
    udp = service({"name": "t", "port": 53, "protocol": "UDP"})
    assert shown(service({"name": "t", "port": 53}), udp) == ["changed spec.ports[name=t].protocol"]


def test_duplicate_keys_are_compared_by_position() -> None:
    def env(*values: str) -> dict[str, Any]:
        return deployment(containers=[{"name": "a", "env": [{"name": "A", "value": value} for value in values]}])

    path = "spec.template.spec.containers[name=a].env"
    assert shown(env("1", "2"), env("1", "2")) == []
    assert shown(env("1", "2"), env("1", "3")) == [f"changed {path}[1].value"]
    assert shown(env("1", "2"), env("2")) == [f"changed {path}"]


def test_an_atomic_list_is_compared_by_position_and_length() -> None:
    assert shown(deployment(tolerations=[{"key": "a"}]), deployment(tolerations=[{"key": "a", "operator": "x"}])) == []
    assert shown(deployment(tolerations=[{"key": "a"}]), deployment(tolerations=[{"key": "a"}, {"key": "b"}])) == [
        "changed spec.template.spec.tolerations"
    ]


def test_a_name_that_is_shared_makes_a_stand_in_and_names_what_must_go() -> None:
    live = service({"name": "http", "port": 81, "protocol": "TCP", "targetPort": 80})
    (change,) = compare(manifest(service({"name": "http", "port": 80})), live).changes
    assert str(change) == "spec.ports[name=http].port"
    assert change.removes is not None
    assert find(live, change.removes) == live["spec"]["ports"][0]


def test_a_stand_in_that_another_manager_applied_for_itself_is_none() -> None:
    containers = [{"name": "other", "image": "same"}]
    fields = {"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"other"}': {".": {}, "f:image": {}}}}}}}
    desired = deployment(containers=[{"name": "ours", "image": "same"}])
    edited = managed(deployment(containers=containers), ("kubectl-edit", "Update", fields))
    assert shown(desired, edited) == ["changed spec.template.spec.containers[name=other].name"]
    applied = managed(deployment(containers=containers), ("injector", "Apply", fields))
    assert shown(desired, applied) == ["missing spec.template.spec.containers[name=ours]"]


def test_containers_that_differ_in_more_than_their_name_are_two() -> None:
    live = deployment(containers=[{"name": "sidecar", "image": "mesh"}])
    desired = deployment(containers=[{"name": "new", "image": "app"}])
    assert shown(desired, live) == ["missing spec.template.spec.containers[name=new]"]


def test_two_members_without_a_partner_on_a_side_are_nobodys_stand_in() -> None:
    live = deployment(containers=[{"name": "x", "image": "i"}, {"name": "y", "image": "i"}])
    desired = deployment(containers=[{"name": "a", "image": "i"}])
    assert shown(desired, live) == ["missing spec.template.spec.containers[name=a]"]


def test_a_members_place_matters_only_among_the_desired() -> None:
    live = deployment(initContainers=[{"name": "mesh"}, {"name": "b"}, {"name": "a"}])
    assert shown(deployment(initContainers=[{"name": "b"}, {"name": "a"}]), live) == []
    (change,) = compare(manifest(deployment(initContainers=[{"name": "a"}, {"name": "b"}])), live).changes
    assert change.reordered
    assert (change.desired, change.live) == ([{"name": "a"}, {"name": "b"}], [{"name": "b"}, {"name": "a"}])


def test_of_another_managers_member_only_our_field_is_extra() -> None:
    def fields(below: dict[str, Any]) -> dict[str, Any]:
        return {"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"mesh"}': below}}}}}

    live = deployment(containers=[{"name": "mesh", "image": "m", "tty": True}])
    ours = ("trueup", "Apply", fields({"f:tty": {}}))
    live = managed(live, ours, ("mesh", "Apply", fields({".": {}, "f:name": {}, "f:image": {}})))
    assert shown(deployment(), live) == ["extra spec.template.spec.containers[name=mesh].tty"]


def test_a_member_that_says_nothing_but_its_key_has_no_stand_in() -> None:
    def env(**entry: str) -> dict[str, Any]:
        return deployment(containers=[{"name": "a", "env": [entry]}])

    path = "spec.template.spec.containers[name=a].env"
    assert shown(env(name="A"), env(name="B", value="1")) == [f"missing {path}[name=A]"]
    assert shown(env(name="A", value="1"), env(name="B", value="1")) == [f"changed {path}[name=B].name"]


def test_defaults_inside_a_stand_in_are_no_edits() -> None:
    def named(name: str, **field: str) -> dict[str, Any]:
        env = [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name", **field}}}]
        return deployment(containers=[{"name": name, "env": env}])

    item = {".": {}, "f:name": {}, "f:env": {'k:{"name":"A"}': {".": {}, "f:valueFrom": {"f:fieldRef": {}}}}}
    edited = {"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"b"}': item}}}}}
    live = managed(
        named("b", apiVersion="v1"), ("trueup", "Apply", {"f:spec": {"f:x": {}}}), ("edit", "Update", edited)
    )
    assert "changed spec.template.spec.containers[name=b].env" not in shown(named("a"), live)
    assert not any("apiVersion" in line for line in shown(named("a"), live))


def test_an_empty_storage_class_is_not_no_storage_class() -> None:
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "a"}}
    assert shown({**claim, "spec": {"storageClassName": "", "volumeName": ""}}, {**claim, "spec": {}}) == [
        "missing spec.storageClassName"
    ]


def test_a_custom_set_is_known_by_its_owners() -> None:
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"}}
    live = managed({**widget, "tags": ["b", "a", "c"]}, ("x", "Update", {"f:tags": {'v:"a"': {}, 'v:"b"': {}}}))
    assert shown({**widget, "tags": ["a", "b"]}, live) == []


def test_one_live_member_is_the_partner_of_one_desired() -> None:
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"}}
    live = managed({**widget, "list": [{"a": 1, "b": 2}]}, ("x", "Update", {"f:list": {'k:{"a":1,"b":2}': {".": {}}}}))
    assert shown({**widget, "list": [{"a": 1}]}, live) == []
    assert shown({**widget, "list": [{"a": 1}, {"b": 2}]}, live) == ["missing list[b=2]"]


def test_a_member_that_is_one_value_as_a_whole_is_dropped_with_it() -> None:
    fields = {"f:imagePullSecrets": {'k:{"name":"a"}': {}, 'k:{"name":"b"}': {}}}
    body = deployment(imagePullSecrets=[{"name": "a"}, {"name": "b"}])
    live = managed(body, ("trueup", "Apply", {"f:spec": {"f:template": {"f:spec": fields}}}))
    desired = deployment(imagePullSecrets=[{"name": "a"}])
    assert shown(desired, live) == ["extra spec.template.spec.imagePullSecrets[name=b]"]


ROUTES = {"f:spec": {"f:routes": {'k:{"host":"a","port":443}': {".": {}}, 'k:{"host":"a","port":80}': {".": {}}}}}


@pytest.mark.parametrize("turned", [False, True])
def test_a_member_that_leaves_out_a_key_is_the_one_that_the_others_leave(*, turned: bool) -> None:
    desired: dict[str, Any] = {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "a"},
        "spec": {"routes": [{"host": "a"}, {"host": "a", "port": 80}]},
    }
    body = {**desired, "spec": {"routes": [{"host": "a", "port": 443}, {"host": "a", "port": 80}]}}
    if turned:
        desired["spec"]["routes"].reverse()
        body["spec"]["routes"].reverse()
    assert shown(desired, managed(body, ("trueup", "Apply", ROUTES))) == []
