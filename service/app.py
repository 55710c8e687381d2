"""The service from its start to its end: what runs, in which order, and what a shutdown waits for."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import structlog

from trueup.clients.audit_stream import AuditStream, AuditStreamBounds
from trueup.clients.cluster import Cluster
from trueup.clients.ops_server import write_addresses
from trueup.clients.queue import Queue
from trueup.clients.queue_scripts import QueueBounds
from trueup.clients.redis import connect
from trueup.clients.sns import SnsReader
from trueup.clients.view_shelf import ViewShelf
from trueup.engine.bounds import view_bounds
from trueup.settings import Settings

from .listening import listening
from .parts import Parts, assemble
from .sweep import Sweep

NAME = "service"

_log = structlog.get_logger(__name__)


async def serve(settings: Settings, cluster: Cluster, *, stop: asyncio.Event, sns: SnsReader | None = None) -> None:
    """Run until `stop` is set, then leave nothing undone that time allows; `sns` in place of Amazon's own.

    Once ready, the bound addresses stand in `service.json` of the data directory. Raises StalledError
    where a setting or a listening address does not hold.
    """
    client = connect(settings.redis_url)
    try:
        queue = Queue(client, bounds=QueueBounds(queue_jobs_max=settings.queue_jobs_max))
        events = AuditStream(
            client, bounds=AuditStreamBounds(settings.audit_stream_entries_max, settings.audit_event_age_seconds_max)
        )
        parts = assemble(settings, cluster, queue, events, ViewShelf(client, bounds=view_bounds(settings)), sns)
        addresses_file = settings.data_dir / f"{NAME}.json"
        addresses_file.unlink(missing_ok=True)
        try:
            # Half of the time is for requests under way, half for handing over what is marked.
            half = settings.shutdown_seconds_max / 2
            async with asyncio.TaskGroup() as group:
                work = group.create_task(_work(parts))
                async with listening(settings, parts.public, parts.ops, shutdown_seconds_max=half) as addresses:
                    announce = group.create_task(_announce(parts.sweep, addresses, settings.data_dir))
                    await _until(stop, work)
                    announce.cancel()
                work.cancel()
            if not await parts.dispatcher.flush(seconds_max=half):
                _log.warning("jobs stay behind; the next start sweeps", jobs=parts.dispatcher.dirty_keys)
        finally:
            addresses_file.unlink(missing_ok=True)
    finally:
        await client.aclose()


async def _work(parts: Parts) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(parts.snapshots.run())
        group.create_task(parts.incidents.run())
        await parts.snapshots.loaded()
        group.create_task(parts.dispatcher.run())
        group.create_task(parts.sweep.run())
        group.create_task(parts.election.run(partial(_work_alone, parts)))
        group.create_task(parts.watchers.run())


async def _work_alone(parts: Parts) -> None:
    """What one replica does for all of them."""
    async with asyncio.TaskGroup() as group:
        group.create_task(parts.watcher.run())
        group.create_task(parts.sweep.run_at_intervals())


async def _until(stop: asyncio.Event, work: asyncio.Task[None]) -> None:
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({stopped, work}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()


async def _announce(sweep: Sweep, addresses: dict[str, str], data_dir: Path) -> None:
    """Write the addresses once deliveries would be taken."""
    await sweep.opened()
    write_addresses(data_dir, NAME, addresses)
    _log.info("ready", **addresses)
