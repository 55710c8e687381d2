"""`operation`: a sync that somebody asks for, and how a failed one is tried again."""

from __future__ import annotations

from trueup.clients.crds.model import Model
from trueup.clients.crds.source import NameValue, Source


class Backoff(Model):
    duration: str | None = None
    """The first wait: seconds, or a duration such as `1m30s`; 5s where absent."""
    factor: int | None = None
    """What each further wait is multiplied by; 2 where absent."""
    max_duration: str | None = None
    """The longest wait; 3m where absent."""


class RetryStrategy(Model):
    limit: int | None = None
    """How often a failed sync is tried again: 0 never, -1 without end."""
    backoff: Backoff | None = None
    refresh: bool | None = None
    """Try again with the newest revision instead of the one that failed."""


class SyncStrategyApply(Model):
    force: bool | None = None


class SyncStrategyHook(Model):
    force: bool | None = None


class SyncStrategy(Model):
    apply: SyncStrategyApply | None = None
    hook: SyncStrategyHook | None = None


class SyncOperationResource(Model):
    group: str | None = None
    kind: str
    name: str
    namespace: str | None = None


class SyncOperation(Model):
    revision: str | None = None
    """What to sync to; the source's target revision where absent."""
    revisions: list[str] | None = None
    prune: bool | None = None
    dry_run: bool | None = None
    sync_strategy: SyncStrategy | None = None
    resources: list[SyncOperationResource] | None = None
    """Only these objects; all of them where absent."""
    source: Source | None = None
    sources: list[Source] | None = None
    manifests: list[str] | None = None
    sync_options: list[str] | None = None
    auto_heal_attempts_count: int | None = None


class OperationInitiator(Model):
    username: str | None = None
    automated: bool | None = None


class Operation(Model):
    sync: SyncOperation | None = None
    initiated_by: OperationInitiator | None = None
    info: list[NameValue] | None = None
    retry: RetryStrategy | None = None
