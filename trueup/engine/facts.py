"""What renders are told of the cluster that they are for."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from weakref import WeakKeyDictionary

from trueup.clients.cluster import Cluster

#: A version that was heard so long ago is asked for anew: an upgrade shows after this.
VERSION_SECONDS_MAX = 60.0


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """Empty where nothing is known."""

    #: Such as `v1.36.3`.
    version: str = ""
    #: `group/version` and `group/version/Kind`, sorted.
    api_versions: tuple[str, ...] = ()


class FactsOfClusters:
    """Asks each cluster now and then. The kinds come from its discovery, which knows when they change."""

    def __init__(self, without: ClusterFacts | None = None) -> None:
        """`without` is what renders are told that are for no cluster."""
        self._without = without or ClusterFacts()
        self._versions: WeakKeyDictionary[Cluster, tuple[float, str]] = WeakKeyDictionary()

    async def of(self, cluster: Cluster | None) -> ClusterFacts:
        """What the cluster is; for none, what was given. TransientError where the API server is away."""
        if cluster is None:
            return self._without
        heard_at, version = self._versions.get(cluster, (float("-inf"), ""))
        if monotonic() - heard_at >= VERSION_SECONDS_MAX:
            asked_at = monotonic()
            version = await cluster.version()
            self._versions[cluster] = asked_at, version
        return ClusterFacts(version, await cluster.api_versions())
