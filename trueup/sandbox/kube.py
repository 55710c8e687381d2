"""The few words that the sandbox itself has to say to its API server."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from trueup.sandbox.errors import SandboxError

REQUEST_SECONDS_MAX = 15.0
FIELD_MANAGER = "trueup-sandbox"

_COLLECTIONS = {
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "Namespace": "/api/v1/namespaces",
    "Node": "/api/v1/nodes",
}


class Kube:
    """A connection to the API server for cluster-scoped objects of the kinds that the sandbox sets up."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def ready(self) -> bool:
        try:
            async with self._session.get("/readyz") as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def read(self, path: str) -> dict[str, Any] | None:
        """The object or list at `path`, or None when it cannot be had now: not there, or not served yet."""
        async with self._session.get(path) as response:
            return await _body(response) if response.status == 200 else None

    async def apply(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Server-side apply. Raises SandboxError with the reason when it is refused."""
        path = f"{_COLLECTIONS[manifest['kind']]}/{manifest['metadata']['name']}"
        async with self._session.patch(
            path,
            params={"fieldManager": FIELD_MANAGER, "force": "true"},
            json=manifest,
            headers={"Content-Type": "application/apply-patch+yaml"},
        ) as response:
            return await _body(response)


async def _body(response: aiohttp.ClientResponse) -> dict[str, Any]:
    if response.status >= 400:
        reason = await response.text()
        raise SandboxError(f"{response.method} {response.url.path} was refused ({response.status}): {reason}")
    body: dict[str, Any] = await response.json()
    return body


@asynccontextmanager
async def kube(server: str, *, token: str, ca: bytes) -> AsyncIterator[Kube]:
    """Talk to the API server at `server` until the block ends."""
    trust = ssl.create_default_context(cadata=ca.decode())
    async with aiohttp.ClientSession(
        base_url=server,
        headers={"Authorization": f"Bearer {token}"},
        connector=aiohttp.TCPConnector(ssl=trust),
        timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS_MAX),
    ) as session:
        yield Kube(session)
