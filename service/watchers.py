"""A watcher for each other cluster with an inventory, apart from the rest: one that is away holds up no other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from hashlib import sha256

from trueup.clients.applications import ApplicationStore
from trueup.clients.cluster import Cluster
from trueup.clients.cluster_bounds import ClusterBounds
from trueup.clients.cluster_pool import access_of
from trueup.clients.election import Election
from trueup.domain.cluster_secret import ClusterSecret
from trueup.domain.clusters import Clusters
from trueup.domain.errors import TrueupError

from .quiet import QuietLog
from .watcher import Watcher

#: The pause before a cluster whose credentials cannot be used is opened again.
RETRY_SECONDS = 10.0


def lease_of(server: str) -> str:
    """The name of the Lease that decides who watches this cluster: URLs are no names of objects."""
    return f"trueup-watch-{sha256(server.encode()).hexdigest()[:16]}"


class Watchers:
    """The watches of every cluster but home, each while it has an inventory and a good Secret."""

    def __init__(
        self,
        applications: ApplicationStore,
        clusters: Callable[[], Clusters],
        make: Callable[[Cluster, str], Watcher],
        election: Callable[[str], Election],
        *,
        bounds: ClusterBounds,
    ) -> None:
        """`make` gives the watcher of a cluster and its server's URL; `bounds` are each cluster's.

        `election` gives the contest for a Lease of that name: which replica watches is decided for each cluster.
        """
        self._election = election
        self._applications = applications
        self._clusters = clusters
        self._make = make
        self._bounds = bounds
        self._changed = asyncio.Event()
        self._quiet = QuietLog(__name__)
        applications.inventories.on_clusters = self._changed.set

    def secrets_changed(self) -> None:
        """Watch what the Secrets lead to now, soon."""
        self._changed.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        following: dict[ClusterSecret, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                self._changed.clear()
                wanted = self._wanted()
                for secret in following.keys() - wanted:
                    following.pop(secret).cancel()
                for secret in wanted - following.keys():
                    election = self._election(lease_of(secret.server))
                    following[secret] = group.create_task(election.run(partial(self._follow, secret)))
                await self._changed.wait()

    def _wanted(self) -> set[ClusterSecret]:
        clusters = self._clusters()
        found = (clusters.of_server(server) for server in self._applications.inventories.servers())
        return {secret for secret in found if secret is not None}

    async def _follow(self, secret: ClusterSecret) -> None:
        while True:
            try:
                async with Cluster(access_of(secret), bounds=self._bounds, name=secret.label) as cluster:
                    await self._make(cluster, secret.server).run()
            except TrueupError as error:
                self._quiet.warning("cannot watch a cluster", cluster=secret.label, error=str(error))
            await asyncio.sleep(RETRY_SECONDS)
