"""A list or a map that is applied as a whole holds what Git says and defaults, and nothing that Git has dropped."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.diffing import managed, manifest, shown
from trueup.domain.diff import compare, settle_with

Body = dict[str, Any]


def role(rule: Body) -> Body:
    metadata = {"name": "a", "namespace": "n"}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": [rule]}


def network_policy(port: Body) -> Body:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "a", "namespace": "n"},
        "spec": {"podSelector": {}, "ingress": [{"ports": [port]}]},
    }


READ = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}
RULES = {"f:rules": {}}
INGRESS = {"f:spec": {"f:ingress": {}, "f:podSelector": {}}}


@pytest.mark.parametrize(
    "owner",
    [("trueup", "Apply"), ("kubectl-client-side-apply", "Update"), ("argocd-controller", "Apply"), ("x", "Update")],
)
def test_a_field_that_git_dropped_from_a_member_is_found_whoever_delivered_it(owner: tuple[str, str]) -> None:
    live = managed(role({**READ, "resourceNames": ["one"]}), (*owner, RULES))
    assert shown(role(READ), live) == ["extra rules[0].resourceNames"]


def test_a_default_of_a_member_is_no_difference() -> None:
    live = managed(network_policy({"port": 80, "protocol": "TCP"}), ("trueup", "Apply", INGRESS))
    assert shown(network_policy({"port": 80}), live) == []
    live = managed(network_policy({"port": 80, "protocol": "UDP"}), ("trueup", "Apply", INGRESS))
    assert shown(network_policy({"port": 80}), live) == ["extra spec.ingress[0].ports[0].protocol"]


def test_what_may_be_a_default_is_presumed_until_the_api_server_has_been_asked() -> None:
    live = managed(role({**READ, "resourceNames": ["one"]}), ("trueup", "Apply", RULES))
    diff = compare(manifest(role(READ)), live)
    assert diff.is_presumed
    assert settle_with(diff, role({**READ, "resourceNames": ["one"]})).status == "Synced", "the server fills it in"
    assert settle_with(diff, role(READ)).status == "OutOfSync", "it does not"
    changed = compare(manifest(role({**READ, "verbs": ["list"]})), live)
    assert not changed.is_presumed
    assert not compare(manifest(role(READ)), managed(role(READ), ("trueup", "Apply", RULES))).is_presumed


def test_a_map_that_was_asked_for_empty_says_nothing_of_what_is_in_it() -> None:
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "namespace": "n"}}
    live = {**body, "spec": {"strategy": {"type": "RollingUpdate"}}}
    managed_live = managed(live, ("trueup", "Apply", {"f:spec": {"f:strategy": {}}}))
    assert shown({**body, "spec": {"strategy": {}}}, managed_live) == []
