"""AppProjects: what a project forbids is refused until it can be enforced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueup.clients.crds.appproject import AppProjectSpec
from trueup.clients.crds.sentences import bounded, quoted, type_sentences
from trueup.domain.lenient import as_list, as_mapping

DEFAULT_PROJECT = "default"

#: Restrictions that count as soon as they are there.
_RESTRICTIONS = {
    "clusterResourceBlacklist": "forbids cluster-scoped kinds",
    "namespaceResourceBlacklist": "forbids kinds",
    "syncWindows": "restricts when syncs may run",
    "signatureKeys": "asks for signed commits",
    "sourceIntegrity": "asks for signed commits",
    "permitOnlyProjectScopedClusters": "restricts clusters",
    "destinationServiceAccounts": "asks for syncs under other service accounts",
}


def project_refusals(raw: Mapping[str, Any] | None, name: str) -> tuple[str, ...]:
    """Why an Application of this project is refused; `raw` is the AppProject, None where there is none.

    An empty name is `default`, which allows all where nobody wrote it otherwise. Roles and orphaned
    resources restrict no sync.
    """
    name = name or DEFAULT_PROJECT
    if raw is None:
        if name == DEFAULT_PROJECT:
            return ()
        return (f"spec.project names AppProject {quoted(name)}, which does not exist; create it, or use default.",)
    spec = as_mapping(raw.get("spec"))
    wrong_types = type_sentences(AppProjectSpec, raw.get("spec"), "spec")
    if wrong_types:
        return bounded(f"AppProject {quoted(name)}: {sentence}" for sentence in wrong_types)
    restrictions = [f"{what} (spec.{key})" for key, what in _RESTRICTIONS.items() if spec.get(key)]
    if not _allows_all_repositories(spec):
        restrictions.append("restricts repositories (spec.sourceRepos)")
    if not _allows_all_destinations(spec):
        restrictions.append("restricts destinations (spec.destinations)")
    if not _allows_all_kinds(spec.get("clusterResourceWhitelist")):
        restrictions.append("restricts cluster-scoped kinds (spec.clusterResourceWhitelist)")
    # Unlike the others this list, where absent, allows all.
    if spec.get("namespaceResourceWhitelist") is not None and not _allows_all_kinds(spec["namespaceResourceWhitelist"]):
        restrictions.append("restricts kinds (spec.namespaceResourceWhitelist)")
    return bounded(
        f"AppProject {quoted(name)} {restriction}, which this version of Trueup does not enforce; "
        "use a project that allows all, such as default."
        for restriction in restrictions
    )


def _allows_all_repositories(spec: Mapping[str, Any]) -> bool:
    repositories = as_list(spec.get("sourceRepos"))
    return "*" in repositories and not any(repository.startswith("!") for repository in repositories)


def _allows_all_destinations(spec: Mapping[str, Any]) -> bool:
    destinations = [as_mapping(destination) for destination in as_list(spec.get("destinations"))]
    denies = any(
        str(destination.get(part) or "").startswith("!")
        for destination in destinations
        for part in ("server", "name", "namespace")
    )
    return not denies and any(
        destination.get("server") == "*" and destination.get("namespace") == "*" for destination in destinations
    )


def _allows_all_kinds(whitelist: object) -> bool:
    return any(
        as_mapping(entry).get("group") == "*"
        and as_mapping(entry).get("kind") == "*"
        and as_mapping(entry).get("name") in (None, "", "*")
        for entry in as_list(whitelist)
    )
