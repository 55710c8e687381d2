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
from trueup.telemetry import configure_logging

GROUP = "argoproj.io"


@dataclass(frozen=True, slots=True)
class Home:
    """The Applications of one namespace, read and asked for through the API server."""

    settings: Settings
    cluster: Cluster
    resource: ApiResource
    #: Where an Application lives whose name is not qualified.
    namespace: str

    def named(self, name: str) -> ApplicationId:
        """`name` or `namespace/name`, as `argocd` takes it."""
        namespace, slash, rest = name.partition("/")
        found = ApplicationId(namespace, rest) if slash else ApplicationId(self.namespace, name)
        if not found.namespace or not found.name or "/" in found.name:
            raise StalledError(f"{name!r} names no Application; write it as NAME or NAMESPACE/NAME")
        return found

    async def chosen(self, names: tuple[str, ...], selector: str) -> list[ApplicationId]:
        """The Applications that are named and those that a label selector finds, each once."""
        if not names and not selector:
            raise StalledError("name an Application, or choose some by --selector")
        found = [self.named(name) for name in names]
        if selector:
            found += [identity(raw) for raw in await self.everything(label_selector=selector)]
        if not found:
            raise StalledError(f"no Application in namespace {self.namespace} has the labels {selector}")
        return list(dict.fromkeys(found))

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
        """Every Application of the namespace, by name."""
        page = await self.cluster.list_all(self.resource, self.namespace, label_selector=label_selector)
        return sorted(page.items, key=lambda raw: str(raw["metadata"]["name"]))

    async def patch(self, application: ApplicationId, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A merge patch of the Application; the object as it then is."""
        return await self.cluster.merge_patch(self.resource, application.namespace, application.name, body)


def identity(raw: Mapping[str, Any]) -> ApplicationId:
    """Who an Application is."""
    return ApplicationId(str(raw["metadata"]["namespace"]), str(raw["metadata"]["name"]))


@asynccontextmanager
async def home(namespace: str = "") -> AsyncIterator[Home]:
    """Connect to the home cluster; StalledError with the way out where it is not to be had.

    Without `namespace` Applications live where the settings say.
    """
    settings = read_settings()
    # What is printed on stdout is for programs; whatever goes wrong on the way is said on stderr.
    configure_logging(level="warning")
    async with Cluster() as cluster:
        resource = await cluster.resource(GROUP, "Application")
        yield Home(settings, cluster, resource, namespace or settings.namespace)
