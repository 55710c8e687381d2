"""The clusters that Applications are delivered to, each with connections of its own and behind a bulkhead.

A cluster is opened when it is first needed, anew when its Secret changes, and closed when that is gone.
One that hangs takes no more than its share of a worker; once it gave no answer nobody waits for it,
and now and then one run asks whether it is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from types import TracebackType
from typing import Self

import structlog

from trueup.clients.cluster import Cluster
from trueup.clients.cluster_bounds import ClusterBounds
from trueup.clients.credentials import ServerAccess
from trueup.clients.turns import Turns
from trueup.domain.application import Application
from trueup.domain.circuit import Circuit
from trueup.domain.cluster_secret import ClusterSecret
from trueup.domain.clusters import Clusters
from trueup.domain.errors import ClusterAwayError, TrueupError

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PoolBounds:
    """How much of one process a single cluster may have, and how patient it is with it."""

    #: Runs that are about one cluster at a time; the home cluster has no such bound.
    runs_max: int = 6
    #: Runs that are about any of them at a time: the rest is home's, however many clusters hang.
    all_runs_max: int = 7
    #: How long a run waits for its turn before it comes back later.
    wait_seconds_max: float = 1.0
    #: How long the one that asks whether a cluster is back waits for the answer.
    probe_seconds_max: float = 5.0
    #: After no answer nobody asks for so long; twice as long after each in a row.
    pause_seconds_min: float = 1.0
    pause_seconds_max: float = 60.0
    #: Clusters with open connections at a time; beyond that one that nobody is busy with is closed.
    open_max: int = 200


DEFAULT_BOUNDS = PoolBounds()


def access_of(secret: ClusterSecret) -> ServerAccess:
    """The Secret as the transport takes it."""
    login = secret.login
    return ServerAccess(
        secret.server,
        bearer_token=login.bearer_token,
        username=login.username,
        password=login.password,
        ca_data=login.ca_data,
        certificate_data=login.certificate_data,
        key_data=login.key_data,
        tls_server_name=login.tls_server_name,
        insecure=login.insecure,
        proxy_url=login.proxy_url,
    )


class ClusterPool:
    """The home cluster, which is always there, and every other that is in use. An async context manager."""

    def __init__(
        self,
        home: Cluster,
        clusters: Callable[[], Clusters],
        *,
        bounds: PoolBounds = DEFAULT_BOUNDS,
        cluster_bounds: ClusterBounds | None = None,
    ) -> None:
        """`clusters` gives the clusters of now; `home` is opened and closed by whoever made it."""
        self.home = home
        self.clusters = clusters
        self._bounds = bounds
        self._cluster_bounds = cluster_bounds
        #: By server, the one that was used longest ago first.
        self._members: dict[str, _Member] = {}
        self._secrets_changed = asyncio.Event()
        self._turns = Turns(bounds.all_runs_max, wait_seconds_max=bounds.wait_seconds_max, of="every other cluster")
        #: Told of the Secret of a cluster that answers again.
        self.on_back: Callable[[ClusterSecret], None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        while self._members:
            _, member = self._members.popitem()
            await member.close()

    @asynccontextmanager
    async def reached(self, application: Application) -> AsyncIterator[Cluster]:
        """The Application's destination, for as long as the block lasts.

        Raises InvalidSpecError where no Secret leads there, StalledError where its Secret cannot be used,
        ClusterAwayError where the cluster gives no answer, and ClusterBusyError where others have its share.
        """
        secret = self.clusters().secret_of(application)
        if secret is None:
            yield self.home
            return
        member = await self._member(secret)
        member.users += 1
        try:
            # One that has its share already must not keep the last places from the others.
            async with member.turn(), self._turns.one(), member.running(self._came_back) as cluster:
                yield cluster
        finally:
            member.users -= 1
            await member.close_if_done()

    def secrets_changed(self) -> None:
        """Close what nobody leads to any more, soon."""
        self._secrets_changed.set()

    async def run(self) -> None:
        """Close clusters whose Secret is gone or has changed, until cancelled."""
        while True:
            await self._secrets_changed.wait()
            self._secrets_changed.clear()
            now = self.clusters()
            for server, member in list(self._members.items()):
                if now.of_server(server) != member.secret:
                    await self._retire(server)

    def _came_back(self, secret: ClusterSecret) -> None:
        if self.on_back is not None:
            self.on_back(secret)

    async def _member(self, secret: ClusterSecret) -> _Member:
        member = self._members.pop(secret.server, None)
        if member is not None and member.secret == secret:
            self._members[secret.server] = member
            return member
        fresh = self._members[secret.server] = _Member(secret, self._bounds, self._cluster_bounds)
        if member is not None:
            await member.retire()
        if len(self._members) > self._bounds.open_max:
            idle = next((server for server, each in self._members.items() if not each.users and each is not fresh), "")
            if idle:
                await self._retire(idle)
        return fresh

    async def _retire(self, server: str) -> None:
        member = self._members.pop(server, None)
        if member is not None:
            await member.retire()


class _Member:
    """One cluster of the pool, opened when it is first asked."""

    def __init__(self, secret: ClusterSecret, bounds: PoolBounds, cluster_bounds: ClusterBounds | None) -> None:
        self.secret = secret
        #: Runs that hold it.
        self.users = 0
        self._bounds = bounds
        self._cluster = Cluster(access_of(secret), bounds=cluster_bounds, name=secret.label)
        self._is_open = False
        self._opening = asyncio.Lock()
        self._is_retired = False
        self._turns = Turns(bounds.runs_max, wait_seconds_max=bounds.wait_seconds_max, of=f"cluster {secret.label}")
        self._circuit = Circuit()
        #: What opened it.
        self._why = ""
        self._is_probed = False

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """One run's share of the cluster; nobody waits for one while the cluster is away."""
        self._refuse_while_away()
        async with self._turns.one():
            yield

    @asynccontextmanager
    async def running(self, came_back: Callable[[ClusterSecret], None]) -> AsyncIterator[Cluster]:
        """The cluster, opened and answering. What the block raises as ClusterAwayError opens the circuit."""
        self._refuse_while_away()
        try:
            cluster = await self._opened()
            if not self._circuit.is_closed:
                await self._probe(cluster)
                came_back(self.secret)
            yield cluster
        except ClusterAwayError as error:
            self._failed(error)
            raise

    async def retire(self) -> None:
        """Close it, now or with the last run that holds it."""
        self._is_retired = True
        await self.close_if_done()

    async def close_if_done(self) -> None:
        if self._is_retired and not self.users:
            await self.close()

    async def close(self) -> None:
        if self._is_open:
            self._is_open = False
            await self._cluster.__aexit__(None, None, None)

    def _refuse_while_away(self) -> None:
        pause = self._circuit.pause_seconds(monotonic())
        if pause or self._is_probed:
            # In the words of who asked last, so that nothing new is to be said of it.
            raise ClusterAwayError(self._why, retry_after_seconds=pause or self._bounds.probe_seconds_max)

    async def _opened(self) -> Cluster:
        async with self._opening:
            if not self._is_open:
                await self._cluster.__aenter__()
                self._is_open = True
        return self._cluster

    async def _probe(self, cluster: Cluster) -> None:
        """Ask for as little as can be. Any answer will do, but one that lets us in no more."""
        self._is_probed = True
        try:
            async with asyncio.timeout(self._bounds.probe_seconds_max):
                await cluster.version()
        except TimeoutError:
            raise ClusterAwayError(f"cluster {self.secret.label} is away: it gives no answer") from None
        except ClusterAwayError:
            raise
        except TrueupError as error:
            _log.info("a cluster answers with an error", cluster=self.secret.label, error=str(error))
        finally:
            self._is_probed = False
        self._circuit = self._circuit.answered()

    def _failed(self, error: ClusterAwayError) -> None:
        now, bounds = monotonic(), self._bounds
        was_closed, self._why = self._circuit.is_closed, str(error)
        self._circuit = self._circuit.failed(
            now, seconds_min=bounds.pause_seconds_min, seconds_max=bounds.pause_seconds_max
        )
        if was_closed:
            _log.warning("a cluster is away", cluster=self.secret.label, error=str(error))
        if error.retry_after_seconds is None:
            error.retry_after_seconds = self._circuit.pause_seconds(now)
