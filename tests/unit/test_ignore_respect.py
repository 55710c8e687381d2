"""Where what is ignored is respected, an apply says of it what live says, and of the rest what Git says."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.support.diffing import config_map, deployment, managed, manifest
from tests.unit.test_ignore_mask import MAPS, is_below, leaves, mask, places, pointer, widget
from trueup.domain.ignore_respect import respected
from trueup.domain.plan import tracked
from trueup.domain.resource import TRACKING_ANNOTATION

Json = dict[str, Any]


def applied(desired: Json, live: Json, *pointers: str, jq: Any = None) -> Json:
    live["metadata"]["resourceVersion"] = "7"
    made = mask(desired, live, pointers=pointers, jq=jq)
    wanted = manifest(desired)
    body = dict(respected(tracked(wanted, "shop"), wanted.key, live, made))
    metadata = {**body["metadata"]}
    annotations = {**metadata["annotations"]}
    assert annotations.pop(TRACKING_ANNOTATION), "it stays tracked"
    if made.desired or made.live:
        assert metadata.pop("resourceVersion") == "7", "it is bound to what live was"
    return {**body, "metadata": {**metadata, "annotations": annotations}}


def test_an_ignored_field_has_lives_value_and_what_live_lacks_is_left_out() -> None:
    desired, live = config_map(a="1", b="1", c="1"), config_map(a="2", b="2")
    assert applied(desired, live, "/data/a", "/data/c")["data"] == {"a": "2", "b": "1"}
    assert applied(desired, live)["data"] == {"a": "1", "b": "1", "c": "1"}


def test_a_map_of_many_writers_takes_what_git_has_and_what_is_ours_alone() -> None:
    desired, live = config_map(), config_map()
    desired["metadata"]["annotations"] = {"git": "1"}
    live["metadata"]["annotations"] = {"git": "2", "ours": "2", "theirs": "2"}
    fields = {"f:metadata": {"f:annotations": {"f:git": {}, "f:ours": {}}}}
    live = managed(live, ("trueup", "Apply", fields))
    assert applied(desired, live, "/metadata/annotations")["metadata"]["annotations"] == {"git": "2", "ours": "2"}


def test_what_git_says_no_more_stays_ours_where_it_is_ignored() -> None:
    live = managed(config_map(a="1", b="2", c="3"), ("trueup", "Apply", {"f:data": {"f:a": {}, "f:b": {}, "f:c": {}}}))
    assert applied(config_map(a="1"), live, "/data/b")["data"] == {"a": "1", "b": "2"}
    unowned = config_map(a="1", b="2")
    assert applied(config_map(a="1"), unowned, "/data/b")["data"] == {"a": "1"}


def test_no_rule_changes_what_the_object_is_called_or_who_owns_it() -> None:
    live = managed(config_map(a="2"), ("trueup", "Apply", {"f:data": {"f:a": {}}}))
    live["metadata"] |= {"uid": "u", "labels": {"x": "y"}, "annotations": {"theirs": "1"}}
    desired = config_map(a="1")
    desired["metadata"]["annotations"] = {}
    body = applied(desired, live, "/metadata", "/apiVersion", "/kind", "/status")
    assert (body["apiVersion"], body["kind"], body["data"]) == ("v1", "ConfigMap", {"a": "1"})
    assert body["metadata"] == {"name": "a", "namespace": "n", "annotations": {}}


def test_members_of_lists_stay_by_what_tells_them_apart_and_whole_lists_in_their_order() -> None:
    web, proxy = {"name": "web", "image": "1"}, {"name": "proxy", "image": "1"}
    tolerations = [{"key": "a"}, {"key": "injected"}, {"key": "b"}]
    desired = deployment(containers=[{**web, "image": "2"}], tolerations=[{"key": "a"}, {"key": "c"}])
    live = deployment(containers=[proxy, web], tolerations=tolerations)
    spec = ["spec", "template", "spec"]
    jq = {
        "proxy": ([], [[*spec, "containers", 0]]),
        "injected": ([], [[*spec, "tolerations", 1]]),
        "image": ([[*spec, "containers", 0, "image"]], [[*spec, "containers", 1, "image"]]),
    }
    pod = applied(desired, live, jq=jq)["spec"]["template"]["spec"]
    assert pod["containers"] == [web], "the sidecar is its manager's, who keeps it"
    assert pod["tolerations"] == [{"key": "a"}, {"key": "injected"}, {"key": "c"}]


def test_a_sidecar_that_we_own_is_not_taken_away_by_our_apply() -> None:
    proxy = {"name": "proxy", "image": "1"}
    live = deployment(containers=[{"name": "web"}, proxy])
    owned = {'k:{"name":"proxy"}': {".": {}, "f:name": {}, "f:image": {}}}
    live = managed(live, ("trueup", "Apply", {"f:spec": {"f:template": {"f:spec": {"f:containers": owned}}}}))
    jq = {"proxy": ([], [["spec", "template", "spec", "containers", 1]])}
    body = applied(deployment(containers=[{"name": "web"}]), live, jq=jq)
    assert body["spec"]["template"]["spec"]["containers"] == [{"name": "web"}, proxy]


def test_a_set_keeps_what_is_ignored_as_live_has_it() -> None:
    desired, live = config_map(), config_map()
    desired["metadata"]["finalizers"] = ["a.io/x", "b.io/y"]
    live["metadata"]["finalizers"] = ["a.io/x", "c.io/z"]
    found = applied(desired, live, "/metadata/finalizers/1")
    assert found["metadata"]["finalizers"] == ["a.io/x"], "b is ignored and not there; c is not ours"


@given(st.data(), MAPS, MAPS)
def test_the_rest_is_what_git_says_and_the_ignored_is_what_live_says(data: st.DataObject, one: Any, other: Any) -> None:
    one, other = {"z": one}, {"z": other}
    tops = data.draw(st.lists(st.sampled_from([*places(one), *places(other)]), max_size=3))
    found = dict(leaves(applied(widget(one), widget(other), *map(pointer, tops)).get("spec", {})))
    desired, live = dict(leaves(one)), dict(leaves(other))
    for path, value in desired.items():
        if not is_below(path, tops):
            assert found[path] == value
    for path, value in found.items():
        if is_below(path, tops):
            assert live.get(path) == value
        else:
            assert desired.get(path) == value
