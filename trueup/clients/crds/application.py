"""`Application` of `argoproj.io/v1alpha1`: spec and operation."""

from __future__ import annotations

from trueup.clients.crds.application_status import ApplicationStatus
from trueup.clients.crds.model import AnyObject, Model
from trueup.clients.crds.operation import Operation, RetryStrategy
from trueup.clients.crds.source import NameValue, Source, SourceHydrator
from trueup.clients.crds.target import Destination, IgnoreDifference, ManagedNamespaceMetadata


class Automated(Model):
    """Syncs that nobody has to ask for. An empty object switches them on."""

    prune: bool | None = None
    """Also delete what the source no longer has."""
    self_heal: bool | None = None
    """Also put right what was changed in the cluster."""
    allow_empty: bool | None = None
    """Prune even where the source has become empty."""
    enabled: bool | None = None
    """False switches automated syncs off and keeps the rest of this block."""


class SyncPolicy(Model):
    automated: Automated | None = None
    sync_options: list[str] | None = None
    """`Name=value` each; the same names as in the annotation `argocd.argoproj.io/sync-options`."""
    retry: RetryStrategy | None = None
    managed_namespace_metadata: ManagedNamespaceMetadata | None = None
    """Labels and annotations of the namespace that `CreateNamespace=true` makes."""


class ApplicationSpec(Model):
    """What is to run where."""

    source: Source | None = None
    sources: list[Source] | None = None
    source_hydrator: SourceHydrator | None = None
    destination: Destination
    project: str
    """The AppProject; empty is `default`."""
    sync_policy: SyncPolicy | None = None
    ignore_differences: list[IgnoreDifference] | None = None
    info: list[NameValue] | None = None
    """Links and notes for people."""
    revision_history_limit: int | None = None
    """How many deployments `status.history` keeps; 10 where absent, 0 keeps none."""


class Application(Model):
    """A source, a destination, and what is to happen when they differ."""

    api_version: str | None = None
    """`argoproj.io/v1alpha1`."""
    kind: str | None = None
    """`Application`."""
    metadata: AnyObject
    spec: ApplicationSpec
    status: ApplicationStatus | None = None
    operation: Operation | None = None
    """A sync that is asked for; taken away once it has begun."""
