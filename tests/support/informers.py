"""An informer under test, what it reported, and somebody who edits what it follows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.api_proxy import proxy_to, through
from tests.support.sandbox import SandboxFacts
from tests.support.tcp_proxy import FaultyProxy, Seen
from tests.support.wait import wait_until
from trueup.clients.cluster import Cluster
from trueup.clients.cluster_bounds import ClusterBounds, InformerBounds
from trueup.clients.informer import Informer
from trueup.clients.transport import TransportBounds

Change = tuple[str | None, str | None]
IMPATIENT = InformerBounds(retry_seconds_min=0.01, retry_seconds_max=0.2, watch_seconds=20, silence_seconds_max=20)
SECONDS = 30


def config_map(name: str, value: str = "") -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"value": value}}


def value_of(body: dict[str, Any] | None) -> str | None:
    return None if body is None else str(body["data"]["value"])


class Seer:
    """An informer under test with everything that it reported."""

    def __init__(self, informer: Informer) -> None:
        self.informer = informer
        self.changes: list[tuple[str, Change]] = []
        informer.on_change(self._note)

    def _note(self, old: dict[str, Any] | None, new: dict[str, Any] | None) -> None:
        self.changes.append(((new or old or {})["metadata"]["name"], (value_of(old), value_of(new))))

    def of(self, name: str) -> list[Change]:
        return [change for changed, change in self.changes if changed == name]

    def value(self, namespace: str, name: str) -> str | None:
        return value_of(self.informer.get(namespace, name))


@asynccontextmanager
async def running(informer: Informer) -> AsyncIterator[Seer]:
    seer = Seer(informer)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(informer.run())
        try:
            async with asyncio.timeout(SECONDS):
                await informer.synced()
            yield seer
        finally:
            task.cancel()


@asynccontextmanager
async def followed(
    sandbox: SandboxFacts,
    namespace: str,
    *,
    bounds: InformerBounds = IMPATIENT,
    streams: bool = True,
    **arguments: Any,
) -> AsyncIterator[tuple[FaultyProxy, Seer]]:
    """The ConfigMaps of a namespace, followed through a proxy; without `streams` the server refuses to stream lists."""
    eager = ClusterBounds(transport=TransportBounds(credentials_seconds_min=0.0))
    async with proxy_to(sandbox) as proxy, through(sandbox, proxy, eager) as cluster:
        if not streams:
            proxy.answer(is_streamed_list, 422)
        resource = await cluster.resource("", "ConfigMap")
        # The controller manager puts one into every namespace, sooner or later.
        selector = "metadata.name!=kube-root-ca.crt"
        informer = Informer(cluster, resource, namespace=namespace, field_selector=selector, bounds=bounds, **arguments)
        async with running(informer) as seer:
            yield proxy, seer


class Editor:
    """Somebody who edits ConfigMaps past the proxy."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster, self.namespace = cluster, namespace

    async def put(self, name: str, value: str) -> None:
        resource = await self.cluster.resource("", "ConfigMap")
        await self.cluster.apply(resource, self.namespace, name, config_map(name, value))

    async def remove(self, name: str) -> None:
        resource = await self.cluster.resource("", "ConfigMap")
        live = await self.cluster.get(resource, self.namespace, name)
        assert live is not None
        await self.cluster.delete(resource, self.namespace, name, uid=live["metadata"]["uid"], propagation="Background")

    async def truth(self) -> dict[str, str]:
        resource = await self.cluster.resource("", "ConfigMap")
        listed = await self.cluster.list_all(resource, self.namespace, field_selector="metadata.name!=kube-root-ca.crt")
        return {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in listed.items}


@pytest.fixture
def editor(cluster: Cluster, namespace: str) -> Editor:
    return Editor(cluster, namespace)


def store(seer: Seer) -> dict[str, str]:
    return {name: body["metadata"]["resourceVersion"] for (_, name), body in seer.informer.snapshot().items()}


async def agrees(seer: Seer, editor: Editor) -> None:
    async def same() -> bool:
        return store(seer) == await editor.truth()

    await wait_until(same, SECONDS, "the store is what a full LIST says")


def is_streamed_list(seen: Seen) -> bool:
    return "sendInitialEvents=true" in seen.target


def is_watch(seen: Seen) -> bool:
    return seen.is_watch
