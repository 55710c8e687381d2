"""A file's object with its differences accepted differs no longer, and says no more than a person would."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.diffing import config_map, deployment, managed, manifest, service
from trueup.domain.adoption.intent import adopted
from trueup.domain.adoption.members import stated_at
from trueup.domain.adoption.values import candidates, holds_a_secret
from trueup.domain.adoption.widen import widened
from trueup.domain.by_hand import Hands, with_additions
from trueup.domain.diff import Change, ObjectDiff, compare
from trueup.domain.errors import StalledError
from trueup.domain.fieldpath import Item, show
from trueup.domain.redact import Redactor

HANDS = Hands.of(["kubectl-*"])
Object = dict[str, Any]


def differing(desired: Object, live: Object) -> ObjectDiff:
    wanted = manifest(desired)
    return with_additions(compare(wanted, live), wanted, live, HANDS, "drift")


def accepted(desired: Object, live: Object, **more: Any) -> Object:
    """The file's object with all that differs accepted; then nothing differs any more."""
    found = differing(desired, live)
    assert found.counted, "there is nothing to accept"
    key = manifest(desired).key
    body = adopted(desired, live, widened(found.counted, desired, live), key, **more)
    assert differing(body, live).counted == ()
    return body


def by_hand(body: Object, fields: Object) -> Object:
    return managed(body, ("kubectl-edit", "Update", fields))


def test_a_value_that_changed_is_taken_over() -> None:
    assert accepted(config_map(a="1", b="2"), config_map(a="1", b="3"))["data"] == {"a": "1", "b": "3"}


def test_a_key_that_is_gone_goes() -> None:
    assert accepted(config_map(a="1", b="2"), config_map(a="1"))["data"] == {"a": "1"}


def test_what_is_left_empty_goes_with_its_last_member() -> None:
    live = config_map()
    del live["data"]
    assert "data" not in accepted(config_map(a="1"), live)


def test_what_a_person_added_comes_in_and_what_a_controller_added_does_not() -> None:
    live = config_map(a="1", mine="x", theirs="y")
    live = managed(
        live,
        ("kubectl-edit", "Update", {"f:data": {"f:mine": {}}}),
        ("operator", "Update", {"f:data": {"f:theirs": {}}}),
    )
    assert accepted(config_map(a="1"), live)["data"] == {"a": "1", "mine": "x"}


def test_an_annotation_by_hand_does_not_bring_the_controllers_along() -> None:
    desired, live = config_map(a="1"), config_map(a="1")
    live["metadata"]["annotations"] = {"mine": "x", "theirs": "y"}
    live = managed(
        live,
        ("kubectl-edit", "Update", {"f:metadata": {"f:annotations": {"f:mine": {}}}}),
        ("operator", "Update", {"f:metadata": {"f:annotations": {"f:theirs": {}}}}),
    )
    assert accepted(desired, live)["metadata"]["annotations"] == {"mine": "x"}


def test_a_port_that_was_edited_is_changed_where_it_stands_and_says_no_more() -> None:
    desired = service({"port": 80, "name": "http"}, {"port": 90, "name": "more"})
    live = service(
        {"port": 81, "name": "http", "protocol": "TCP", "targetPort": 80},
        {"port": 90, "name": "more", "protocol": "TCP", "targetPort": 90},
    )
    assert accepted(desired, live)["spec"]["ports"] == [{"port": 81, "name": "http"}, {"port": 90, "name": "more"}]


def test_the_only_port_without_a_name_is_known_by_what_it_was() -> None:
    desired = service({"port": 80})
    live = service({"port": 81, "protocol": "UDP", "targetPort": 80})
    assert accepted(desired, live)["spec"]["ports"] == [{"port": 81, "protocol": "UDP"}]


def test_a_member_of_a_list_comes_in_where_live_has_it() -> None:
    desired = deployment(containers=[{"name": "a", "image": "a:1"}, {"name": "c", "image": "c:1"}])
    live = deployment(
        containers=[
            {"name": "a", "image": "a:1"},
            {"name": "b", "image": "b:1", "resources": {}, "ports": [{"containerPort": 80, "protocol": "TCP"}]},
            {"name": "c", "image": "c:1"},
        ]
    )
    fields = {"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"b"}': {".": {}, "f:image": {}}}}}}}
    containers = accepted(desired, by_hand(live, fields))["spec"]["template"]["spec"]["containers"]
    assert containers == [
        {"name": "a", "image": "a:1"},
        {"name": "b", "image": "b:1", "ports": [{"containerPort": 80}]},
        {"name": "c", "image": "c:1"},
    ]


def test_a_member_that_is_gone_goes() -> None:
    desired = deployment(containers=[{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}])
    live = deployment(containers=[{"name": "a", "image": "a:1"}])
    containers = accepted(desired, live)["spec"]["template"]["spec"]["containers"]
    assert containers == [{"name": "a", "image": "a:1"}]


def test_an_order_that_changed_is_taken_over() -> None:
    one, two = {"name": "a", "value": "1"}, {"name": "b", "value": "2"}
    desired = deployment(containers=[{"name": "x", "image": "x:1", "env": [one, two]}])
    live = deployment(containers=[{"name": "x", "image": "x:1", "env": [two, one]}])
    containers = accepted(desired, live)["spec"]["template"]["spec"]["containers"]
    assert containers[0]["env"] == [two, one]


def test_a_list_that_is_one_value_is_taken_over_as_a_whole() -> None:
    desired = deployment(containers=[{"name": "x", "image": "x:1", "args": ["a", "b"]}])
    live = deployment(containers=[{"name": "x", "image": "x:1", "args": ["a", "c", "b"]}])
    containers = accepted(desired, live)["spec"]["template"]["spec"]["containers"]
    assert containers[0]["args"] == ["a", "c", "b"]


def test_of_a_probe_by_hand_everything_comes_that_the_same_hands_wrote() -> None:
    probe = {"httpGet": {"path": "/r", "port": 80, "scheme": "HTTP"}, "periodSeconds": 10}
    desired = deployment(containers=[{"name": "x", "image": "x:1"}])
    live = deployment(containers=[{"name": "x", "image": "x:1", "readinessProbe": probe}])
    written = {"f:httpGet": {"f:path": {}, "f:port": {}, "f:scheme": {}}, "f:periodSeconds": {}}
    container = {'k:{"name":"x"}': {"f:readinessProbe": written}}
    live = by_hand(live, {"f:spec": {"f:template": {"f:spec": {"f:containers": container}}}})
    found = differing(desired, live)
    # The port alone cannot be taken away, so that it is no difference of its own.
    counted = tuple(change for change in found.counted if change.path[-1] != "port")
    (change,) = widened(counted, desired, live)
    assert show(change.path) == "spec.template.spec.containers[name=x].readinessProbe"
    defaults = {path for path in candidates(change) if path[-1] in ("scheme", "periodSeconds")}
    body = adopted(desired, live, (change,), manifest(desired).key, defaults=defaults)
    (container_now,) = body["spec"]["template"]["spec"]["containers"]
    assert container_now["readinessProbe"] == {"httpGet": {"path": "/r", "port": 80}}


def test_a_note_of_kubectl_beside_an_annotation_by_hand_stays_out() -> None:
    note = "kubectl.kubernetes.io/restartedAt"
    desired, live = config_map(a="1"), config_map(a="1")
    live["metadata"]["annotations"] = {"mine": "x", note: "2026-01-02T03:04:05Z"}
    live = by_hand(live, {"f:metadata": {"f:annotations": {"f:mine": {}, f"f:{note}": {}}}})
    assert accepted(desired, live)["metadata"]["annotations"] == {"mine": "x"}


def test_a_field_of_a_controller_beside_one_by_hand_stays_out() -> None:
    desired, live = deployment(), deployment(securityContext={"runAsUser": 5, "runAsGroup": 6})
    context = {"f:spec": {"f:template": {"f:spec": {"f:securityContext": {"f:runAsUser": {}}}}}}
    group = {"f:spec": {"f:template": {"f:spec": {"f:securityContext": {"f:runAsGroup": {}}}}}}
    live = managed(live, ("kubectl-edit", "Update", context), ("operator", "Update", group))
    assert accepted(desired, live)["spec"]["template"]["spec"]["securityContext"] == {"runAsUser": 5}


def test_what_looks_like_a_default_in_a_free_map_is_none() -> None:
    volume = {"name": "x", "csi": {"driver": "d", "volumeAttributes": {"protocol": "TCP"}}}
    live = deployment(volumes=[volume])
    fields = {"f:spec": {"f:template": {"f:spec": {"f:volumes": {'k:{"name":"x"}': {".": {}, "f:csi": {}}}}}}}
    assert accepted(deployment(), by_hand(live, fields))["spec"]["template"]["spec"]["volumes"] == [volume]


def test_labels_by_hand_come_as_they_are() -> None:
    desired, live = config_map(a="1"), config_map(a="1")
    live["metadata"]["labels"] = {"protocol": "TCP", "empty": ""}
    live = by_hand(live, {"f:metadata": {"f:labels": {".": {}, "f:protocol": {}, "f:empty": {}}}})
    assert accepted(desired, live)["metadata"]["labels"] == {"protocol": "TCP", "empty": ""}


def test_what_two_aliases_stood_for_is_changed_in_one_place_only() -> None:
    shared = {"a": "1"}
    desired: Object = {**config_map(), "data": shared}
    desired["metadata"]["labels"] = shared
    live = config_map(a="2")
    live["metadata"]["labels"] = {"a": "1"}
    body = accepted(desired, live)
    assert (body["data"], body["metadata"]["labels"]) == ({"a": "2"}, {"a": "1"})


def test_a_place_that_the_file_does_not_write_out_is_said() -> None:
    change = Change(("spec", "ports", Item((("port", 80),)), "name"), "changed", "a", "b", "", ())
    with pytest.raises(StalledError, match="is not written out in its file"):
        adopted(service({"port": 90}), service({"port": 80}), (change,), manifest(service()).key)


def test_a_member_is_found_though_the_file_leaves_its_default_out() -> None:
    ports = service({"port": 80, "name": "a"}, {"port": 80, "protocol": "UDP", "name": "b"})
    where = ("spec", "ports", Item((("port", 80), ("protocol", "TCP"))), "name")
    assert stated_at(ports, where) == "a"


def test_a_text_that_a_secret_holds_is_known_wherever_it_stands() -> None:
    redactor = Redactor()
    redactor.add("tide-and-time-0815")
    assert holds_a_secret({"a": ["x", {"b": "see tide-and-time-0815"}]}, redactor)
    assert holds_a_secret("https://me:word@example.org/", redactor)
    assert not holds_a_secret({"a": ["x", 1, None, True]}, redactor)
