"""A client that reaches the sandbox's API server through a proxy."""

from __future__ import annotations

import base64
from contextlib import AbstractAsyncContextManager

from tests.support.sandbox import SandboxFacts
from tests.support.tcp_proxy import FaultyProxy, faulty_proxy
from trueup.clients.cluster import Cluster
from trueup.clients.cluster_bounds import ClusterBounds
from trueup.clients.credentials import ServerAccess


def proxy_to(sandbox: SandboxFacts) -> AbstractAsyncContextManager[FaultyProxy]:
    """A proxy in front of the sandbox's API server."""
    return faulty_proxy(sandbox.server, base64.b64decode(sandbox.ca_data).decode())


def through(sandbox: SandboxFacts, proxy: FaultyProxy, bounds: ClusterBounds | None = None) -> Cluster:
    """A client, as the user `trueup`."""
    return Cluster(ServerAccess(proxy.url, bearer_token=sandbox.users["trueup"]), bounds=bounds)
