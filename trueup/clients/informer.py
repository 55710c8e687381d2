"""A kind's objects, kept in memory and kept true: what there is, then what changes, for ever.

Where the server can, one request brings both (KEP-3157), so that neither a page nor a list of whole objects is
ever in memory; where it refuses, or sends no end of what there is, a LIST comes before the WATCH.
What a cut, a gap, a throttled or an unauthorised answer takes away, the next attempt brings back:
a change may be reported late or merged with the next, but the store ends up as the cluster is.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from time import monotonic
from types import MappingProxyType
from typing import Any

import structlog

from trueup.clients.api_errors import ExpiredError, RejectedError, ServerError
from trueup.clients.cluster import Cluster
from trueup.clients.cluster_bounds import InformerBounds
from trueup.clients.discovery import ApiResource
from trueup.clients.watch import Selection, WatchEvent, watch_events
from trueup.domain.errors import TransientError, TrueupError

#: (namespace, name); the namespace is empty for a cluster-scoped object.
ObjectName = tuple[str, str]
Object = dict[str, Any]
#: Told of (old, new): None for old is an appearance, for new a disappearance. Runs on the event loop: be quick.
OnChange = Callable[[Object | None, Object | None], None]

_log = structlog.get_logger(__name__)


class _NotStreamedError(TrueupError):
    """The server does not stream lists of such objects."""


def without_managed_fields(body: Object) -> Object:
    """The object without `metadata.managedFields`, which is most of the size of many."""
    metadata = body.get("metadata")
    if isinstance(metadata, dict):
        metadata.pop("managedFields", None)
    return body


class Informer:
    """The objects of one selection. Objects in it are shared: they must not be changed."""

    def __init__(
        self,
        cluster: Cluster,
        resource: ApiResource,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        on_change: OnChange | None = None,
        transform: Callable[[Object], Object] = without_managed_fields,
        metadata_only: bool = False,
        ends_on: tuple[type[TrueupError], ...] = (),
        bounds: InformerBounds | None = None,
    ) -> None:
        """Errors of the classes in `ends_on` are raised by `run`; after any other it goes on by itself.

        `bounds` are the cluster's where none are given.
        """
        self._cluster = cluster
        self._selection = Selection(resource, namespace, label_selector, field_selector, metadata_only)
        self._ends_on = ends_on
        self._handlers = [on_change] if on_change else []
        self._transform = transform
        self._bounds = bounds or cluster.bounds.informer
        self._objects: dict[ObjectName, Object] = {}
        self._snapshot: Mapping[ObjectName, Object] | None = None
        self._resource_version = ""
        #: Whether the next list is to be streamed: after one that failed it is asked for in the other way.
        self._streams = True
        self._synced = asyncio.Event()
        self._last_contact: float | None = None
        self._failures = 0
        self._fruitless = 0

    def on_change(self, handler: OnChange) -> None:
        """Call `handler` for every change from now on; to see every object, add it before `run`."""
        self._handlers.append(handler)

    @property
    def is_synced(self) -> bool:
        """Whether the store has been complete once."""
        return self._synced.is_set()

    async def synced(self) -> None:
        """Wait until every object that was there at the start is in the store and has been reported."""
        await self._synced.wait()

    @property
    def last_contact(self) -> float | None:
        """`time.monotonic()` of the last word from the server that proved this store current, for a progress probe."""
        return self._last_contact

    def get(self, namespace: str, name: str) -> Object | None:
        """One object of the store."""
        return self._objects.get((namespace, name))

    def snapshot(self) -> Mapping[ObjectName, Object]:
        """The store as it is now; later changes do not show in it."""
        if self._snapshot is None:
            self._snapshot = MappingProxyType(dict(self._objects))
        return self._snapshot

    async def run(self) -> None:
        """Keep the store true until cancelled, or until an error that ends it."""
        while True:
            try:
                if not self._resource_version and not self._may_stream():
                    await self._relist()
                await self._watch()
            except _NotStreamedError as error:
                _log.info("lists instead", selection=str(self._selection), reason=str(error))
            except ExpiredError:
                self._resource_version = ""
                await self._pause(None)
            except TrueupError as error:
                if isinstance(error, self._ends_on):
                    raise
                _log.warning("cannot follow", selection=str(self._selection), error=str(error))
                await self._pause(error)

    async def _relist(self) -> None:
        async with self._cluster.relists:
            selection = self._selection
            page = await self._cluster.list_all(
                selection.resource,
                selection.namespace,
                label_selector=selection.label_selector,
                field_selector=selection.field_selector,
                metadata_only=selection.metadata_only,
            )
        if not page.resource_version:
            raise ServerError(f"the list of {selection} has no resource version to watch from")
        self._replace(
            {name: self._transformed(body) for body in page.items if (name := _name_of(body))}, page.resource_version
        )

    def _may_stream(self) -> bool:
        return self._streams and self._selection.resource.api_version not in self._cluster.lists_not_streamed

    async def _fill(self, events: AsyncIterator[WatchEvent]) -> None:
        """Take what there is now from the beginning of a stream; the store stays as it is until all of it has come.

        Raises _NotStreamedError where the server does not stream lists, ServerError where the end does not come.
        """
        self._streams = False
        after: dict[ObjectName, Object] = {}
        loop, silence = asyncio.get_running_loop(), self._bounds.list_silence_seconds_max
        try:
            async with self._cluster.relists, asyncio.timeout(silence) as patience:
                async for event in events:
                    patience.reschedule(loop.time() + silence)
                    version = _metadata(event.object, "resourceVersion")
                    if event.ends_list and version:
                        self._replace(after, str(version))
                        return
                    if event.type == "BOOKMARK":
                        raise RejectedError("an ordinary bookmark came before the end of the list")  # noqa: TRY301
                    if name := _name_of(event.object):
                        if event.type == "DELETED":
                            after.pop(name, None)
                        else:
                            after[name] = self._transformed(event.object)
        except RejectedError as error:
            self._cluster.lists_not_streamed.add(self._selection.resource.api_version)
            raise _NotStreamedError(str(error)) from error
        except TimeoutError as error:
            raise ServerError(f"the list of {self._selection} was silent for {silence:g} s") from error
        raise ServerError(f"the list of {self._selection} ended before its end")

    def _replace(self, after: dict[ObjectName, Object], resource_version: str) -> None:
        """Make these the objects of the store, and report what is different."""
        self._last_contact = monotonic()
        before = self._objects
        self._objects, self._snapshot = after, None
        for name, body in after.items():
            self._report(before.get(name), body)
        for name, body in before.items():
            if name not in after:
                self._report(body, None)
        self._resource_version = resource_version
        self._streams = True
        self._synced.set()

    async def _watch(self) -> None:
        """One watch from the version last seen to its end, or from what there is now where none was.

        Whatever ends it, it was fruitful if it brought a word or lasted; a row of watches that did
        neither is a gap that the server does not own up to.
        """
        bounds = self._bounds
        started_at = monotonic()
        fruitful = False
        try:
            events = watch_events(
                self._cluster,
                self._selection,
                resource_version=self._resource_version,
                seconds=bounds.watch_seconds,
                silence_seconds_max=bounds.silence_seconds_max,
                line_bytes_max=bounds.watch_line_bytes_max,
            )
            async with aclosing(events):
                if not self._resource_version:
                    await self._fill(events)
                    fruitful = True
                async for event in events:
                    fruitful = True
                    self._last_contact = monotonic()
                    self._take(event)
        finally:
            fruitful = fruitful or monotonic() - started_at >= bounds.watch_seconds / 2
            self._fruitless = 0 if fruitful else self._fruitless + 1
            if fruitful:
                self._failures = 0
            if self._fruitless >= bounds.fruitless_watches_max:
                self._resource_version, self._fruitless = "", 0
        if fruitful:
            self._last_contact = monotonic()
        else:
            await self._pause(None)

    def _take(self, event: WatchEvent) -> None:
        metadata = event.object.get("metadata")
        version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
        name = _name_of(event.object)
        if event.type != "BOOKMARK" and name:
            old = self._objects.get(name)
            if event.type == "DELETED":
                self._objects.pop(name, None)
                new = None
            else:
                new = self._objects[name] = self._transformed(event.object)
            self._snapshot = None
            self._report(old, new)
        if version:
            self._resource_version = str(version)

    def _transformed(self, body: Object) -> Object:
        try:
            return self._transform(body)
        except Exception as error:  # noqa: BLE001  one object that cannot be reduced must not stop the others
            self._complain("transform", body, error)
            return body

    def _report(self, old: Object | None, new: Object | None) -> None:
        if old is not None and new is not None:
            if _metadata(old, "resourceVersion") == _metadata(new, "resourceVersion"):
                return
            if _metadata(old, "uid") != _metadata(new, "uid"):
                self._tell(old, None)
                old = None
        if old is not None or new is not None:
            self._tell(old, new)

    def _tell(self, old: Object | None, new: Object | None) -> None:
        for handler in self._handlers:
            try:
                handler(old, new)
            except Exception as error:  # noqa: BLE001  one poison object must not stop the others
                self._complain("handler", new or old or {}, error)

    def _complain(self, what: str, body: Object, error: Exception) -> None:
        # An exception's text may quote the object, and the object may be a Secret: only its place is told.
        trace = error.__traceback__
        while trace and trace.tb_next:
            trace = trace.tb_next
        place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
        _log.error(
            f"{what} failed",
            selection=str(self._selection),
            object="/".join(_name_of(body) or ()),
            error=type(error).__name__,
            place=place,
        )

    async def _pause(self, error: TrueupError | None) -> None:
        """Wait as long as the server asks, or longer with every failure in a row; never in step with others."""
        bounds = self._bounds
        ceiling = min(bounds.retry_seconds_max, bounds.retry_seconds_min * 2 ** min(self._failures, 32))
        self._failures += 1
        asked_for = error.retry_after_seconds if isinstance(error, TransientError) else None
        await asyncio.sleep((asked_for or 0.0) + random.uniform(ceiling / 2, ceiling))  # noqa: S311  no secret


def _metadata(body: Object, part: str) -> Any:
    metadata = body.get("metadata")
    return metadata.get(part) if isinstance(metadata, dict) else None


def _name_of(body: Object) -> ObjectName | None:
    name = _metadata(body, "name")
    return (str(_metadata(body, "namespace") or ""), str(name)) if name else None
