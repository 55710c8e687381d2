"""One source of an Application: where its manifests come from, and how they are made of what is there.

Field names follow `spec.source` of `argoproj.io/v1alpha1`. A text that is empty stands for a field that is absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class JsonnetVariable:
    name: str
    value: str
    #: Whether the value is an expression, not text.
    code: bool = False


@dataclass(frozen=True, slots=True)
class Jsonnet:
    """How the `.jsonnet` files of a directory are evaluated."""

    ext_vars: tuple[JsonnetVariable, ...] = ()
    #: Top-level arguments.
    tlas: tuple[JsonnetVariable, ...] = ()
    #: Directories from the repository's root where imports are looked for.
    libs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Directory:
    """Which files of a directory are manifests; globs know `{a,b}` as in Argo CD."""

    recurse: bool = False
    include: str = ""
    exclude: str = ""
    #: Files of every name are read, not only those that are called `.yaml`, `.yml`, `.json` or `.jsonnet`.
    disable_extension_filter: bool = False
    jsonnet: Jsonnet = Jsonnet()


@dataclass(frozen=True, slots=True)
class HelmParameter:
    name: str
    value: str
    #: Whether a value that looks like a number or a boolean stays text.
    force_string: bool = False


@dataclass(frozen=True, slots=True)
class HelmFileParameter:
    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Helm:
    """How a chart is rendered."""

    #: In order, the last wins: relative to the chart, from the repository's root with a slash before,
    #: or `$name/…` in the source that has that `ref`.
    value_files: tuple[str, ...] = ()
    ignore_missing_value_files: bool = False
    #: A block of YAML.
    values: str = ""
    #: Takes the place of `values` where it is there.
    values_object: Mapping[str, Any] | None = None
    parameters: tuple[HelmParameter, ...] = ()
    file_parameters: tuple[HelmFileParameter, ...] = ()
    #: The Application's name where empty.
    release_name: str = ""
    #: The destination's where empty.
    namespace: str = ""
    kube_version: str = ""
    api_versions: tuple[str, ...] = ()
    skip_crds: bool = False
    skip_tests: bool = False
    skip_schema_validation: bool = False
    pass_credentials: bool = False


@dataclass(frozen=True, slots=True)
class KustomizeReplica:
    name: str
    count: int


@dataclass(frozen=True, slots=True)
class KustomizePatch:
    path: str = ""
    patch: str = ""
    #: `target` as the kustomization has it; None for none.
    target: Mapping[str, str] | None = None
    options: Mapping[str, bool] | None = None


@dataclass(frozen=True, slots=True)
class Kustomize:
    """What is set over the repository's own kustomization."""

    name_prefix: str = ""
    name_suffix: str = ""
    #: Each `[old=]name[:tag][@digest]`.
    images: tuple[str, ...] = ()
    common_labels: Mapping[str, str] = field(default_factory=dict)
    common_annotations: Mapping[str, str] = field(default_factory=dict)
    common_annotations_envsubst: bool = False
    force_common_labels: bool = False
    force_common_annotations: bool = False
    label_without_selector: bool = False
    label_include_templates: bool = False
    namespace: str = ""
    replicas: tuple[KustomizeReplica, ...] = ()
    patches: tuple[KustomizePatch, ...] = ()
    #: Directories relative to the source's path.
    components: tuple[str, ...] = ()
    ignore_missing_components: bool = False
    #: The Kubernetes version and API versions told to charts that the kustomization inflates.
    kube_version: str = ""
    api_versions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    repo_url: str
    #: Relative to the repository's root, without leading or trailing slash; empty is the root.
    path: str
    #: What is followed: a branch, tag or full SHA; of a chart, its version or a range. `HEAD` where a
    #: source in Git says nothing.
    target_revision: str
    #: None where the Application does not say so: then the files tell of which kind the source is.
    directory: Directory | None = None
    helm: Helm | None = None
    kustomize: Kustomize | None = None
    #: The name of a chart in the repository, which is one of charts then; empty for Git.
    chart: str = ""
    #: The name by which value files of the other sources point into this one.
    ref: str = ""
    #: Whether a path is written: without one, a source with a `ref` makes nothing itself.
    has_path: bool = True

    @property
    def is_chart(self) -> bool:
        """Whether it comes from a repository of charts, not from Git."""
        return bool(self.chart)

    @property
    def is_reference_only(self) -> bool:
        """Whether it makes no manifests of its own: other sources take values from it."""
        return bool(self.ref) and not self.has_path and not self.chart
