"""`Application.status` of `argoproj.io/v1alpha1`."""

from __future__ import annotations

from pydantic import Field

from trueup.clients.crds.model import Model, Time
from trueup.clients.crds.operation import Operation, OperationInitiator
from trueup.clients.crds.source import Source, SourceHydrator
from trueup.clients.crds.target import Destination, IgnoreDifference, ManagedNamespaceMetadata


class HealthStatus(Model):
    status: str | None = None
    """Healthy, Progressing, Suspended, Degraded, Missing or Unknown."""
    message: str | None = None
    last_transition_time: Time | None = None


class ResourceStatus(Model):
    """An object that the application owns."""

    group: str | None = None
    version: str | None = None
    kind: str | None = None
    namespace: str | None = None
    name: str | None = None
    status: str | None = None
    """Synced, OutOfSync or Unknown."""
    health: HealthStatus | None = None
    hook: bool | None = None
    requires_pruning: bool | None = None
    requires_deletion_confirmation: bool | None = None
    sync_wave: int | None = None


class ComparedTo(Model):
    """The spec that the last comparison was made with."""

    source: Source | None = None
    sources: list[Source] | None = None
    destination: Destination
    ignore_differences: list[IgnoreDifference] | None = None


class SyncStatus(Model):
    status: str
    """Synced, OutOfSync or Unknown."""
    compared_to: ComparedTo | None = None
    revision: str | None = None
    """The commit that the cluster was compared with."""
    revisions: list[str] | None = None


class Condition(Model):
    """Something that people should know."""

    type: str
    message: str
    last_transition_time: Time | None = None


class RevisionHistory(Model):
    """A deployment."""

    id: int
    revision: str | None = None
    revisions: list[str] | None = None
    source: Source | None = None
    sources: list[Source] | None = None
    deploy_started_at: Time | None = None
    deployed_at: Time
    initiated_by: OperationInitiator | None = None


class ResourceResult(Model):
    """What a sync did to one object."""

    group: str
    version: str
    kind: str
    namespace: str
    name: str
    status: str | None = None
    """Synced, SyncFailed, Pruned or PruneSkipped."""
    message: str | None = None
    hook_type: str | None = None
    hook_phase: str | None = None
    sync_phase: str | None = None
    images: list[str] | None = None


class SyncResult(Model):
    resources: list[ResourceResult] | None = None
    revision: str
    revisions: list[str] | None = None
    source: Source | None = None
    sources: list[Source] | None = None
    managed_namespace_metadata: ManagedNamespaceMetadata | None = None


class OperationState(Model):
    """The sync that runs, or the last one that ran."""

    operation: Operation
    phase: str
    """Running, Terminating, Failed, Error or Succeeded."""
    message: str | None = None
    sync_result: SyncResult | None = None
    started_at: Time
    finished_at: Time | None = None
    retry_count: int | None = None


class Summary(Model):
    images: list[str] | None = None
    external_urls: list[str] | None = Field(default=None, alias="externalURLs")
    is_app_of_apps: bool | None = None


class SuccessfulHydrateOperation(Model):
    dry_sha: str | None = Field(default=None, alias="drySHA")
    hydrated_sha: str | None = Field(default=None, alias="hydratedSHA")
    source_hydrator: SourceHydrator | None = None


class HydrateOperation(SuccessfulHydrateOperation):
    phase: str
    message: str
    started_at: Time | None = None
    finished_at: Time | None = None


class SourceHydratorStatus(Model):
    last_successful_operation: SuccessfulHydrateOperation | None = None
    current_operation: HydrateOperation | None = None
    last_compared_dry_revision: str | None = None


class ApplicationStatus(Model):
    """What was found at the last look."""

    sync: SyncStatus | None = None
    health: HealthStatus | None = None
    conditions: list[Condition] | None = None
    resources: list[ResourceStatus] | None = None
    """What the application owns; nothing else of it is ever deleted."""
    history: list[RevisionHistory] | None = None
    """Deployments, oldest first."""
    operation_state: OperationState | None = None
    reconciled_at: Time | None = None
    observed_at: Time | None = None
    source_type: str | None = None
    """Helm, Kustomize, Directory or Plugin."""
    source_types: list[str] | None = None
    summary: Summary | None = None
    resource_health_source: str | None = None
    controller_namespace: str | None = None
    source_hydrator: SourceHydratorStatus | None = None
