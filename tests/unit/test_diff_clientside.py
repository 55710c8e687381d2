"""The patch for what server-side apply refuses: exactly what Git says, and what others added."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from trueup.domain.clientside import client_side_patch, repeated_item
from trueup.domain.diff import compare
from trueup.domain.fieldpath import Item, show
from trueup.domain.quantity import same_quantity
from trueup.domain.resource import Manifest, ResourceKey


def deployment(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "a", "namespace": "n"},
        "spec": {"template": {"spec": {"containers": list(containers)}}, **spec},
    }


def manifest(body: dict[str, Any]) -> Manifest:
    return Manifest(ResourceKey.of(body), "v1", body, "test.yaml")


def patch(desired: dict[str, Any], live: dict[str, Any], *removals: Any) -> dict[str, Any]:
    return client_side_patch(manifest(desired), desired, live, removals)


def patched(live: Any, change: Any) -> Any:
    """RFC 7386, as it stands there."""
    if not isinstance(change, dict):
        return change
    target = dict(live) if isinstance(live, dict) else {}
    for name, value in change.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = patched(target.get(name), value)
    return target


def env(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in pairs]


def test_what_others_added_stays_and_what_is_to_go_goes() -> None:
    live = deployment(
        {"name": "sidecar", "image": "s"},
        {"name": "old"},
        {"name": "a", "image": "1", "tty": True},
        replicas=3,
        paused=True,
    )
    live["metadata"]["resourceVersion"] = "7"
    before = copy.deepcopy(live)
    desired = deployment({"name": "a", "image": "2", "env": env(("A", "1"), ("A", "2"))})
    path = ("spec", "template", "spec", "containers", Item((("name", "old"),)))
    change = patch(desired, live, path, ("spec", "paused"))
    assert change["metadata"] == {"resourceVersion": "7"}
    after = patched(live, change)
    assert live == before
    assert after["spec"]["replicas"] == 3
    assert "paused" not in after["spec"]
    assert after["spec"]["template"]["spec"]["containers"] == [
        {"name": "a", "image": "2", "tty": True, "env": env(("A", "1"), ("A", "2"))},
        {"name": "sidecar", "image": "s"},
    ]


def test_nothing_to_do_is_an_empty_patch() -> None:
    live = deployment({"name": "a", "env": env(("A", "1"), ("A", "2")), "tty": True})
    assert patch(deployment({"name": "a", "env": env(("A", "1"), ("A", "2"))}), live) == {}


def test_a_default_in_a_repeated_member_asks_for_no_patch() -> None:
    def twice(**field: str) -> list[dict[str, Any]]:
        return [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name", **field}}}] * 2

    live = deployment({"name": "a", "env": twice(apiVersion="v1")})
    assert patch(deployment({"name": "a", "env": twice()}), live) == {}


def test_a_repeated_member_is_named_and_others_are_not() -> None:
    assert repeated_item(manifest(deployment({"name": "a", "env": env(("A", "1"), ("B", "1"))})), None) is None
    found = repeated_item(manifest(deployment({"name": "a", "env": env(("A", "1"), ("A", "2"))})), None)
    assert found is not None
    assert show(found) == "spec.template.spec.containers[name=a].env[name=A]"


NAMES = st.sampled_from("ABC")
ENV = st.lists(st.tuples(NAMES, st.sampled_from("12")), max_size=4)


@given(desired=ENV, live=ENV, others=st.booleans())
def test_a_patched_object_is_what_is_desired(
    desired: list[tuple[str, str]], live: list[tuple[str, str]], others: bool
) -> None:
    wanted = deployment({"name": "a", "env": env(*desired)}) if desired else deployment({"name": "a"})
    sidecar = [{"name": "sidecar"}] if others else []
    there = deployment({"name": "a", "env": env(*live), "tty": True}, *sidecar)
    after = patched(there, patch(wanted, there))
    assert compare(manifest(wanted), after).status == "Synced"
    containers = after["spec"]["template"]["spec"]["containers"]
    assert containers[0]["tty"] is True
    assert containers[1:] == sidecar


def test_amounts_are_compared_exactly() -> None:
    assert same_quantity("0.1", "100m")
    assert same_quantity("1Ki", 1024)
    assert same_quantity("1E", "1e18")
    assert same_quantity("-1.5k", "-1500")
    assert not same_quantity("1k", "1Ki")
    assert not same_quantity("10000000000000000001", "10000000000000000000")
    for odd in ("", "m", "1mm", "1 ", "0x1", "nan", "1e", "1e9999", True, None, [], {}):
        assert not same_quantity(odd, odd)
