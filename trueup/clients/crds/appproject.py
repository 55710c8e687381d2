"""`AppProject` of `argoproj.io/v1alpha1`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from trueup.clients.crds.model import AnyObject, Model
from trueup.clients.crds.target import Destination


class GroupKind(Model):
    group: str
    kind: str


class ClusterResource(GroupKind):
    name: str | None = None
    """A glob of names; all of them where absent."""


class JwtToken(Model):
    iat: int
    exp: int | None = None
    id: str | None = None


class Role(Model):
    """Who may do what with the project's applications."""

    name: str
    description: str | None = None
    policies: list[str] | None = None
    groups: list[str] | None = None
    jwt_tokens: list[JwtToken] | None = None


class SyncWindow(Model):
    """A time in which syncs may, or may not, run."""

    kind: str | None = None
    """`allow` or `deny`."""
    schedule: str | None = None
    """When it opens, as a cron expression."""
    duration: str | None = None
    """How long it stays open, such as `1h`."""
    time_zone: str | None = None
    applications: list[str] | None = None
    namespaces: list[str] | None = None
    clusters: list[str] | None = None
    manual_sync: bool | None = None
    and_operator: bool | None = None
    sync_overrun: bool | None = None
    description: str | None = None


class OrphanedResource(Model):
    group: str | None = None
    kind: str | None = None
    name: str | None = None


class OrphanedResources(Model):
    warn: bool | None = None
    ignore: list[OrphanedResource] | None = None


class SignatureKey(Model):
    key_id: str = Field(alias="keyID")


class GpgPolicy(Model):
    mode: str
    keys: list[str]


class IntegrityRepository(Model):
    url: str


class GitIntegrityPolicy(Model):
    repos: list[IntegrityRepository]
    gpg: GpgPolicy


class GitIntegrity(Model):
    policies: list[GitIntegrityPolicy]


class SourceIntegrity(Model):
    git: GitIntegrity


class DestinationServiceAccount(Model):
    server: str
    namespace: str | None = None
    default_service_account: str


class AppProjectSpec(Model):
    """What a project's applications may use."""

    description: Annotated[str, Field(max_length=255)] | None = None
    source_repos: list[str] | None = None
    """Repositories they may come from; globs, `!` denies."""
    destinations: list[Destination] | None = None
    """Clusters and namespaces they may go to; globs, `!` denies."""
    cluster_resource_whitelist: list[ClusterResource] | None = None
    cluster_resource_blacklist: list[ClusterResource] | None = None
    namespace_resource_whitelist: list[GroupKind] | None = None
    namespace_resource_blacklist: list[GroupKind] | None = None
    roles: list[Role] | None = None
    sync_windows: list[SyncWindow] | None = None
    orphaned_resources: OrphanedResources | None = None
    signature_keys: list[SignatureKey] | None = None
    source_integrity: SourceIntegrity | None = None
    permit_only_project_scoped_clusters: bool | None = None
    source_namespaces: list[str] | None = None
    """Namespaces in which its Application objects may stand."""
    destination_service_accounts: list[DestinationServiceAccount] | None = None


class JwtTokens(Model):
    items: list[JwtToken] | None = None


class AppProjectStatus(Model):
    jwt_tokens_by_role: dict[str, JwtTokens] | None = None


class AppProject(Model):
    """A group of applications and the bounds they share."""

    api_version: str | None = None
    """`argoproj.io/v1alpha1`."""
    kind: str | None = None
    """`AppProject`."""
    metadata: AnyObject
    spec: AppProjectSpec
    status: AppProjectStatus | None = None
