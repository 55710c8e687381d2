"""The sources of an Application, one or a list of them, are read with every option of their renderers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from trueup.clients.applications import parse_application
from trueup.domain.source import (
    Helm,
    HelmFileParameter,
    HelmParameter,
    Kustomize,
    KustomizePatch,
    KustomizeReplica,
)

SAMPLES = Path(__file__).parents[1] / "samples" / "applications"


def sample(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((SAMPLES / f"{name}.yaml").read_text(encoding="utf-8"))
    return loaded


def test_the_options_of_a_chart_are_read() -> None:
    (source,) = parse_application(sample("helm")).sources
    assert (source.chart, source.target_revision, source.is_chart) == ("monitoring", "1.2.*", True)
    assert source.helm == Helm(
        release_name="monitoring",
        value_files=("values-production.yaml",),
        ignore_missing_value_files=True,
        values="retention: 14d\n",
        values_object={"replicas": 2, "nested": {"list": [1, "two", {"three": 3}]}},
        parameters=(HelmParameter("image.tag", "1.20", force_string=True),),
        file_parameters=(HelmFileParameter("rules", "files/rules.yaml"),),
        kube_version="1.30",
        api_versions=("monitoring.example.com/v1",),
        skip_crds=True,
    )


def test_the_overrides_of_a_kustomization_are_read() -> None:
    (source,) = parse_application(sample("kustomize")).sources
    assert source.kustomize == Kustomize(
        name_prefix="blue-",
        images=("registry.example.com/api=registry.example.com/api:v2",),
        replicas=(KustomizeReplica("api", 3), KustomizeReplica("worker", 2)),
        common_labels={"colour": "blue"},
        patches=(
            KustomizePatch(
                patch="- op: remove\n  path: /spec/template/spec/nodeSelector",
                target={"kind": "Deployment", "name": "api"},
                options={"allowNameChange": True},
            ),
        ),
    )


def test_a_list_of_sources_is_read_in_its_order() -> None:
    application = parse_application(sample("many-sources"))
    assert [(source.chart, source.ref) for source in application.sources] == [("ingress", ""), ("", "settings")]
    assert [source.is_reference_only for source in application.sources] == [False, True]
    raw = {**application.raw, "status": {"sync": {"revisions": ["4.0.1", "c" * 40]}}}
    assert parse_application(raw).revisions == ("4.0.1", "c" * 40)
    assert parse_application(raw).revision == "4.0.1," + "c" * 40


GIT = {"repoURL": "https://example.org/a", "path": "a"}


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ([GIT, {"repoURL": "", "path": "a"}], "spec.sources[1].repoURL"),
        ([{"repoURL": "https://example.org/a"}], "spec.sources[0].path is missing"),
        ([{"repoURL": "https://example.org/a", "ref": "a b"}], "spec.sources[0].ref"),
        ([{"repoURL": "https://example.org/a", "ref": "a"}] * 2, "more than once"),
        ([{**GIT, "helm": {"valueFiles": ["$b/values.yaml"]}}], 'points at the ref "b"'),
        ([GIT] * 31, "30 are the most"),
        ([{**GIT, "helm": {"version": "v2"}}], "spec.sources[0].helm.version"),
        ([{**GIT, "kustomize": {"version": "v3"}}], "kustomize.version"),
        ([{**GIT, "kustomize": {"patches": [{}]}}], "neither path nor patch"),
        ([{**GIT, "kustomize": {"replicas": [{"name": "a", "count": -1}]}}], "replicas[0].count"),
    ],
)
def test_what_is_wrong_with_a_list_of_sources_is_said_by_field(sources: list[dict[str, Any]], said: str) -> None:
    raw = sample("many-sources")
    raw["spec"]["sources"] = sources
    found = parse_application(raw).refusals
    assert any(said in sentence for sentence in found), found


@pytest.mark.parametrize(
    ("operation", "revisions", "said"),
    [
        ({"revisions": ["4.0.2", "main"]}, ("4.0.2", "main"), ""),
        ({"revisions": ["main"]}, (), "1 revisions for 2 sources"),
        ({"revision": "main"}, (), "operation.sync.revisions"),
        ({"revisions": ["-not; a version", "main"]}, ("-not; a version", "main"), "nor a range of versions"),
    ],
)
def test_an_operation_names_a_revision_for_each_source(
    operation: dict[str, Any], revisions: tuple[str, ...], said: str
) -> None:
    raw = {**sample("many-sources"), "operation": {"sync": operation}}
    found = parse_application(raw).operation
    assert found is not None
    assert found.revisions == revisions
    assert said in " ".join(found.refusals)
    assert bool(said) == bool(found.refusals)
