"""What an API server that misbehaves is taken for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.api_proxy import proxy_to, through
from tests.support.sandbox import SandboxFacts
from tests.support.tcp_proxy import Seen
from tests.support.wait import wait_until
from trueup.clients.api_errors import (
    ApiError,
    ServerError,
    ThrottledError,
    UnknownKindError,
)
from trueup.clients.cluster import Cluster
from trueup.clients.cluster_bounds import ClusterBounds
from trueup.clients.credentials import KubeconfigSource
from trueup.clients.transport import TransportBounds
from trueup.domain.errors import StalledError, TransientError


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def is_write(seen: Seen) -> bool:
    return seen.method in ("POST", "PATCH")


async def test_a_list_that_expires_under_way_is_begun_anew(sandbox: SandboxFacts, namespace: str) -> None:
    async with proxy_to(sandbox) as proxy, through(sandbox, proxy, ClusterBounds(list_page_objects_max=2)) as cluster:
        resource = await cluster.resource("", "ConfigMap")
        for number in range(5):
            await cluster.create(resource, namespace, config_map(f"m{number}"))
        expired = proxy.answer(lambda seen: "continue=" in seen.target, 410)
        listed = await cluster.list_all(resource, namespace)
        names = {item["metadata"]["name"] for item in listed.items}
        assert names >= {f"m{number}" for number in range(5)}
        assert expired.used == 1 + cluster.bounds.list_restarts_max


async def test_no_answer_is_transient_and_says_what_is_not_known(sandbox: SandboxFacts, namespace: str) -> None:
    bounds = ClusterBounds(transport=TransportBounds(request_seconds_max=0.5))
    async with proxy_to(sandbox) as proxy, through(sandbox, proxy, bounds) as cluster:
        resource = await cluster.resource("", "ConfigMap")
        hole = proxy.black_hole(is_write)
        with pytest.raises(ServerError, match="whether it took effect is unknown") as lost:
            await cluster.create(resource, namespace, config_map("one"))
        assert isinstance(lost.value, TransientError)
        assert lost.value.status == 0
        proxy.lift(hole)
        await cluster.create(resource, namespace, config_map("one"))
        proxy.answer(is_write, 503, b"upstream is away")
        with pytest.raises(ServerError) as away:
            await cluster.apply(resource, namespace, "one", config_map("one"))
        assert away.value.status == 503
    with pytest.raises(ServerError, match="cannot reach"):
        async with through(sandbox, proxy) as cluster:
            await cluster.version()


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b"null", b"{}", b'{"kind":"APIGroupList"}', b"\xff"])
async def test_an_answer_of_something_else_is_not_taken_for_emptiness(
    sandbox: SandboxFacts, namespace: str, answer: bytes
) -> None:
    async with proxy_to(sandbox) as proxy, through(sandbox, proxy) as cluster:
        other = proxy.answer(lambda seen: True, 200, answer)  # noqa: ARG005
        with pytest.raises((ServerError, StalledError)) as unread:
            await cluster.resource("", "ConfigMap")
        assert not isinstance(unread.value, UnknownKindError)
        proxy.lift(other)
        resource = await cluster.resource("", "ConfigMap")
        proxy.answer(lambda seen: True, 200, answer)  # noqa: ARG005
        with pytest.raises(ServerError):
            await cluster.list_all(resource, namespace)


async def test_an_answer_over_the_bound_is_refused(sandbox: SandboxFacts) -> None:
    bounds = ClusterBounds(transport=TransportBounds(response_bytes_max=100))
    async with Cluster(KubeconfigSource(str(sandbox.kubeconfig)), bounds=bounds) as cluster:
        with pytest.raises(StalledError, match="over 100 bytes"):
            await cluster.version()


async def test_a_throttled_request_says_for_how_long(sandbox: SandboxFacts) -> None:
    async with proxy_to(sandbox) as proxy:
        for header, seconds in (("7", 7.0), ("99999999", 120.0), ("soon", None), ("-1", None)):
            proxy.answer(lambda seen: "/version" in seen.target, 429, headers={"Retry-After": header}, times=1)
            # Each its own client, for the next request of one that has been told to wait is not sent.
            async with through(sandbox, proxy) as cluster:
                with pytest.raises(ThrottledError) as throttled:
                    await cluster.version()
            assert throttled.value.retry_after_seconds == seconds


async def test_a_redirect_is_not_followed(sandbox: SandboxFacts) -> None:
    async with proxy_to(sandbox) as other, proxy_to(sandbox) as proxy, through(sandbox, proxy) as cluster:
        proxy.answer(lambda seen: "/version" in seen.target, 307, headers={"Location": f"{other.url}/version"})
        with pytest.raises(ApiError):
            await cluster.version()
        assert not other.requests


async def test_requests_under_way_are_bounded_apart_from_watches(sandbox: SandboxFacts) -> None:
    bounds = ClusterBounds(transport=TransportBounds(requests_in_flight_max=2, request_seconds_max=5))
    async with proxy_to(sandbox) as proxy, through(sandbox, proxy, bounds) as cluster:
        hole = proxy.black_hole(lambda seen: "/version" in seen.target)
        waiting = [asyncio.ensure_future(cluster.version()) for _ in range(5)]
        await wait_until(lambda: len(proxy.requests) == 2, 10, "two requests are under way")
        for task in waiting[:2]:
            task.cancel()
        await wait_until(lambda: len(proxy.requests) == 4, 10, "two more took their places")
        proxy.lift(hole)
        for task in waiting[2:4]:
            task.cancel()
        assert (await waiting[4]).startswith("v1.")
        await asyncio.gather(*waiting[:4], return_exceptions=True)
