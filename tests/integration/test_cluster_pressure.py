"""A server that is too busy is given less and the pause it asks for; everything gets done, and Leases do not wait."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from prometheus_client import REGISTRY

from tests.support.api_proxy import proxy_to, through
from tests.support.sandbox import SandboxFacts
from tests.support.tcp_proxy import Seen
from tests.support.wait import wait_until
from trueup.clients.api_errors import ServerError, ThrottledError
from trueup.clients.cluster import Cluster
from trueup.clients.cluster_bounds import ClusterBounds
from trueup.clients.epoch import read_epoch
from trueup.clients.transport import TransportBounds

SECONDS = 30
MOST = 16
BOUNDS = TransportBounds(requests_in_flight_min=2, requests_in_flight_max=MOST, request_seconds_max=20)


def limit_of(cluster: Cluster) -> float | None:
    return REGISTRY.get_sample_value("trueup_kubernetes_requests_in_flight_max", {"server": cluster.server})


def is_version(seen: Seen) -> bool:
    return "/version" in seen.target


async def until_done(cluster: Cluster) -> None:
    """As a caller does that tries again whenever it is refused, at once: the pause is not its business."""
    while True:
        with suppress(ThrottledError):
            await cluster.version()
            return


async def test_a_throttled_server_is_given_less_and_all_is_done_in_the_end(
    sandbox: SandboxFacts, namespace: str
) -> None:
    async with proxy_to(sandbox) as proxy, through(sandbox, proxy, ClusterBounds(transport=BOUNDS)) as cluster:
        await cluster.version()
        await read_epoch(cluster, namespace)
        assert limit_of(cluster) == MOST
        throttled = proxy.answer(is_version, 429, headers={"Retry-After": "0.2"}, times=1)
        held = proxy.hold(is_version)
        asked = len(proxy.requests) + 1
        callers = [asyncio.create_task(until_done(cluster)) for _ in range(3 * MOST)]
        try:
            # Those that were under way beside the one that is refused are held; of the rest as many go as may now.
            await wait_until(lambda: throttled.used and limit_of(cluster) == MOST / 2, SECONDS, "the limit falls")
            assert len(proxy.requests) == asked + MOST - 1
            async with asyncio.timeout(SECONDS):
                assert await read_epoch(cluster, namespace) is None, "a Lease has a place of its own"
            proxy.lift(held)
            held = proxy.hold(is_version)
            await wait_until(lambda: held.used == MOST // 2, SECONDS, "half as many are under way")
            assert await read_epoch(cluster, namespace) is None
            assert held.used == MOST // 2, "and no more"
            proxy.lift(held)
            await asyncio.gather(*callers)
        finally:
            for caller in callers:
                caller.cancel()
        while limit_of(cluster) != MOST:
            await cluster.version()


async def test_nothing_is_sent_within_the_pause_but_for_leases(
    sandbox: SandboxFacts, cluster: Cluster, namespace: str
) -> None:
    bounds = ClusterBounds(transport=TransportBounds(pause_seconds_max=3600.0))
    async with proxy_to(sandbox) as proxy, through(sandbox, proxy, bounds) as paused:
        resource = await paused.resource("", "ConfigMap")
        await read_epoch(paused, namespace)
        proxy.answer(is_version, 503, headers={"Retry-After": "100"}, times=1)
        with suppress(ServerError):
            await paused.version()
        sent = len(proxy.requests)
        callers = [asyncio.create_task(paused.get(resource, namespace, f"m{number}")) for number in range(10)]
        # Long enough for all of them to be sent, were they not held back.
        for _ in range(200):
            await cluster.version()
        assert len(proxy.requests) == sent
        assert await read_epoch(paused, namespace) is None
        assert len(proxy.requests) == sent + 1
        for caller in callers:
            caller.cancel()
        await asyncio.wait(callers)


async def test_a_server_that_does_not_answer_in_time_is_given_less(sandbox: SandboxFacts) -> None:
    bounds = ClusterBounds(transport=TransportBounds(requests_in_flight_max=MOST, request_seconds_max=0.5))
    async with proxy_to(sandbox) as proxy, through(sandbox, proxy, bounds) as cluster:
        hole = proxy.black_hole(is_version, times=1)
        with suppress(ServerError):
            await cluster.version()
        assert (hole.used, limit_of(cluster)) == (1, MOST / 2)


async def test_callers_that_give_up_leave_their_places_to_others(sandbox: SandboxFacts) -> None:
    bounds = ClusterBounds(transport=TransportBounds(requests_in_flight_max=1))
    async with proxy_to(sandbox) as proxy, through(sandbox, proxy, bounds) as cluster:
        for at_the_moment_of_its_turn in (False, True):
            others: list[asyncio.Task[str]] = []

            async def first_of_all(at_once: bool = at_the_moment_of_its_turn, others: Any = others) -> str:
                answer = await cluster.version()
                if at_once:
                    # The place is free again and given to the next, which has not run since.
                    others[0].cancel()
                return answer

            held = proxy.hold(is_version, times=1)
            first = asyncio.create_task(first_of_all())
            await wait_until(lambda held=held: held.used, SECONDS, "one is under way")  # type: ignore[misc]
            others += [asyncio.create_task(cluster.version()) for _ in range(2)]
            if not at_the_moment_of_its_turn:
                others[0].cancel()
            proxy.lift(held)
            async with asyncio.timeout(SECONDS):
                assert (await first).startswith("v1.")
                assert (await others[1]).startswith("v1.")
            assert others[0].cancelled()
