"""What the demo sees: every Application, as its watch reports it, and the moment it did."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from trueup.clients.cluster import Cluster
from trueup.clients.discovery import ApiResource
from trueup.clients.informer import Informer
from trueup.domain.errors import StalledError

STEP_SECONDS_MAX = 60.0

Raw = Mapping[str, Any]


class Applications:
    """The Applications of the demo, current by watch."""

    def __init__(self) -> None:
        self.seen: dict[str, Raw] = {}
        self.changed = asyncio.Event()

    def see(self, old: Raw | None, new: Raw | None) -> None:
        """The informer's callback."""
        if new is not None:
            self.seen[new["metadata"]["name"]] = new
        elif old is not None:
            self.seen.pop(old["metadata"]["name"], None)
        self.changed.set()

    async def until(self, what: str, holds: Callable[[Mapping[str, Raw]], bool], *, since: float) -> float:
        """Wait until it holds; the milliseconds since `since` (monotonic). StalledError when it never does."""
        try:
            async with asyncio.timeout(STEP_SECONDS_MAX):
                while not holds(self.seen):
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            raise StalledError(f"the demo waited {STEP_SECONDS_MAX:.0f} s in vain until {what}") from None
        return (time.monotonic() - since) * 1000


@asynccontextmanager
async def watching(cluster: Cluster, resource: ApiResource, namespace: str) -> AsyncIterator[Applications]:
    """Follow the Applications of one namespace while the block runs."""
    applications = Applications()
    informer = Informer(cluster, resource, namespace=namespace, on_change=applications.see)
    following = asyncio.create_task(informer.run())
    try:
        await informer.synced()
        yield applications
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


def is_synced(raw: Raw | None, revision: str, *, healthy: bool = False) -> bool:
    """Synced at that revision, at rest, and Healthy where that is asked for too."""
    status = (raw or {}).get("status") or {}
    sync = status.get("sync") or {}
    if sync.get("status") != "Synced" or sync.get("revision") != revision:
        return False
    if (status.get("operationState") or {}).get("phase") == "Running":
        return False
    return not healthy or (status.get("health") or {}).get("status") == "Healthy"


def condition(raw: Raw | None, kind: str) -> str | None:
    """The message of a condition, or None where there is none of that type."""
    for found in ((raw or {}).get("status") or {}).get("conditions") or ():
        if found.get("type") == kind:
            return str(found.get("message"))
    return None
