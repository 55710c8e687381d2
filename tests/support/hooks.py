"""Repository Secrets with webhook secrets, as a user writes them."""

from __future__ import annotations

import base64
from typing import Any

from trueup.clients.cluster import Cluster


def hook_secret(name: str, url: str, lines: bytes, *, kind: str = "repository", **data: bytes) -> dict[str, Any]:
    """The Secret as the API server gives it back."""
    values = {"url": url.encode(), "webhookSecret": lines} | data
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": {"argocd.argoproj.io/secret-type": kind}},
        "data": {key: base64.b64encode(value).decode() for key, value in values.items()},
    }


async def apply_hook_secret(
    cluster: Cluster, namespace: str, name: str, url: str, lines: bytes, *, kind: str = "repository"
) -> None:
    resource = await cluster.resource("", "Secret")
    await cluster.apply(resource, namespace, name, hook_secret(name, url, lines, kind=kind))
