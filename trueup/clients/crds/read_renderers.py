"""The options of each way to render in `spec.source`: what they say, and why they are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueup.clients.crds.sentences import quoted
from trueup.domain.lenient import as_list, as_mapping, as_text, as_texts
from trueup.domain.source import (
    Directory,
    Helm,
    HelmFileParameter,
    HelmParameter,
    Jsonnet,
    JsonnetVariable,
    Kustomize,
    KustomizePatch,
    KustomizeReplica,
)

#: The only one that there is; Argo CD's field is as old as the one before it.
_HELM_VERSIONS = frozenset({"", "v3"})


def read_directory(raw: object) -> Directory | None:
    if raw is None:
        return None
    directory = as_mapping(raw)
    jsonnet = as_mapping(directory.get("jsonnet"))
    return Directory(
        recurse=directory.get("recurse") is True,
        include=as_text(directory.get("include")),
        exclude=as_text(directory.get("exclude")),
        disable_extension_filter=directory.get("disableExtensionFilter") is True,
        jsonnet=Jsonnet(
            ext_vars=_variables(jsonnet.get("extVars")),
            tlas=_variables(jsonnet.get("tlas")),
            libs=as_texts(jsonnet.get("libs")),
        ),
    )


def _variables(raw: object) -> tuple[JsonnetVariable, ...]:
    return tuple(
        JsonnetVariable(as_text(each.get("name")), as_text(each.get("value")), each.get("code") is True)
        for each in map(as_mapping, as_list(raw))
    )


def read_helm(raw: object) -> Helm | None:
    if raw is None:
        return None
    helm = as_mapping(raw)
    values_object = helm.get("valuesObject")
    return Helm(
        value_files=as_texts(helm.get("valueFiles")),
        ignore_missing_value_files=helm.get("ignoreMissingValueFiles") is True,
        values=as_text(helm.get("values")),
        values_object=values_object if isinstance(values_object, Mapping) else None,
        parameters=tuple(
            HelmParameter(as_text(each.get("name")), as_text(each.get("value")), each.get("forceString") is True)
            for each in map(as_mapping, as_list(helm.get("parameters")))
        ),
        file_parameters=tuple(
            HelmFileParameter(as_text(each.get("name")), as_text(each.get("path")))
            for each in map(as_mapping, as_list(helm.get("fileParameters")))
        ),
        release_name=as_text(helm.get("releaseName")),
        namespace=as_text(helm.get("namespace")),
        kube_version=as_text(helm.get("kubeVersion")),
        api_versions=as_texts(helm.get("apiVersions")),
        skip_crds=helm.get("skipCrds") is True,
        skip_tests=helm.get("skipTests") is True,
        skip_schema_validation=helm.get("skipSchemaValidation") is True,
        pass_credentials=helm.get("passCredentials") is True,
    )


def read_kustomize(raw: object) -> Kustomize | None:
    if raw is None:
        return None
    kustomize = as_mapping(raw)
    return Kustomize(
        name_prefix=as_text(kustomize.get("namePrefix")),
        name_suffix=as_text(kustomize.get("nameSuffix")),
        images=as_texts(kustomize.get("images")),
        common_labels=_texts_by_name(kustomize.get("commonLabels")),
        common_annotations=_texts_by_name(kustomize.get("commonAnnotations")),
        common_annotations_envsubst=kustomize.get("commonAnnotationsEnvsubst") is True,
        force_common_labels=kustomize.get("forceCommonLabels") is True,
        force_common_annotations=kustomize.get("forceCommonAnnotations") is True,
        label_without_selector=kustomize.get("labelWithoutSelector") is True,
        label_include_templates=kustomize.get("labelIncludeTemplates") is True,
        namespace=as_text(kustomize.get("namespace")),
        replicas=tuple(
            KustomizeReplica(as_text(each.get("name")), _count(each.get("count")) or 0)
            for each in map(as_mapping, as_list(kustomize.get("replicas")))
        ),
        patches=tuple(_patch(each) for each in map(as_mapping, as_list(kustomize.get("patches")))),
        components=as_texts(kustomize.get("components")),
        ignore_missing_components=kustomize.get("ignoreMissingComponents") is True,
        kube_version=as_text(kustomize.get("kubeVersion")),
        api_versions=as_texts(kustomize.get("apiVersions")),
    )


def _patch(raw: Mapping[str, Any]) -> KustomizePatch:
    options = as_mapping(raw.get("options"))
    return KustomizePatch(
        path=as_text(raw.get("path")),
        patch=as_text(raw.get("patch")),
        target=_texts_by_name(raw.get("target")) if raw.get("target") is not None else None,
        options={name: value is True for name, value in options.items()} if options else None,
    )


def _texts_by_name(raw: object) -> dict[str, str]:
    return {name: value for name, value in as_mapping(raw).items() if isinstance(value, str)}


def _count(value: object) -> int | None:
    """A whole number, also as text, which an int-or-string may be."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else None


def renderer_sentences(source: Mapping[str, Any], field: str) -> list[str]:
    """What is wrong with the options of `source`, which stands at `field`."""
    sentences = []
    asked = [name for name in ("directory", "helm", "kustomize", "plugin") if source.get(name) is not None]
    if "plugin" in asked:
        sentences.append(
            f"{field}.plugin is not supported: a config management plugin runs a program of its own; "
            "render in your pipeline and point the source at the rendered YAML."
        )
    elif len(asked) > 1:
        sentences.append(f"{field} has {' and '.join(asked)}; keep the one that the source is rendered with.")
    if source.get("chart") and ({"directory", "kustomize"} & set(asked)):
        sentences.append(f"{field}.chart is rendered by Helm; remove {field}.{asked[0]}.")
    helm, kustomize = as_mapping(source.get("helm")), as_mapping(source.get("kustomize"))
    if as_text(helm.get("version")) not in _HELM_VERSIONS:
        sentences.append(
            f"{field}.helm.version {quoted(as_text(helm.get('version')))} is not supported; "
            "remove it: charts are rendered by Helm 3."
        )
    if as_text(kustomize.get("version")):
        sentences.append(
            f"{field}.kustomize.version is not supported; remove it: the kustomize on the worker is the only one."
        )
    sentences += _replica_sentences(kustomize, f"{field}.kustomize")
    sentences += _patch_sentences(kustomize, f"{field}.kustomize")
    return sentences


def _replica_sentences(kustomize: Mapping[str, Any], field: str) -> list[str]:
    return [
        f"{field}.replicas[{index}].count is not a whole number from 0 on; correct it."
        for index, each in enumerate(map(as_mapping, as_list(kustomize.get("replicas"))))
        if "count" in each and ((count := _count(each["count"])) is None or count < 0)
    ]


def _patch_sentences(kustomize: Mapping[str, Any], field: str) -> list[str]:
    return [
        f"{field}.patches[{index}] has {'both path and' if each.get('path') else 'neither path nor'} patch; give one."
        for index, each in enumerate(map(as_mapping, as_list(kustomize.get("patches"))))
        if bool(each.get("path")) == bool(each.get("patch"))
    ]
