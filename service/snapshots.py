"""What the service knows of the cluster without asking: each kind that it follows, complete from the first list on."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from time import monotonic
from typing import Any

from trueup.clients.cluster import Cluster
from trueup.clients.discovery import ApiResource
from trueup.clients.informer import Informer, without_managed_fields
from trueup.domain.errors import TrueupError

from .quiet import QuietLog

RETRY_SECONDS_MIN = 0.2
RETRY_SECONDS_MAX = 10.0

OnChange = Callable[[Mapping[str, Any] | None, Mapping[str, Any] | None], None]


@dataclass(frozen=True, slots=True)
class Followed:
    """Some objects of one kind in Trueup's namespace, and who is told of them."""

    #: What messages call them.
    name: str
    kind: str
    #: Told of every object, and of every change.
    on_change: OnChange
    #: Told after that of what changes once the first list is known.
    on_later: OnChange | None = None
    group: str = ""
    labels: str = ""
    fields: str = ""
    #: What is kept of an object.
    transform: Callable[[dict[str, Any]], dict[str, Any]] = without_managed_fields


class Snapshots:
    """Fed by an informer each; loaded once all of them have listed."""

    def __init__(self, cluster: Cluster, *, namespace: str, followed: Sequence[Followed]) -> None:
        self.followed = {each.name: each for each in followed}
        self._cluster = cluster
        self._namespace = namespace
        self._started_at = monotonic()
        self._informers: dict[str, Informer] = {}
        self._loaded = asyncio.Event()
        self._quiet = QuietLog(__name__)

    @property
    def is_loaded(self) -> bool:
        return self._loaded.is_set()

    async def loaded(self) -> None:
        await self._loaded.wait()

    def silence_seconds(self) -> Mapping[str, float]:
        """For everything that is followed, how long the API server has not been heard of."""
        now = monotonic()
        contacts = {name: informer.last_contact for name, informer in self._informers.items()}
        return {name: now - (contacts.get(name) or self._started_at) for name in self.followed}

    async def run(self) -> None:
        """Keep all of it true until cancelled; an API server that is away or has no such kind yet is asked again."""
        async with asyncio.TaskGroup() as group:
            for each in self.followed.values():
                group.create_task(self._follow(each))

    async def _follow(self, each: Followed) -> None:
        informer = Informer(
            self._cluster,
            await self._served(each),
            namespace=self._namespace,
            label_selector=each.labels,
            field_selector=each.fields,
            on_change=each.on_change,
            transform=each.transform,
        )
        self._informers[each.name] = informer
        if each.on_later is not None:
            informer.on_change(_once(informer, each.on_later))
        async with asyncio.TaskGroup() as group:
            group.create_task(informer.run())
            await informer.synced()
            if len(self._informers) == len(self.followed) and all(one.is_synced for one in self._informers.values()):
                self._loaded.set()

    async def _served(self, each: Followed) -> ApiResource:
        for attempt in count():
            try:
                return await self._cluster.resource(each.group, each.kind)
            except TrueupError as error:
                self._quiet.warning("cannot follow yet", kind=each.kind, error=str(error))
            ceiling = min(RETRY_SECONDS_MAX, RETRY_SECONDS_MIN * 2 ** min(attempt, 32))
            await asyncio.sleep(random.uniform(ceiling / 2, ceiling))  # noqa: S311 -- no secret
        raise AssertionError("counting has no end")


def _once(informer: Informer, on_later: OnChange) -> OnChange:
    def observe(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
        if informer.is_synced:
            on_later(old, new)

    return observe
