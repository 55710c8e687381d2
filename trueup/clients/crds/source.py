"""`spec.source` and its renderers' options, as in `argoproj.io/v1alpha1`."""

from __future__ import annotations

from pydantic import Field

from trueup.clients.crds.model import AnyObject, IntOrString, Model


class HelmParameter(Model):
    name: str | None = None
    value: str | None = None
    force_string: bool | None = None
    """Keep a value that looks like a number or a boolean as text (`--set-string`)."""


class HelmFileParameter(Model):
    name: str | None = None
    path: str | None = None
    """A file of the repository whose content becomes the value."""


class Helm(Model):
    """How a Helm chart is rendered."""

    value_files: list[str] | None = None
    """Values files in order, relative to the source's path."""
    parameters: list[HelmParameter] | None = None
    file_parameters: list[HelmFileParameter] | None = None
    release_name: str | None = None
    """The application's name where absent."""
    values: str | None = None
    """Values as a block of YAML; `valuesObject` goes before it."""
    values_object: AnyObject | None = None
    """Values as an object."""
    version: str | None = None
    pass_credentials: bool | None = None
    ignore_missing_value_files: bool | None = None
    skip_crds: bool | None = None
    skip_tests: bool | None = None
    skip_schema_validation: bool | None = None
    namespace: str | None = None
    kube_version: str | None = None
    """The Kubernetes version that the chart is told; the destination's own where absent."""
    api_versions: list[str] | None = None


class KustomizeReplica(Model):
    name: str
    count: IntOrString


class KustomizeSelector(Model):
    group: str | None = None
    version: str | None = None
    kind: str | None = None
    name: str | None = None
    namespace: str | None = None
    label_selector: str | None = None
    annotation_selector: str | None = None


class KustomizePatch(Model):
    path: str | None = None
    """A patch file, relative to the kustomization."""
    patch: str | None = None
    """A patch written out."""
    target: KustomizeSelector | None = None
    options: dict[str, bool] | None = None


class Kustomize(Model):
    """What is set over the repository's own kustomization."""

    name_prefix: str | None = None
    name_suffix: str | None = None
    images: list[str] | None = None
    """Image overrides, `[old=]name[:tag][@digest]`."""
    common_labels: dict[str, str] | None = None
    common_annotations: dict[str, str] | None = None
    common_annotations_envsubst: bool | None = None
    force_common_labels: bool | None = None
    force_common_annotations: bool | None = None
    label_without_selector: bool | None = None
    label_include_templates: bool | None = None
    namespace: str | None = None
    replicas: list[KustomizeReplica] | None = None
    patches: list[KustomizePatch] | None = None
    components: list[str] | None = None
    ignore_missing_components: bool | None = None
    version: str | None = None
    kube_version: str | None = None
    api_versions: list[str] | None = None


class JsonnetVariable(Model):
    name: str
    value: str
    code: bool | None = None
    """The value is an expression, not text."""


class Jsonnet(Model):
    ext_vars: list[JsonnetVariable] | None = None
    tlas: list[JsonnetVariable] | None = None
    libs: list[str] | None = None


class Directory(Model):
    """Which files of a directory are manifests."""

    recurse: bool | None = None
    include: str | None = None
    """A glob of the files to take; all of them where absent."""
    exclude: str | None = None
    """A glob of the files to leave out."""
    disable_extension_filter: bool | None = None
    jsonnet: Jsonnet | None = None


class NameValue(Model):
    name: str
    value: str


class PluginParameter(Model):
    name: str | None = None
    string: str | None = None
    map: dict[str, str] | None = None
    array: list[str] | None = None


class Plugin(Model):
    """A config management plugin."""

    name: str | None = None
    env: list[NameValue] | None = None
    parameters: list[PluginParameter] | None = None


class Source(Model):
    """Where manifests come from."""

    repo_url: str = Field(alias="repoURL")
    """The repository: https, ssh or the scp form."""
    path: str | None = None
    """The directory in the repository."""
    target_revision: str | None = None
    """What is followed: a branch, a tag or a full commit SHA; `HEAD` where absent."""
    chart: str | None = None
    """The name of a chart, for a Helm repository."""
    ref: str | None = None
    """The name under which other sources' values files can point at this one."""
    name: str | None = None
    tag_prefix: str | None = None
    helm: Helm | None = None
    kustomize: Kustomize | None = None
    directory: Directory | None = None
    plugin: Plugin | None = None


class DrySource(Model):
    repo_url: str = Field(alias="repoURL")
    target_revision: str
    path: str
    helm: Helm | None = None
    kustomize: Kustomize | None = None
    directory: Directory | None = None
    plugin: Plugin | None = None


class SyncSource(Model):
    target_branch: str
    path: str
    repo_url: str | None = Field(default=None, alias="repoURL")


class HydrateTo(Model):
    target_branch: str


class SourceHydrator(Model):
    """Render one branch into another and sync from there."""

    dry_source: DrySource
    sync_source: SyncSource
    hydrate_to: HydrateTo | None = None
