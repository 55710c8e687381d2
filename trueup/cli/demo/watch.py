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


#: What may hold of the Applications, by their names.
Holds = Callable[[Mapping[str, Raw]], bool]


class Lookout:
    """Sees what holds at the very event that brings it, though the next event may take it back."""

    def __init__(self, what: str, holds: Holds) -> None:
        self._what = what
        self._holds = holds
        self._moment: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def look(self, seen: Mapping[str, Raw]) -> bool:
        """Whether nothing is left to look out for."""
        if not self._moment.done() and self._holds(seen):
            self._moment.set_result(time.monotonic())
        return self._moment.done()

    async def after(self, since: float) -> float:
        """Wait for it; the milliseconds since `since` (monotonic). StalledError when it never holds."""
        try:
            async with asyncio.timeout(STEP_SECONDS_MAX):
                return (await self._moment - since) * 1000
        except TimeoutError:
            raise StalledError(f"the demo waited {STEP_SECONDS_MAX:.0f} s in vain until {self._what}") from None


class Applications:
    """The Applications of the demo, current by watch."""

    def __init__(self) -> None:
        self.seen: dict[str, Raw] = {}
        self.changed = asyncio.Event()
        self._lookouts: list[Lookout] = []

    def see(self, old: Raw | None, new: Raw | None) -> None:
        """The informer's callback."""
        if new is not None:
            self.seen[new["metadata"]["name"]] = new
        elif old is not None:
            self.seen.pop(old["metadata"]["name"], None)
        self._lookouts = [lookout for lookout in self._lookouts if not lookout.look(self.seen)]
        self.changed.set()

    def look_out(self, what: str, holds: Holds) -> Lookout:
        """Look from now on, so that nothing passes unseen between two awaits."""
        lookout = Lookout(what, holds)
        if not lookout.look(self.seen):
            self._lookouts.append(lookout)
        return lookout

    async def until(self, what: str, holds: Holds, *, since: float) -> float:
        """Wait until it holds; the milliseconds since `since` (monotonic). StalledError when it never does."""
        return await self.look_out(what, holds).after(since)


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


def is_out_of_sync(raw: Raw | None) -> bool:
    sync = ((raw or {}).get("status") or {}).get("sync") or {}
    return bool(sync.get("status") == "OutOfSync")


def condition(raw: Raw | None, kind: str) -> str | None:
    """The message of a condition, or None where there is none of that type."""
    for found in ((raw or {}).get("status") or {}).get("conditions") or ():
        if found.get("type") == kind:
            return str(found.get("message"))
    return None
