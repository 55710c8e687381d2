"""The definitions are structural, complete, current, and keep what they do not know."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from trueup.clients.crds.files import crd_files
from trueup.clients.crds.schema import crd_manifests, is_ours

APPLICATION, PROJECT, INCIDENT = crd_manifests()
DIRECTORY = Path(__file__).parents[2] / "deploy" / "crds"
#: kubectl apply keeps the object as JSON in an annotation; all annotations together may have 256 KiB.
LAST_APPLIED_BYTES_MAX = 256 * 1024


def schema(crd: dict[str, Any]) -> dict[str, Any]:
    return crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def nodes(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    if "items" in node:
        yield from nodes(node["items"], f"{path}[]")
    if isinstance(node.get("additionalProperties"), dict):
        yield from nodes(node["additionalProperties"], f"{path}{{}}")


ALL = [
    *nodes(schema(APPLICATION), "Application"),
    *nodes(schema(PROJECT), "AppProject"),
    *nodes(schema(INCIDENT), "Incident"),
]
BY_PATH = dict(ALL)


def test_the_files_in_deploy_are_what_the_models_say() -> None:
    files = crd_files()
    assert {path.name: path.read_text(encoding="utf-8") for path in DIRECTORY.glob("*.yaml")} == files
    assert [yaml.safe_load(text) for text in files.values()] == [APPLICATION, PROJECT, INCIDENT]


def test_the_files_have_no_yaml_aliases() -> None:
    assert not any("&id" in text for text in crd_files().values())


@pytest.mark.parametrize("crd", [APPLICATION, PROJECT, INCIDENT], ids=["applications", "appprojects", "incidents"])
def test_a_definition_is_small_enough_for_kubectl_apply(crd: dict[str, Any]) -> None:
    assert len(json.dumps(crd)) < LAST_APPLIED_BYTES_MAX


def test_every_node_is_structural() -> None:
    allowed = {
        "type", "format", "description", "required", "properties", "items", "additionalProperties", "maxLength",
        "x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields",
    }  # fmt: skip
    for path, node in ALL:
        assert set(node) <= allowed, path
        assert ("type" in node) != bool(node.get("x-kubernetes-int-or-string")), path
        assert not ("properties" in node and "additionalProperties" in node), path
        assert set(node.get("required", ())) <= set(node.get("properties", {})), path


def test_every_object_keeps_unknown_fields() -> None:
    for path, node in ALL:
        if node.get("type") == "object" and "additionalProperties" not in node and not path.endswith(".metadata"):
            assert node.get("x-kubernetes-preserve-unknown-fields") is True, path


def test_what_argo_cd_requires_of_users_is_required() -> None:
    assert BY_PATH["Application.spec"]["required"] == ["destination", "project"]
    assert BY_PATH["Application.spec.source"]["required"] == ["repoURL"]
    assert BY_PATH["Application.spec.sources[]"]["required"] == ["repoURL"]
    assert BY_PATH["Application.spec.ignoreDifferences[]"]["required"] == ["kind"]
    assert BY_PATH["Application.status.operationState"]["required"] == ["operation", "phase", "startedAt"]


def test_the_names_are_argo_cds() -> None:
    for path, names in {
        "Application.spec": {
            "source", "sources", "sourceHydrator", "destination", "project", "syncPolicy", "ignoreDifferences", "info",
            "revisionHistoryLimit",
        },
        "Application.spec.source": {
            "repoURL", "path", "targetRevision", "chart", "ref", "name", "tagPrefix", "helm", "kustomize", "directory",
            "plugin",
        },
        "Application.spec.source.helm": {
            "valueFiles", "parameters", "fileParameters", "releaseName", "values", "valuesObject", "version",
            "passCredentials", "ignoreMissingValueFiles", "skipCrds", "skipTests", "skipSchemaValidation", "namespace",
            "kubeVersion", "apiVersions",
        },
        "Application.spec.source.kustomize": {
            "namePrefix", "nameSuffix", "images", "commonLabels", "commonAnnotations", "commonAnnotationsEnvsubst",
            "forceCommonLabels", "forceCommonAnnotations", "labelWithoutSelector", "labelIncludeTemplates",
            "namespace", "replicas", "patches", "components", "ignoreMissingComponents", "version", "kubeVersion",
            "apiVersions",
        },
        "Application.spec.source.directory": {"recurse", "include", "exclude", "disableExtensionFilter", "jsonnet"},
        "Application.spec.source.directory.jsonnet": {"extVars", "tlas", "libs"},
        "Application.spec.source.plugin.parameters[]": {"name", "string", "map", "array"},
        "Application.spec.ignoreDifferences[]": {
            "group", "kind", "name", "namespace", "jsonPointers", "jqPathExpressions", "managedFieldsManagers",
        },
        "Application.spec.syncPolicy": {"automated", "syncOptions", "retry", "managedNamespaceMetadata"},
        "Application.spec.syncPolicy.automated": {"prune", "selfHeal", "allowEmpty", "enabled"},
        "Application.operation": {"sync", "initiatedBy", "info", "retry"},
        "Application.operation.sync": {
            "revision", "revisions", "prune", "dryRun", "syncStrategy", "resources", "source", "sources", "manifests",
            "syncOptions", "autoHealAttemptsCount",
        },
        "Application.status": {
            "sync", "health", "conditions", "resources", "history", "operationState", "reconciledAt", "observedAt",
            "sourceType", "sourceTypes", "summary", "resourceHealthSource", "controllerNamespace", "sourceHydrator",
        },
        "Application.status.summary": {"images", "externalURLs", "isAppOfApps"},
        "AppProject.spec": {
            "description", "sourceRepos", "destinations", "clusterResourceWhitelist", "clusterResourceBlacklist",
            "namespaceResourceWhitelist", "namespaceResourceBlacklist", "roles", "syncWindows", "orphanedResources",
            "signatureKeys", "sourceIntegrity", "permitOnlyProjectScopedClusters", "sourceNamespaces",
            "destinationServiceAccounts",
        },
    }.items():  # fmt: skip
        assert set(BY_PATH[path]["properties"]) == names, path


def test_values_and_counts_take_any_shape_they_may_have() -> None:
    helm = BY_PATH["Application.spec.source.helm.valuesObject"]
    assert (helm["type"], helm["x-kubernetes-preserve-unknown-fields"]) == ("object", True)
    assert BY_PATH["Application.spec.source.kustomize.replicas[].count"] == {"x-kubernetes-int-or-string": True}


def test_no_status_subresource_and_the_columns_users_know() -> None:
    (version,) = APPLICATION["spec"]["versions"]
    assert "subresources" not in version
    assert [column["name"] for column in version["additionalPrinterColumns"]] == [
        "Sync Status", "Health Status", "Revision", "Project",
    ]  # fmt: skip
    assert APPLICATION["spec"]["names"]["shortNames"] == ["app", "apps"]
    assert PROJECT["spec"]["names"]["shortNames"] == ["appproj", "appprojs"]


def test_only_our_own_definition_is_ours_to_replace() -> None:
    assert all(is_ours(crd) for crd in crd_manifests())
    theirs = {"metadata": {"name": "applications.argoproj.io", "labels": {"app.kubernetes.io/part-of": "argocd"}}}
    assert not is_ours(theirs)
    for nothing in ({}, {"metadata": None}, {"metadata": {"labels": None}}):
        assert not is_ours(nothing)
