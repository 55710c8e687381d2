"""Watches the kinds that stand in inventories, each once, and marks what a change concerns.

Of an object nothing is kept but its names and two digests: what it says and how it fares. A job is
marked when either moves, and when the object goes or loses its tracking; a controller's report is
nobody's business.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any

from trueup.clients.api_errors import ForbiddenError, NotServedError, UnknownKindError
from trueup.clients.applications import ApplicationStore
from trueup.clients.cluster import Cluster
from trueup.clients.informer import Informer
from trueup.domain.application import ApplicationId
from trueup.domain.errors import TrueupError
from trueup.domain.health import has_health
from trueup.domain.job import Job
from trueup.domain.resource import ABSENT, ResourceKey, is_built_in, tracked_by
from trueup.telemetry import WATCH_EVENTS, WATCHES

from . import sighting
from .quiet import QuietLog
from .sighting import Sighting
from .triggers import look_at, look_at_everything
from .unheeded import Unheeded

Kind = tuple[str, str]
STATES = ("starting", "watching", "refused", "away")


@dataclass(frozen=True, slots=True)
class WatcherBounds:
    #: The pause before a kind that is not served, or may not be read, is asked for again.
    retry_seconds_min: float = 0.5
    retry_seconds_max: float = 30.0
    #: An object that an inventory gains is looked at where it was seen to move within this time: the
    #: change may have come before it was known whose it is. Well above the longest run.
    recent_seconds: float = 600.0
    #: How long kinds that are listed already wait for the others, so that an application is looked at once.
    first_lists_seconds_max: float = 10.0


class Watcher:
    """The watches of one cluster, as the inventories of its applications ask for them."""

    def __init__(
        self,
        cluster: Cluster,
        applications: ApplicationStore,
        mark: Callable[[Iterable[Job]], None],
        *,
        server: str,
        namespace: str,
        unheeded: Unheeded,
        bounds: WatcherBounds | None = None,
    ) -> None:
        """`mark` takes the jobs; `server` is what destinations call the cluster; `namespace` has the Applications.

        What is `unheeded` of an object wakes nobody.
        """
        self._unheeded = unheeded
        self._cluster = cluster
        self._server = server
        self._applications = applications
        self._owned = applications.inventories.of(server)
        self._mark = mark
        self._namespace = namespace
        self._bounds = bounds or WatcherBounds()
        self._informers: dict[Kind, Informer] = {}
        #: Of kinds whose metadata may suffice: whether no more is watched of them.
        self._is_plain: dict[Kind, bool] = {}
        self._outdated: set[Kind] = set()
        self._states: dict[Kind, str] = {}
        #: Kinds that are known not to be served or not to be ours to read.
        self._lost: set[Kind] = set()
        self._unseen: set[ApplicationId] = set()
        self._kinds_changed = asyncio.Event()
        self._all_listed = asyncio.Event()

    async def run(self) -> None:
        """Watch until cancelled, and anew when it is called again.

        A kind begins with the first inventory that has it and ends with the last.
        """
        self._owned.on_change = self._observe_inventory
        self._unheeded.on_change.add(self._observe_unheeded)
        try:
            await self._watch_kinds()
        finally:
            self._unheeded.on_change.discard(self._observe_unheeded)
            self._owned.on_change = None
            self._forget()

    async def _watch_kinds(self) -> None:
        following: dict[Kind, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                self._kinds_changed.clear()
                wanted = set(self._owned.kinds())
                outdated, self._outdated = self._outdated, set()
                for kind in following.keys() - (wanted - outdated):
                    following.pop(kind).cancel()
                    self._informers.pop(kind, None)
                    self._is_plain.pop(kind, None)
                    self._lost.discard(kind)
                    self._tell(kind, None)
                for kind in wanted - following.keys():
                    self._tell(kind, "starting")
                    following[kind] = group.create_task(self._follow(kind))
                await self._kinds_changed.wait()

    def _forget(self) -> None:
        """What was seen says nothing of what moves while nobody watches: the next first lists tell."""
        self._informers.clear()
        self._is_plain.clear()
        self._outdated.clear()
        self._lost.clear()
        self._unseen.clear()
        for kind in list(self._states):
            self._tell(kind, None)

    async def _follow(self, kind: Kind) -> None:
        bounds, failures, quiet = self._bounds, 0, QuietLog(__name__)
        while True:
            try:
                informer = await self._informer(kind)
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._announce(kind, informer))
                    await informer.run()
            except* TrueupError as errors:
                error = next(each for each in errors.exceptions if isinstance(each, TrueupError))
                quiet.warning("cannot watch", kind="/".join(kind), error=str(error))
                self._tell_lost(kind, error)
            informer_before = self._informers.pop(kind, None)
            failures = 0 if informer_before is not None and informer_before.is_synced else failures + 1
            self._cluster.forget_kinds()
            await asyncio.sleep(min(bounds.retry_seconds_max, bounds.retry_seconds_min * 2 ** min(failures, 32)))

    async def _informer(self, kind: Kind) -> Informer:
        resource = await self._cluster.resource(*kind)
        # Of a kind that a definition brings, a controller may report into the object itself.
        has_no_report = "status" not in resource.subresources and not has_health(*kind)
        is_plain = is_built_in(kind[0]) and has_no_report and not self._unheeded.concerns(kind)
        if is_built_in(kind[0]) and has_no_report:
            self._is_plain[kind] = is_plain
        informer = Informer(
            self._cluster,
            resource,
            transform=sighting.of_metadata if is_plain else partial(sighting.of_object, heeded=self._unheeded.heeded),
            metadata_only=is_plain,
            ends_on=(NotServedError, ForbiddenError),
        )
        informer.on_change(partial(self._observe_object, informer))
        self._informers[kind] = informer
        return informer

    async def _announce(self, kind: Kind, informer: Informer) -> None:
        """After the first list: nobody knows what moved before it, so whoever owns such objects looks at all of his.

        Kinds that are listed at about the same time ask for it together.
        """
        await informer.synced()
        self._lost.discard(kind)
        self._unseen |= self._owned.owners_of_kind(*kind)
        self._tell(kind, "watching")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._bounds.first_lists_seconds_max):
                await self._all_listed.wait()
        if self._unseen:
            self._mark(look_at_everything(self._unseen))
            self._unseen.clear()

    def _observe_object(self, informer: Informer, old: Sighting | None, new: Sighting | None) -> None:
        if not informer.is_synced:
            return
        if old is not None and new is not None and not sighting.has_moved(old, new):
            WATCH_EVENTS.labels("ignored").inc()
            return
        key = ResourceKey.of(new or old or {})
        concerned = self._owned.owners(key) or self._tracked(old, new)
        WATCH_EVENTS.labels("enqueued" if concerned else "nobody's").inc()
        if concerned:
            self._mark(look_at(concerned, key, sighting.version_of(new) if new is not None else ""))

    def _tracked(self, *versions: Mapping[str, Any] | None) -> tuple[ApplicationId, ...]:
        """The applications that the object's tracking id names, where it speaks of this very object."""
        names = {name for body in versions if body is not None and (name := tracked_by(body)) is not None}
        found = (self._applications.get(ApplicationId(self._namespace, name)) for name in sorted(names))
        return tuple(
            application.id for application in found if application and application.inventory_server == self._server
        )

    def _observe_inventory(
        self, application: ApplicationId, gained: frozenset[ResourceKey], lost: frozenset[ResourceKey]
    ) -> None:
        for key in gained:
            version = self._may_have_missed(key)
            if version is not None:
                self._mark(look_at([application], key, version))
        for key in gained | lost:
            others = [owner for owner in self._owned.owners(key) if owner != application]
            if others:
                # Two that claim one object are told so, and told when it is over.
                self._mark(look_at([*others, application] if key in gained else others, key))
        if self._states.keys() != self._owned.kinds():
            self._kinds_changed.set()

    def _observe_unheeded(self) -> None:
        """A kind whose contents matter now, or no longer, is watched anew."""
        self._outdated |= {kind for kind, plain in self._is_plain.items() if plain == self._unheeded.concerns(kind)}
        if self._outdated:
            self._kinds_changed.set()

    def _may_have_missed(self, key: ResourceKey) -> str | None:
        """The version in which the object may have moved, or gone, before it was known whose it is; None for none."""
        informer = self._informers.get((key.group, key.kind))
        if informer is None or not informer.is_synced:
            return None
        seen = informer.get(key.namespace, key.name)
        if seen is None:
            return ABSENT
        is_recent = monotonic() - seen[sighting.SEEN_AT] < self._bounds.recent_seconds
        return sighting.version_of(seen) if is_recent else None

    def _tell_lost(self, kind: Kind, error: TrueupError) -> None:
        """A kind that went, or may not be read any more, took its objects with it: no event tells of each."""
        if isinstance(error, ForbiddenError | NotServedError | UnknownKindError) and kind not in self._lost:
            self._lost.add(kind)
            self._mark(look_at_everything(self._owned.owners_of_kind(*kind)))
        self._tell(kind, "refused" if isinstance(error, ForbiddenError) else "away")

    def _tell(self, kind: Kind, state: str | None) -> None:
        if state is None:
            self._states.pop(kind, None)
        else:
            self._states[kind] = state
        counts = Counter(self._states.values())
        for name in STATES:
            WATCHES.labels(name, self._cluster.name).set(counts[name])
        if counts["starting"]:
            self._all_listed.clear()
        else:
            self._all_listed.set()
