"""One of several processes does a piece of work: the one that holds a Lease.

Every write is guarded by the Lease's `resourceVersion`, so of two that reach for it one gets it. The
holder renews it; where that has failed for longer than the renew deadline, which is shorter than the
Lease lasts, the work is cancelled before anybody else may begin. The others wait by a watch of that one
object and by their own clock. A holder that was paused, or whom nobody can reach, may be overlapped for
as long as it takes him to wake: work that must not be done twice needs a guard of its own.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import socket
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any

import structlog

from trueup.clients.api_errors import AlreadyExistsError, ConflictError, NotFoundError
from trueup.clients.cluster import Cluster
from trueup.clients.discovery import ApiResource
from trueup.clients.watch import Selection, watch_events
from trueup.domain.errors import TransientError, TrueupError
from trueup.domain.lease import Lease, Sight, freed_spec, read_lease, renewed_spec, seen, taken_spec
from trueup.telemetry import LEASES_HELD

#: Whoever holds it watches the home cluster.
HOME_WATCH_LEASE = "trueup-watch-home"

#: Goes on until it is cancelled.
Work = Callable[[], Coroutine[Any, Any, None]]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ElectionBounds:
    """`renew_seconds` < `deadline_seconds` < `lease_seconds`; what lies between the last two is for stopping."""

    #: How long others leave a holder alone that they do not hear of.
    lease_seconds: int = 10
    #: A holder that could not renew for so long stops.
    deadline_seconds: float = 6.0
    renew_seconds: float = 2.0
    release_seconds_max: float = 2.0
    retry_seconds_min: float = 0.2
    retry_seconds_max: float = 2.0


class Election:
    """The part of one process in the contest for one Lease, under an identity of its own."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        name: str,
        *,
        bounds: ElectionBounds | None = None,
    ) -> None:
        self.identity = f"{socket.gethostname()}_{secrets.token_hex(4)}"
        self._cluster = cluster
        self._namespace = namespace
        self._name = name
        self._bounds = bounds or ElectionBounds()
        self._sight: Sight | None = None
        self._failures = 0
        LEASES_HELD.labels(name).set(0)

    async def run(self, work: Work) -> None:
        """Run `work` while the Lease is held, and anew each time it is won, until cancelled.

        It has to end soon after it is cancelled; an error of its own ends this too.
        """
        while True:
            won_at = await self._won()
            self._tell(held=True)
            try:
                await self._hold(work, won_at)
            finally:
                self._tell(held=False)
                await self._release()

    async def _won(self) -> float:
        """Wait for the Lease; the time from which on it is held."""
        while True:
            try:
                sight = await self._look()
                asked_at = monotonic()
                if sight is None or self._is_free(sight):
                    if await self._take(sight.lease if sight else None):
                        self._failures = 0
                        return asked_at
                elif await self._change(sight):
                    continue
                self._failures = 0
            except TrueupError as error:
                _log.warning("cannot stand for election", lease=self._name, error=str(error))
                asked_for = error.retry_after_seconds if isinstance(error, TransientError) else None
                await asyncio.sleep(min(asked_for or 0.0, self._bounds.lease_seconds))
                self._failures += 1
            # Also after a race that was lost and after a watch that has ended for no reason.
            await asyncio.sleep(self._pause_seconds())

    def _is_free(self, sight: Sight) -> bool:
        return sight.may_be_taken_by(self.identity, monotonic())

    async def _look(self) -> Sight | None:
        body = await self._cluster.get(await self._resource(), self._namespace, self._name)
        return self._note(None if body is None else read_lease(body))

    def _note(self, lease: Lease | None) -> Sight | None:
        self._sight = None if lease is None else seen(self._sight, lease, monotonic())
        return self._sight

    async def _take(self, before: Lease | None) -> bool:
        spec = taken_spec(before, self.identity, self._bounds.lease_seconds, datetime.now(UTC))
        try:
            if before is None:
                body = {
                    "apiVersion": "coordination.k8s.io/v1",
                    "kind": "Lease",
                    "metadata": {"name": self._name},
                    "spec": spec,
                }
                written = await self._cluster.create(await self._resource(), self._namespace, body)
                self._note(read_lease(written))
            else:
                await self._write(before, spec)
        except (AlreadyExistsError, ConflictError, NotFoundError):
            return False
        return True

    async def _write(self, lease: Lease, spec: dict[str, Any]) -> None:
        """Change the Lease where it still is as it was seen; ConflictError or NotFoundError where it is not."""
        body = {"metadata": {"resourceVersion": lease.resource_version}, "spec": spec}
        written = await self._cluster.merge_patch(await self._resource(), self._namespace, self._name, body)
        self._note(read_lease(written))

    async def _change(self, sight: Sight) -> bool:
        """Wait by a watch until the Lease may be taken; False where the watch has ended before."""
        bounds = self._cluster.bounds.informer
        events = watch_events(
            self._cluster,
            Selection(await self._resource(), self._namespace, field_selector=f"metadata.name={self._name}"),
            resource_version=sight.lease.resource_version,
            seconds=bounds.watch_seconds,
            silence_seconds_max=bounds.silence_seconds_max,
            line_bytes_max=bounds.watch_line_bytes_max,
        )
        try:
            async with asyncio.timeout(sight.ends_at - monotonic()) as patience, aclosing(events):
                async for event in events:
                    if event.type == "BOOKMARK":
                        continue
                    now = self._note(None if event.type == "DELETED" else read_lease(event.object))
                    if now is None or self._is_free(now):
                        return True
                    patience.reschedule(asyncio.get_running_loop().time() + now.ends_at - monotonic())
        except TimeoutError:
            _log.warning("the holder of a Lease is not heard of", lease=self._name)
            return True
        return False

    async def _hold(self, work: Work, won_at: float) -> None:
        """Run `work` until the Lease is lost."""
        loop = asyncio.get_running_loop()
        try:
            async with (
                asyncio.timeout_at(loop.time() + won_at - monotonic() + self._bounds.deadline_seconds) as deadline,
                asyncio.TaskGroup() as group,
            ):
                working = group.create_task(work())
                await self._keep(deadline)
                working.cancel()
            _log.warning("the Lease is lost", lease=self._name)
        except TimeoutError:
            _log.warning("the Lease could not be renewed in time", lease=self._name)

    async def _keep(self, deadline: asyncio.Timeout) -> None:
        """Renew the Lease, and move the deadline with it, until it is seen to be lost."""
        bounds = self._bounds
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(bounds.renew_seconds)
            asked_at = loop.time()
            try:
                # One connection that leads nowhere must not take all of the time there is.
                async with asyncio.timeout(bounds.renew_seconds):
                    if not await self._renew():
                        return
            except (TrueupError, TimeoutError) as error:
                _log.warning("cannot renew", lease=self._name, error=str(error) or "timeout")
            else:
                deadline.reschedule(asked_at + bounds.deadline_seconds)

    async def _renew(self) -> bool:
        """Whether the Lease is still held."""
        await self._write_as_holder(renewed_spec(datetime.now(UTC)))
        return self._is_own()

    async def _write_as_holder(self, spec: dict[str, Any]) -> None:
        """Write where the Lease is still held, also where the answer to an earlier write was lost."""
        try:
            if self._sight is not None:
                await self._write(self._sight.lease, spec)
        except ConflictError:
            sight = await self._look()
            if sight is not None and self._is_own():
                await self._write(sight.lease, spec)
        except NotFoundError:
            self._sight = None

    def _is_own(self) -> bool:
        return self._sight is not None and self._sight.lease.holder == self.identity

    async def _release(self) -> None:
        """Give the Lease back where it is still held, so that nobody has to wait for its end."""
        if not self._is_own():
            return
        try:
            async with asyncio.timeout(self._bounds.release_seconds_max):
                await self._write_as_holder(freed_spec(datetime.now(UTC)))
        except (TrueupError, TimeoutError) as error:
            _log.warning("cannot give the Lease back; it ends by itself", lease=self._name, error=str(error))

    async def _resource(self) -> ApiResource:
        return await self._cluster.resource("coordination.k8s.io", "Lease")

    def _tell(self, *, held: bool) -> None:
        _log.info("holds the Lease" if held else "no longer holds the Lease", lease=self._name, identity=self.identity)
        LEASES_HELD.labels(self._name).set(held)

    def _pause_seconds(self) -> float:
        bounds = self._bounds
        ceiling = min(bounds.retry_seconds_max, bounds.retry_seconds_min * 2 ** min(self._failures, 32))
        return random.uniform(ceiling / 2, ceiling)  # noqa: S311 -- no secret
