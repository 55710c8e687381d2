"""What the bench sees: every Application as a watch of its own reports it, and the moment it did."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from trueup.clients.cluster import Cluster
from trueup.clients.informer import Informer

Raw = Mapping[str, Any]
Predicate = Callable[[Raw], object]


@dataclass
class Expectation:
    """That something holds of each of these Applications, once."""

    predicate: Predicate
    remaining: set[str]
    #: Monotonic seconds of the event with which the last of them came true.
    met: asyncio.Future[float] = field(default_factory=asyncio.Future)

    def see(self, name: str, raw: Raw, moment: float) -> None:
        if name in self.remaining and self.predicate(raw):
            self.remaining.discard(name)
            if not self.remaining and not self.met.done():
                self.met.set_result(moment)


class Sightings:
    """The Applications of one namespace, current by watch."""

    def __init__(self) -> None:
        self.seen: dict[str, Raw] = {}
        self._expectations: list[Expectation] = []

    def observe(self, old: Raw | None, new: Raw | None) -> None:
        """The informer's callback."""
        moment = time.monotonic()
        if new is None:
            self.seen.pop((old or {})["metadata"]["name"], None)
            return
        name = new["metadata"]["name"]
        self.seen[name] = new
        for expectation in self._expectations:
            expectation.see(name, new, moment)

    def expect(self, names: Iterable[str], predicate: Predicate) -> Expectation:
        """From now on look out for it. What holds already counts."""
        expectation = Expectation(predicate, set(names))
        moment = time.monotonic()
        for name in list(expectation.remaining):
            if name in self.seen:
                expectation.see(name, self.seen[name], moment)
        self._expectations.append(expectation)
        return expectation

    async def until(self, expectation: Expectation, what: str, *, seconds_max: float) -> float:
        """Monotonic seconds of the event that fulfilled it; TimeoutError that says what was seen instead."""
        try:
            async with asyncio.timeout(seconds_max):
                return await asyncio.shield(expectation.met)
        except TimeoutError:
            name = min(expectation.remaining)
            status = orjson.dumps((self.seen.get(name) or {}).get("status")).decode()
            left = len(expectation.remaining)
            raise TimeoutError(
                f"not within {seconds_max:g} s: {what}; {left} are left, among them {name}: {status[:3000]}"
            ) from None
        finally:
            self._expectations.remove(expectation)


@asynccontextmanager
async def watching(cluster: Cluster, namespace: str) -> AsyncIterator[Sightings]:
    """Follow the Applications of one namespace while the block runs."""
    sightings = Sightings()
    resource = await cluster.resource("argoproj.io", "Application")
    informer = Informer(cluster, resource, namespace=namespace, on_change=sightings.observe)
    following = asyncio.create_task(informer.run())
    try:
        await informer.synced()
        yield sightings
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
