"""The home cluster as the command line reaches it: KUBECONFIG or the in-cluster account, no server between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from trueup.clients.cluster import Cluster
from trueup.clients.discovery import ApiResource
from trueup.domain.application import ApplicationId
from trueup.domain.errors import StalledError
from trueup.settings import Settings, read_settings

GROUP = "argoproj.io"


@dataclass(frozen=True, slots=True)
class Home:
    """The Applications of one namespace, read and asked for through the API server."""

    settings: Settings
    cluster: Cluster
    resource: ApiResource

    def named(self, name: str) -> ApplicationId:
        """`name` or `namespace/name`, as `argocd` takes it."""
        namespace, slash, rest = name.partition("/")
        return ApplicationId(namespace, rest) if slash else ApplicationId(self.settings.namespace, name)

    async def read(self, application: ApplicationId) -> Mapping[str, Any]:
        """The Application; StalledError where there is none."""
        raw = await self.cluster.get(self.resource, application.namespace, application.name)
        if raw is None:
            raise StalledError(
                f"there is no Application {application.name} in namespace {application.namespace}; "
                "`trueup app list` names those there are, TRUEUP_NAMESPACE chooses the namespace"
            )
        return raw

    async def everything(self, *, label_selector: str = "") -> list[dict[str, Any]]:
        """Every Application of the namespace."""
        page = await self.cluster.list_all(self.resource, self.settings.namespace, label_selector=label_selector)
        return list(page.items)

    async def patch(self, application: ApplicationId, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A merge patch of the Application; the object as it then is."""
        return await self.cluster.merge_patch(self.resource, application.namespace, application.name, body)


@asynccontextmanager
async def home() -> AsyncIterator[Home]:
    """Connect to the home cluster; StalledError with the way out where it is not to be had."""
    settings = read_settings()
    async with Cluster() as cluster:
        yield Home(settings, cluster, await cluster.resource(GROUP, "Application"))
