"""What is empty in Git: whether it asks for something depends on where it stands."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.support.diffing import config_map, deployment, managed, manifest, shown
from trueup.domain.diff import compare
from trueup.domain.errors import StalledError
from trueup.domain.fieldpath import OBJECT_DEPTH_MAX


def without(body: dict[str, Any], *path: str) -> dict[str, Any]:
    """A copy that lacks this place."""
    left = copy.deepcopy(body)
    value: Any = left
    for name in path[:-1]:
        value = value[name]
    del value[path[-1]]
    return left


def definition(**schema: Any) -> dict[str, Any]:
    version = {"name": "v1", "subresources": {"status": {}}, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "a"},
        "spec": {"versions": [version], "preserveUnknownFields": False},
    }


def custom(group: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": "a", "labels": {}}, "spec": spec}


@pytest.mark.parametrize("place", ["labels", "annotations"])
def test_an_empty_text_in_a_map_is_missed_when_it_goes(place: str) -> None:
    desired = config_map(a="1", empty="")
    desired["metadata"][place] = {"empty": ""}
    assert shown(desired, without(desired, "data", "empty")) == ["missing data.empty"]
    assert shown(desired, without(desired, "metadata", place, "empty")) == [f"missing metadata.{place}.empty"]


def test_an_empty_text_elsewhere_asks_for_nothing() -> None:
    assert shown(deployment(hostname="", nodeName="x"), deployment(nodeName="x")) == []


def test_a_subresource_without_settings_is_missed_when_it_goes() -> None:
    desired = definition(type="object")
    live = copy.deepcopy(desired)
    live["spec"]["versions"][0]["subresources"] = {}
    assert shown(desired, live) == ["missing spec.versions[0].subresources.status"]


@pytest.mark.parametrize("default", ["", 0, {}, [], False])
def test_an_empty_default_of_a_definition_is_missed_when_it_goes(default: Any) -> None:
    desired = definition(properties={"paused": {"default": default}})
    live = definition(properties={"paused": {}})
    (line,) = shown(desired, live)
    assert line.endswith("schema.openAPIV3Schema.properties.paused.default")


def test_a_property_that_is_called_default_is_a_schema_like_another() -> None:
    desired = definition(properties={"default": {"description": "", "items": []}})
    assert shown(desired, definition(properties={"default": {}})) == []


@pytest.mark.parametrize("group", ["example.com", "gateway.networking.k8s.io"])
@pytest.mark.parametrize("value", ["", 0, False, {}, []])
def test_a_custom_resource_is_kept_as_it_was_written(group: str, value: Any) -> None:
    desired = custom(group, paused=value, resources=value)
    assert shown(desired, custom(group)) == ["missing spec.paused", "missing spec.resources"]


def test_empty_metadata_asks_for_nothing_of_any_kind() -> None:
    desired = custom("example.com", a=1)
    desired["metadata"]["finalizers"] = []
    assert shown(desired, without(without(desired, "metadata", "labels"), "metadata", "finalizers")) == []


def test_the_security_context_of_a_container_is_missed_when_it_goes_empty_or_not() -> None:
    desired = deployment(containers=[{"name": "a", "securityContext": {}}])
    live = deployment(containers=[{"name": "a"}])
    assert shown(desired, live) == ["missing spec.template.spec.containers[name=a].securityContext"]


def test_a_member_that_lost_its_key_takes_its_list_with_it() -> None:
    desired, live = deployment(imagePullSecrets=[{"name": "a"}]), deployment(imagePullSecrets=[{}])
    assert shown(desired, live) == ["changed spec.template.spec.imagePullSecrets"]


def test_a_member_stands_in_for_one_that_is_written_otherwise() -> None:
    desired = deployment(volumes=[{"name": "a", "emptyDir": {"medium": "", "sizeLimit": "1024Mi"}}])
    live = deployment(volumes=[{"name": "b", "emptyDir": {"sizeLimit": "1Gi"}}])
    assert shown(desired, live) == ["changed spec.template.spec.volumes[name=b].name"]


def test_nobody_is_blamed_for_an_order() -> None:
    fields = {"f:spec": {"f:template": {"f:spec": {"f:volumes": {'k:{"name":"a"}': {}, 'k:{"name":"b"}': {}}}}}}
    desired = deployment(volumes=[{"name": "a"}, {"name": "b"}])
    live = managed(deployment(volumes=[{"name": "b"}, {"name": "a"}]), ("trueup", "Apply", fields))
    (change,) = compare(manifest(desired), live).changes
    assert change.reordered
    assert change.owners == ()


def test_a_volume_without_a_class_says_nothing_and_a_claim_without_one_does() -> None:
    volume: dict[str, Any] = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "a"}}
    claim: dict[str, Any] = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "a"}}
    empty = {"spec": {"storageClassName": ""}}
    assert shown({**volume, **empty}, {**volume, "spec": {}}) == []
    assert shown({**claim, **empty}, {**claim, "spec": {}}) == ["missing spec.storageClassName"]


def test_a_member_nested_too_deep_stands_in_for_none_and_is_refused() -> None:
    value: Any = "x"
    for _ in range(OBJECT_DEPTH_MAX):
        value = {"a": value}
    desired, live = ({"volumes": [{"name": name, "emptyDir": value}]} for name in "ab")
    with pytest.raises(StalledError, match="nested deeper"):
        shown(deployment(**desired), deployment(**live))


def test_a_member_that_is_no_stand_in_is_looked_into_no_deeper_than_that_either() -> None:
    """Whether two members agree is asked before the walk comes there, if it does."""
    value: Any = "x"
    for _ in range(OBJECT_DEPTH_MAX):
        value = {"a": value}
    desired = deployment(volumes=[{"name": "a", "emptyDir": value, "other": 1}])
    with pytest.raises(StalledError, match="nested deeper"):
        shown(desired, deployment(volumes=[{"name": "b", "emptyDir": value, "other": 2}]))
