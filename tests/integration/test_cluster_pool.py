"""Each cluster of a worker has connections, a share and a circuit of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from tests.support.api_proxy import proxy_to
from tests.support.sandbox import SandboxFacts
from tests.support.tcp_proxy import Seen
from tests.support.wait import wait_until
from trueup.clients.applications import parse_application
from trueup.clients.cluster import Cluster
from trueup.clients.cluster_bounds import ClusterBounds
from trueup.clients.cluster_pool import ClusterPool, PoolBounds
from trueup.clients.transport import TransportBounds
from trueup.domain.application import HOME_SERVER, Application
from trueup.domain.cluster_secret import ClusterSecret, ServerLogin
from trueup.domain.clusters import Clusters
from trueup.domain.errors import ClusterAwayError, ClusterBusyError, InvalidSpecError

HASTY = ClusterBounds(TransportBounds(request_seconds_max=1.0))
FOREVER = 3_600.0


class Book:
    """Clusters that a test changes."""

    def __init__(self, *secrets: ClusterSecret) -> None:
        self.now = Clusters(secrets)

    def __call__(self) -> Clusters:
        return self.now

    def says(self, secrets: Iterable[ClusterSecret]) -> None:
        self.now = Clusters(secrets)


def secret(sandbox: SandboxFacts, server: str, *, token: str | None = None, name: str = "far") -> ClusterSecret:
    login = ServerLogin(bearer_token=sandbox.users["trueup"] if token is None else token)
    return ClusterSecret(f"argocd/{name}", server, name, login=login)


def to(server: str) -> Application:
    spec = {
        "source": {"repoURL": "https://git.example.com/a.git", "path": "."},
        "destination": {"server": server},
    }
    return parse_application({"metadata": {"namespace": "argocd", "name": "shop"}, "spec": spec})


def _anything(_: Seen) -> bool:
    return True


async def test_a_cluster_is_opened_once_anew_when_its_secret_changes_and_closed_with_its_last_run(
    sandbox: SandboxFacts, cluster: Cluster
) -> None:
    async with proxy_to(sandbox) as proxy, proxy_to(sandbox) as other:
        good = secret(sandbox, proxy.url)
        book = Book(good, secret(sandbox, other.url, name="other"))
        async with ClusterPool(cluster, book, bounds=PoolBounds(open_max=1)) as pool, asyncio.TaskGroup() as group:
            closing = group.create_task(pool.run())
            async with pool.reached(to(HOME_SERVER)) as home:
                assert home is cluster
            async with pool.reached(to(proxy.url)) as first, pool.reached(to(f"{proxy.url}/")) as again:
                assert first is again
                assert first is not cluster
                assert await first.version()
                # A run that has it keeps it; whoever comes now has the new one.
                book.says([secret(sandbox, proxy.url, token="wrong")])
                pool.secrets_changed()
                async with pool.reached(to(proxy.url)) as renewed:
                    assert renewed is not first
                    with pytest.raises(ClusterAwayError, match=r"cluster far is away.*401"):
                        await renewed.version()
                assert await first.version()
            assert not first.transport._sessions
            book.says([])
            pool.secrets_changed()
            await wait_until(lambda: not renewed.transport._sessions, 10, "what no Secret leads to is closed")
            with pytest.raises(InvalidSpecError, match="no cluster Secret"):
                await _reach(pool, proxy.url)
            # More than there is room for: who is idle goes.
            book.says([good, secret(sandbox, other.url, name="other")])
            async with pool.reached(to(proxy.url)) as idle:
                assert await idle.version()
            async with pool.reached(to(other.url)) as busy:
                assert not idle.transport._sessions
                async with pool.reached(to(proxy.url)) as both:
                    assert await both.version()
                    assert await busy.version()
            closing.cancel()
        assert not busy.transport._sessions
        assert not both.transport._sessions


async def test_nobody_asks_a_cluster_that_gave_no_answer_until_one_finds_it_back_which_is_told_once(
    sandbox: SandboxFacts, cluster: Cluster
) -> None:
    async with proxy_to(sandbox) as proxy:
        book = Book(secret(sandbox, proxy.url))
        patient = PoolBounds(pause_seconds_min=FOREVER, pause_seconds_max=FOREVER)
        async with ClusterPool(cluster, book, bounds=patient, cluster_bounds=HASTY) as pool:
            hung = proxy.black_hole(_anything)
            with pytest.raises(ClusterAwayError) as first:
                await _reach(pool, proxy.url)
            assert first.value.retry_after_seconds is not None
            with pytest.raises(ClusterAwayError) as second:
                await _reach(pool, proxy.url)
            assert str(second.value) == str(first.value)
            assert hung.used == 1
            async with pool.reached(to(HOME_SERVER)) as home:
                assert await home.version()

        back: list[str] = []
        hasty = PoolBounds(pause_seconds_min=1e-6, pause_seconds_max=1e-6, probe_seconds_max=FOREVER)
        async with ClusterPool(cluster, book, bounds=hasty, cluster_bounds=HASTY) as pool:
            pool.on_back = lambda secret: back.append(secret.name)
            with pytest.raises(ClusterAwayError):
                await _reach(pool, proxy.url)
            proxy.lift(hung)
            hung = proxy.black_hole(_anything)
            probing = asyncio.create_task(_reach(pool, proxy.url))
            await wait_until(lambda: hung.used, 10, "one asks")
            with pytest.raises(ClusterAwayError, match="cluster far is away"):
                await _reach(pool, proxy.url)
            assert hung.used == 1
            assert back == []
            with pytest.raises(ClusterAwayError):
                await probing
            proxy.lift(hung)
            await _reach(pool, proxy.url)
            await _reach(pool, proxy.url)
            assert back == ["far"]


async def test_whoever_comes_when_a_cluster_has_its_share_is_sent_away_and_other_clusters_are_not_concerned(
    sandbox: SandboxFacts, cluster: Cluster
) -> None:
    async with proxy_to(sandbox) as proxy, proxy_to(sandbox) as other:
        book = Book(secret(sandbox, proxy.url), secret(sandbox, other.url, name="other"))
        bounds = PoolBounds(runs_max=2, wait_seconds_max=0.05)
        async with ClusterPool(cluster, book, bounds=bounds) as pool, pool.reached(to(proxy.url)):
            async with pool.reached(to(proxy.url)):
                for _ in range(3):
                    with pytest.raises(ClusterBusyError) as busy:
                        await _reach(pool, proxy.url)
                    assert busy.value.retry_after_seconds
                await _reach(pool, other.url)
            # A turn has ended, so that the next is free.
            await _reach(pool, proxy.url)
            # Who may wait for a turn that ends in time gets it.
        async with ClusterPool(cluster, book, bounds=PoolBounds(runs_max=1, wait_seconds_max=FOREVER)) as pool:
            async with pool.reached(to(proxy.url)):
                waiting = asyncio.create_task(_reach(pool, proxy.url))
                await asyncio.sleep(0)
                assert not waiting.done()
            await waiting
        # All other clusters together leave something to home.
        bounds = PoolBounds(all_runs_max=1, wait_seconds_max=0.05)
        async with ClusterPool(cluster, book, bounds=bounds) as pool:
            async with pool.reached(to(proxy.url)):
                with pytest.raises(ClusterBusyError, match="every other cluster"):
                    await _reach(pool, other.url)
                await _reach(pool, HOME_SERVER)
            await _reach(pool, other.url)


async def _reach(pool: ClusterPool, server: str) -> None:
    async with pool.reached(to(server)) as reached:
        assert await reached.version()
