"""A project's restrictions cannot be enforced yet, so they are never ignored."""

from __future__ import annotations

from typing import Any

import pytest

from trueup.clients.projects import project_refusals

ALLOWS_ALL: dict[str, Any] = {
    "sourceRepos": ["*"],
    "destinations": [{"namespace": "*", "server": "*"}],
    "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
}


def refusals(**spec: Any) -> tuple[str, ...]:
    return project_refusals({"metadata": {"name": "team"}, "spec": {**ALLOWS_ALL, **spec}}, "team")


def test_the_default_project_may_be_missing_and_another_may_not() -> None:
    assert project_refusals(None, "default") == ()
    assert project_refusals(None, "") == ()
    (sentence,) = project_refusals(None, "team")
    assert '"team"' in sentence
    assert "does not exist" in sentence


def test_a_project_that_allows_all_is_fine() -> None:
    assert refusals() == ()
    assert project_refusals({"spec": ALLOWS_ALL, "status": {}}, "default") == ()
    assert (
        refusals(
            description="everything",
            namespaceResourceWhitelist=[{"group": "*", "kind": "*"}],
            roles=[{"name": "admin", "policies": ["p, proj:team:admin, applications, *, team/*, allow"]}],
            orphanedResources={"warn": True},
            clusterResourceBlacklist=[],
            syncWindows=[],
            sourceNamespaces=["team-a"],
            permitOnlyProjectScopedClusters=False,
            unknownOfTomorrow=1,
        )
        == ()
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sourceRepos", ["https://git.example.com/*"]),
        ("sourceRepos", ["*", "!https://git.example.com/secret"]),
        ("sourceRepos", []),
        ("sourceRepos", None),
        ("destinations", [{"namespace": "team-*", "server": "*"}]),
        ("destinations", [{"namespace": "*", "server": "*"}, {"namespace": "!kube-system", "server": "*"}]),
        ("destinations", [{"namespace": "*", "server": "https://kubernetes.default.svc"}]),
        ("destinations", []),
        ("clusterResourceWhitelist", []),
        ("clusterResourceWhitelist", None),
        ("clusterResourceWhitelist", [{"group": "", "kind": "Namespace"}]),
        ("clusterResourceWhitelist", [{"group": "*", "kind": "*", "name": "team-*"}]),
        ("clusterResourceBlacklist", [{"group": "", "kind": "Node"}]),
        ("namespaceResourceWhitelist", []),
        ("namespaceResourceWhitelist", [{"group": "apps", "kind": "*"}]),
        ("namespaceResourceBlacklist", [{"group": "", "kind": "ResourceQuota"}]),
        ("syncWindows", [{"kind": "deny", "schedule": "0 0 * * *", "duration": "1h"}]),
        ("signatureKeys", [{"keyID": "4AEE18F83AFDEB23"}]),
        ("sourceIntegrity", {"git": {"policies": []}}),
        ("permitOnlyProjectScopedClusters", True),
        ("destinationServiceAccounts", [{"server": "*", "defaultServiceAccount": "deployer"}]),
        ("sourceRepos", "*"),
    ],
)
def test_every_restriction_is_refused_by_name(field: str, value: Any) -> None:
    (sentence,) = refusals(**{field: value})
    assert '"team"' in sentence
    assert f"spec.{field}" in sentence
