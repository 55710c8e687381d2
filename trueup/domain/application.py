"""The Application as the reconciler sees it: parsed once at the border, immutable from there on.

Field names follow `argoproj.io/v1alpha1`; `trueup.clients.applications` does the reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from trueup.domain.ignore_rules import IgnoreRule
from trueup.domain.lenient import as_list, as_mapping, as_text, as_texts
from trueup.domain.resource import ResourceKey
from trueup.domain.source import Source

HOME_SERVER = "https://kubernetes.default.svc"
HOME_NAME = "in-cluster"
RESOURCES_FINALIZER = "resources-finalizer.argocd.argoproj.io"
REFRESH_ANNOTATION = "argocd.argoproj.io/refresh"
SKIP_RECONCILE_ANNOTATION = "argocd.argoproj.io/skip-reconcile"

#: No commit and no version of a chart has one.
_BETWEEN = ","

SyncStatus = Literal["Synced", "OutOfSync", "Unknown"]
Refresh = Literal["normal", "hard"]


@dataclass(frozen=True, slots=True, order=True)
class ApplicationId:
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> ApplicationId:
        namespace, _, name = text.partition("/")
        return cls(namespace, name)


@dataclass(frozen=True, slots=True)
class Automated:
    prune: bool = False
    self_heal: bool = False
    allow_empty: bool = False


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`limit` 0 never retries, -1 always does; the n-th wait is min(maximum, duration · factor^n)."""

    limit: int = 0
    duration_seconds: float = 5.0
    factor: float = 2.0
    duration_seconds_max: float = 180.0


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """The `syncOptions` that change what a sync does; the rest are refused or are what Trueup does anyway."""

    create_namespace: bool = False
    prune: bool = True
    validate: bool = True
    fail_on_shared_resource: bool = False
    #: Whether an apply keeps live's values at the places that are ignored.
    respect_ignore_differences: bool = False
    prune_propagation_policy: Literal["foreground", "background", "orphan"] = "foreground"


@dataclass(frozen=True, slots=True)
class Operation:
    """A sync that somebody asked for through the Application's `operation` field."""

    #: For each source, in order; empty follows the target revisions.
    revisions: tuple[str, ...] = ()
    prune: bool = False
    dry_run: bool = False
    #: Empty means every object. A key without a namespace stands for that name in any.
    resources: tuple[ResourceKey, ...] = ()
    initiated_by: str = ""
    #: The retry policy stated with the operation; None leaves it to the Application's.
    retry: RetryPolicy | None = None
    #: The sync options stated with the operation, instead of the Application's; None leaves it to those.
    options: SyncOptions | None = None
    #: Every sentence that says why this operation is refused. They stand in the Application's own too,
    #: so that nothing runs; the way on is to end the operation and take it from the Application.
    refusals: tuple[str, ...] = ()
    #: The object as it stood in the Application, kept for `status.operationState.operation`.
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Application:
    id: ApplicationId
    uid: str
    resource_version: str
    project: str
    #: In order: where two of them make the same object, the later one's counts. Never empty.
    sources: tuple[Source, ...]
    #: Server URL without a slash at its end; where the destination is given by name, "" until
    #: `trueup.domain.clusters` has found it.
    server: str
    #: Cluster name as written, or "".
    cluster: str
    #: The namespace for objects that name none.
    namespace: str
    automated: Automated | None
    options: SyncOptions
    retry: RetryPolicy
    history_limit: int
    operation: Operation | None
    refresh: Refresh | None
    deleting: bool
    finalizers: tuple[str, ...]
    skip_reconcile: bool
    #: Every sentence that says why this Application is refused; empty for a good one.
    refusals: tuple[str, ...]
    #: The whole object as read: unknown fields included, for status patches and comparison.
    raw: Mapping[str, Any]
    #: Every sentence about something that has no effect, such as an unknown sync option.
    warnings: tuple[str, ...] = ()
    #: Its own rules of differences that do not count.
    ignore_rules: tuple[IgnoreRule, ...] = ()

    @property
    def status(self) -> Mapping[str, Any]:
        return as_mapping(self.raw.get("status"))

    @property
    def source(self) -> Source:
        """The first of the sources; the only one that there is where they are not written as a list."""
        return self.sources[0]

    @property
    def has_many_sources(self) -> bool:
        """Whether the sources are written as a list, be it of one; status then speaks of lists too."""
        return bool(as_list(as_mapping(self.raw.get("spec")).get("sources")))

    @property
    def revision(self) -> str:
        """What it was last compared at, empty if never; of many sources all their revisions, see `joined`."""
        sync = as_mapping(self.status.get("sync"))
        return joined(as_texts(sync.get("revisions"))) if self.has_many_sources else as_text(sync.get("revision"))

    @property
    def revisions(self) -> tuple[str, ...]:
        """What each source was last compared at; empty texts if never."""
        known = split(self.revision)
        return known if len(known) == len(self.sources) else ("",) * len(self.sources)

    @property
    def inventory(self) -> tuple[ResourceKey, ...]:
        """What the application owns where it is delivered to: `status.resources`, unless those are another cluster's.

        An entry without a kind or a name is none.
        """
        return () if self.has_moved else self.recorded_inventory

    @property
    def recorded_inventory(self) -> tuple[ResourceKey, ...]:
        """What it owns on the cluster that it was last compared with."""
        keys = (
            ResourceKey(*(as_text(as_mapping(entry).get(part)) for part in ("group", "kind", "namespace", "name")))
            for entry in as_list(self.status.get("resources"))
        )
        return tuple(key for key in keys if key.kind and key.name)

    @property
    def spec_refusals(self) -> tuple[str, ...]:
        """The refusals that outlive the operation."""
        of_operation = self.operation.refusals if self.operation else ()
        return tuple(sentence for sentence in self.refusals if sentence not in of_operation)

    @property
    def compared_destination(self) -> Mapping[str, Any]:
        """The destination that the last comparison was made with, and its server where that was given by name."""
        compared_to = as_mapping(as_mapping(self.status.get("sync")).get("comparedTo"))
        return as_mapping(compared_to.get("destination"))

    @property
    def inventory_server(self) -> str:
        """The server of the cluster that `status.resources` speaks of; empty where that is not known."""
        return _server_of(self.compared_destination) or self._server

    @property
    def has_moved(self) -> bool:
        """Whether the last comparison was made with another cluster than the destination's."""
        compared = self.compared_destination
        before, now = _server_of(compared), self._server
        if not compared or (before and now):
            return bool(compared) and before != now
        return as_text(compared.get("name")) != self.cluster

    @property
    def is_compared_here(self) -> bool:
        """Whether the last comparison was made with this very destination."""
        destination, compared = (
            as_mapping(as_mapping(self.raw.get("spec")).get("destination")),
            self.compared_destination,
        )
        if not destination.get("server"):
            compared = {name: value for name, value in compared.items() if name != "server"}
        return compared == destination and not self.has_moved

    @property
    def is_home_cluster(self) -> bool:
        return self._server == HOME_SERVER

    @property
    def _server(self) -> str:
        return self.server or (HOME_SERVER if self.cluster == HOME_NAME else "")


def joined(revisions: Iterable[str]) -> str:
    """The revisions of all sources as one text, in their order: equal where all are."""
    return _BETWEEN.join(revisions)


def split(revision: str) -> tuple[str, ...]:
    """What `joined` was made of."""
    return tuple(revision.split(_BETWEEN))


def _server_of(destination: Mapping[str, Any]) -> str:
    server = as_text(destination.get("server")).rstrip("/")
    return server or (HOME_SERVER if destination.get("name") == HOME_NAME else "")
