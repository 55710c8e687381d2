"""AppProjects, kept by a watch: every run asks for one, and they hardly ever change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueup.clients.cluster import Cluster
from trueup.clients.discovery import ApiResource
from trueup.clients.informer import Informer
from trueup.clients.projects import DEFAULT_PROJECT


class Projects:
    """The AppProjects of one namespace. One that the watch has not shown yet is asked for.

    Of `default` the watch is believed that there is none: where nobody wrote it, it forbids nothing, and every
    run would ask.
    """

    def __init__(self, cluster: Cluster, resource: ApiResource, *, namespace: str) -> None:
        self._cluster = cluster
        self._resource = resource
        self._namespace = namespace
        self.informer = Informer(cluster, resource, namespace=namespace)

    async def __call__(self, name: str) -> Mapping[str, Any] | None:
        known = self.informer.get(self._namespace, name)
        if known is not None or (name == DEFAULT_PROJECT and self.informer.is_synced):
            return known
        return await self._cluster.get(self._resource, self._namespace, name)
