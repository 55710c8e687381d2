"""AppProjects, kept by a watch: every run asks for one, and they hardly ever change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueup.clients.cluster import Cluster
from trueup.clients.discovery import ApiResource
from trueup.clients.informer import Informer


class Projects:
    """The AppProjects of one namespace. One that the watch has not shown yet is asked for."""

    def __init__(self, cluster: Cluster, resource: ApiResource, *, namespace: str) -> None:
        self._cluster = cluster
        self._resource = resource
        self._namespace = namespace
        self.informer = Informer(cluster, resource, namespace=namespace)

    async def __call__(self, name: str) -> Mapping[str, Any] | None:
        known = self.informer.get(self._namespace, name)
        return known if known is not None else await self._cluster.get(self._resource, self._namespace, name)
