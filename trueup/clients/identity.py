"""Who we are to an API server: SelfSubjectReview of `authentication.k8s.io/v1`, which everybody may ask."""

from __future__ import annotations

from trueup.clients.cluster import Cluster
from trueup.domain.lenient import as_mapping, as_text

GROUP = "authentication.k8s.io"
KIND = "SelfSubjectReview"


async def own_user(cluster: Cluster) -> str:
    """The user that our requests are authenticated as; empty where the server does not say."""
    resource = await cluster.resource(GROUP, KIND)
    answer = await cluster.create(resource, "", {"apiVersion": f"{GROUP}/v1", "kind": KIND})
    return as_text(as_mapping(as_mapping(answer.get("status")).get("userInfo")).get("username"))
