"""A second real cluster, and the Secrets by which an installation knows it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from tests.support.bad_input import fresh
from tests.support.product import Installation
from tests.support.sandbox import SandboxFacts
from trueup.clients.cluster import Cluster
from trueup.domain.credentials import SECRET_TYPE_LABEL

CREATE_NAMESPACE = ["CreateNamespace=true"]


@dataclass(frozen=True)
class SecondCluster:
    """Another control plane than the installation's own."""

    sandbox: SandboxFacts
    cluster: Cluster

    @property
    def server(self) -> str:
        return self.sandbox.server

    def config(self, *, token: str | None = None) -> dict[str, Any]:
        """What a cluster Secret says under `config`."""
        return {
            "bearerToken": self.sandbox.users["trueup"] if token is None else token,
            "tlsClientConfig": {"caData": self.sandbox.ca_data},
        }

    async def live(self, trueup: Installation, kind: str, name: str) -> dict[str, Any] | None:
        """An object where the installation delivers to on this cluster."""
        resource = await self.cluster.resource("", kind)
        return await self.cluster.get(resource, trueup.delivered_to, name)

    async def edit(self, trueup: Installation, name: str, body: dict[str, Any]) -> None:
        """Edit a ConfigMap by hand."""
        resource = await self.cluster.resource("", "ConfigMap")
        await self.cluster.merge_patch(resource, trueup.delivered_to, name, body, field_manager="kubectl-edit")


@asynccontextmanager
async def known(trueup: Installation, second: SecondCluster, word: str) -> AsyncIterator[str]:
    """The second cluster's name in this installation, as long as the block lasts: a server has one Secret."""
    name = fresh(word)
    await put_cluster_secret(trueup, name, server=second.server, config=second.config())
    try:
        yield name
    finally:
        await delete_secret(trueup, name)


async def put_cluster_secret(
    trueup: Installation, secret: str, *, server: str, config: dict[str, Any], **data: str
) -> None:
    """Create or change a cluster Secret of that name, which is the cluster's name too unless `data` has another."""
    name = secret
    resource = await trueup.cluster.resource("", "Secret")
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": {SECRET_TYPE_LABEL: "cluster"}},
        "stringData": {"name": name, "server": server, "config": orjson.dumps(config).decode(), **data},
    }
    if await trueup.cluster.get(resource, trueup.namespace, name) is None:
        await trueup.cluster.create(resource, trueup.namespace, body)
    else:
        await trueup.cluster.merge_patch(resource, trueup.namespace, name, {"stringData": body["stringData"]})


async def delete_secret(trueup: Installation, name: str) -> None:
    resource = await trueup.cluster.resource("", "Secret")
    found = await trueup.cluster.get(resource, trueup.namespace, name)
    if found is not None:
        await trueup.cluster.delete(resource, trueup.namespace, name, uid=found["metadata"]["uid"])


def called(name: str, trueup: Installation) -> dict[str, Any]:
    """A destination by the cluster's name."""
    return {"name": name, "namespace": trueup.delivered_to}
