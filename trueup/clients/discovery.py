"""Which kinds an API server has, and where they are served.

Reads aggregated discovery (`apidiscovery.k8s.io/v2`, KEP-3352, API servers from 1.30 on and in its
v2beta1 form from 1.27): two requests for all groups.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

from trueup.clients.api_errors import ServerError, UnknownKindError
from trueup.domain.errors import StalledError

_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"
ACCEPT = f"{_AGGREGATED.format('v2')},{_AGGREGATED.format('v2beta1')},application/json"
ROOTS = ("/api", "/apis")


@dataclass(frozen=True, slots=True)
class ApiResource:
    """One kind in one version, as the API server serves it."""

    #: Empty for the core group.
    group: str
    #: Without the group: `v1`.
    version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: frozenset[str]
    #: Such as `status` and `scale`.
    subresources: frozenset[str] = frozenset()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def is_secret(self) -> bool:
        """Its errors may quote values that must not be shown."""
        return self.kind == "Secret" and not self.group

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


@dataclass(frozen=True, slots=True)
class _Kinds:
    """One reading."""

    started_at: float
    #: In the server's order of preference, per (group, kind).
    served: Mapping[tuple[str, str], tuple[ApiResource, ...]]
    #: Groups whose own server was away when this was read: they may have kinds that are not in `served`.
    unread_groups: frozenset[str]
    #: Every `group/version` and `group/version/Kind`, sorted.
    api_versions: tuple[str, ...] = ()

    def find(self, group: str, kind: str, version: str | None) -> ApiResource | None:
        versions = self.served.get((group, kind), ())
        return next((found for found in versions if version in (None, found.version)), None)


_NOTHING_READ = _Kinds(float("-inf"), {}, frozenset())


class Discovery:
    """The kinds of one API server, read when first asked and again when one is missing."""

    def __init__(self, fetch: Callable[[str, str], Awaitable[Any]], *, refresh_seconds_min: float) -> None:
        self._fetch = fetch
        self._refresh_seconds_min = refresh_seconds_min
        self._kinds = _NOTHING_READ
        self._stale = True
        self._reading = asyncio.Lock()

    async def find(self, group: str, kind: str, version: str | None) -> ApiResource:
        """The kind in `version`, or in the server's preferred one.

        A miss is only believed of a reading that began after the question, so a kind that has just
        been installed is found; readings are shared and start `refresh_seconds_min` apart.
        Raises UnknownKindError.
        """
        asked_at = monotonic()
        if not self._stale and (found := self._kinds.find(group, kind, version)):
            return found
        await self._read_since(asked_at)
        if found := self._kinds.find(group, kind, version):
            return found
        if group in self._kinds.unread_groups:
            raise ServerError(f"The server of API group {group} does not answer: look at `kubectl get apiservices`")
        api_version = "/".join(part for part in (group, version) if part) or "v1"
        raise UnknownKindError(
            f"The cluster has no kind {kind} in {api_version}: install the CRD, or correct apiVersion and kind"
        )

    async def served(self) -> tuple[ApiResource, ...]:
        """Every kind, each in the version the server prefers."""
        if self._stale:
            await self._read_since(monotonic())
        return tuple(versions[0] for versions in self._kinds.served.values())

    async def api_versions(self) -> tuple[str, ...]:
        """Every `group/version` and `group/version/Kind` that is served, sorted, as Helm knows them."""
        if self._stale:
            await self._read_since(monotonic())
        return self._kinds.api_versions

    def forget(self) -> None:
        """Have the next question read anew: a kind came, went or changed version."""
        self._stale = True

    async def _read_since(self, asked_at: float) -> None:
        async with self._reading:
            if self._kinds.started_at > asked_at:
                return
            await asyncio.sleep(max(0.0, self._kinds.started_at + self._refresh_seconds_min - monotonic()))
            started_at = monotonic()
            self._stale = False
            try:
                core, named = [await self._fetch(root, ACCEPT) for root in ROOTS]
                self._kinds = _understood(started_at, core, named)
            except BaseException:
                self._stale = True
                raise


def _understood(started_at: float, *lists: Any) -> _Kinds:
    served: dict[tuple[str, str], tuple[ApiResource, ...]] = {}
    unread: set[str] = set()
    for read in lists:
        if not isinstance(read, dict) or read.get("kind") != "APIGroupDiscoveryList":
            raise StalledError("The API server has no aggregated discovery: it must be Kubernetes 1.27 or newer")
        for group in read.get("items") or ():
            name = (group.get("metadata") or {}).get("name") or ""
            for version in group.get("versions") or ():
                if version.get("freshness") == "Stale":
                    unread.add(name)
                for resource in _resources(name, version):
                    key = (name, resource.kind)
                    served[key] = (*served.get(key, ()), resource)
    return _Kinds(started_at, served, frozenset(unread), _api_versions(served))


def _api_versions(served: Mapping[tuple[str, str], tuple[ApiResource, ...]]) -> tuple[str, ...]:
    found = set()
    for (group, kind), versions in served.items():
        for resource in versions:
            api_version = f"{group}/{resource.version}" if group else resource.version
            found |= {api_version, f"{api_version}/{kind}"}
    return tuple(sorted(found))


def _resources(group: str, version: Mapping[str, Any]) -> Iterator[ApiResource]:
    for resource in version.get("resources") or ():
        kind = (resource.get("responseKind") or {}).get("kind")
        if kind:
            yield ApiResource(
                group=group,
                version=str(version["version"]),
                kind=str(kind),
                plural=str(resource["resource"]),
                namespaced=resource.get("scope") == "Namespaced",
                verbs=frozenset(resource.get("verbs") or ()),
                subresources=frozenset(
                    str(below.get("subresource")) for below in resource.get("subresources") or () if below
                ),
            )
