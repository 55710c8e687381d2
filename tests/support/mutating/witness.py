"""Whom the audit log of the API server names for an edit, asked as a worker asks."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.support.audit import audit_events
from tests.support.sandbox import SandboxFacts
from tests.support.wait import wait_until
from trueup.clients.audit_stream import Heard
from trueup.clients.cluster import Cluster
from trueup.domain.application import HOME_SERVER
from trueup.domain.attribution import Attribution
from trueup.domain.audit import AuditRecord, read_event
from trueup.domain.diff import Change
from trueup.domain.resource import Body, ResourceKey
from trueup.workers.attribution import Attributions

EVENT_SECONDS = 30.0


class Witness:
    """What has been heard so far, and what follows from it."""

    def __init__(self, cluster: Cluster, kinds: Mapping[tuple[str, str], str]) -> None:
        self._cluster = cluster
        self._kinds = kinds
        self._attributions = Attributions()
        self._versions: set[tuple[ResourceKey, str]] = set()
        self._writes: Counter[tuple[ResourceKey, str]] = Counter()

    def hear(self, event: Mapping[str, Any]) -> None:
        record = read_event(event, lambda group, plural: self._kinds.get((group, plural), ""))
        if isinstance(record, AuditRecord):
            self._attributions.heard(Heard(HOME_SERVER, (record,)))
            self._versions.add((record.key, record.version))
            self._writes[record.key, record.person.user] += 1

    def writes(self, key: ResourceKey, user: str) -> int:
        """How many writes of this user to the object have been heard of."""
        return self._writes[key, user]

    async def names(
        self, changes: Iterable[Change], live: Body, key: ResourceKey, *, user: str, after: int
    ) -> list[Attribution]:
        """Who wrote what differs, once there is the event of this version.

        Of a Secret an event does not say which version it made; then it is one more of the user's than `after`.
        """

        def is_heard() -> bool:
            if key.kind == "Secret":
                return self.writes(key, user) > after
            return (key, live["metadata"]["resourceVersion"]) in self._versions

        await wait_until(is_heard, EVENT_SECONDS, f"the audit event of an edit of {key}")
        await self._attributions.know_self(HOME_SERVER, self._cluster)
        return list(self._attributions.attributed(changes, live, key).values())


@asynccontextmanager
async def witness(sandbox: SandboxFacts, cluster: Cluster) -> AsyncIterator[Witness]:
    kinds = {(kind.group, kind.plural): kind.kind for kind in await cluster.resources()}
    found = Witness(cluster, kinds)
    async with audit_events(sandbox) as events:

        async def listen() -> None:
            while True:
                found.hear(await events.get())

        task = asyncio.create_task(listen())
        try:
            yield found
        finally:
            task.cancel()
            await asyncio.wait([task])
