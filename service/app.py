"""The service, put together: two listening addresses, two watches, one way into the queue."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog
from aiohttp import web

from trueup.clients.applications import ApplicationStore
from trueup.clients.cluster import Cluster
from trueup.clients.cluster_book import ClusterBook
from trueup.clients.election import HOME_WATCH_LEASE, Election
from trueup.clients.epoch import bump_epoch, read_epoch
from trueup.clients.ops_server import add_metrics, add_probes, split_listen, write_addresses
from trueup.clients.queue import Queue
from trueup.clients.queue_scripts import QueueBounds
from trueup.clients.redis import connect
from trueup.clients.sns import SnsBounds, SnsReader
from trueup.domain.application import HOME_SERVER
from trueup.domain.errors import StalledError
from trueup.domain.githost import REPOSITORIES_PATH
from trueup.domain.webhook_secret import WEBHOOK_PATH
from trueup.engine.bounds import cluster_bounds, election_bounds
from trueup.settings import Settings

from .answers import answer_errors
from .api import Api
from .body import BodyBounds, BodyReader
from .connections import ConnectionBounds, Gate, GatedSite, note_request
from .dispatch import DispatchBounds, Dispatcher, Owed
from .probes import Progress
from .receiver import Receiver
from .snapshots import Snapshots
from .sweep import EpochLease, Sweep, SweepBounds
from .triggers import Raw, jobs_of_change, jobs_of_everything
from .watcher import Watcher, WatcherBounds
from .watchers import Watchers
from .webhook_secrets import WebhookSecrets

NAME = "service"
#: Probes and metrics need few connections, and have their own so that a flood of deliveries cannot starve them.
OPS_CONNECTIONS_MAX = 100

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What lives as long as the process."""

    dispatcher: Dispatcher
    snapshots: Snapshots
    watcher: Watcher
    watchers: Watchers
    election: Election
    sweep: Sweep
    progress: Progress
    public: web.Application
    ops: web.Application


def assemble(settings: Settings, cluster: Cluster, queue: Queue, sns: SnsReader | None = None) -> Parts:
    """Make the parts and show them to each other; nothing runs yet."""
    applications = ApplicationStore()
    secrets = WebhookSecrets(webhook_secrets_tried_max=settings.webhook_secrets_tried_max)
    dispatcher = Dispatcher(
        queue,
        lambda owed: jobs_of_everything(applications.repositories(), applications.all(), live=owed is Owed.EVERYTHING),
        bounds=DispatchBounds(dirty_keys_max=settings.dirty_keys_max),
    )
    book = ClusterBook()
    watcher_of = _watcher_of(settings, applications, dispatcher)
    election_of = partial(Election, cluster, settings.namespace, bounds=election_bounds(settings))
    watchers = Watchers(applications, book, watcher_of, election_of, bounds=cluster_bounds(settings))

    def observe_cluster(old: Raw | None, new: Raw | None) -> None:
        book.observe(old, new)
        watchers.secrets_changed()

    snapshots = Snapshots(
        cluster,
        namespace=settings.namespace,
        applications=applications,
        secrets=secrets,
        on_application=lambda old, new: dispatcher.mark(jobs_of_change(old, new)),
        on_cluster=observe_cluster,
    )
    sweep = _sweep_of(settings, cluster, queue, dispatcher, applications)
    dispatcher.on_failure = sweep.check_soon
    progress = Progress(snapshots, dispatcher, sweep)
    bodies = BodyReader(
        BodyBounds(
            webhook_body_bytes_max=settings.webhook_body_bytes_max,
            webhook_body_seconds_max=settings.webhook_body_seconds_max,
            webhook_bytes_in_flight_max=settings.webhook_bytes_in_flight_max,
        )
    )

    def is_loaded() -> bool:
        return snapshots.is_loaded

    sns = sns or SnsReader(
        SnsBounds(request_seconds_max=settings.sns_request_seconds_max, answer_bytes_max=settings.sns_answer_bytes_max)
    )
    receiver = Receiver(dispatcher, applications, secrets, bodies, sns, is_loaded=is_loaded)
    public = web.Application(middlewares=[note_request, answer_errors])
    public.router.add_post(WEBHOOK_PATH, receiver.receive)
    public.router.add_post(WEBHOOK_PATH + "/{provider}/{hook}", receiver.receive_for_hook)
    api = Api(applications, queue, is_loaded=is_loaded)
    public.router.add_get("/api/v1/applications", api.list_applications)
    public.router.add_get(REPOSITORIES_PATH, api.list_repositories)
    ops = web.Application(middlewares=[note_request, answer_errors])
    for application in (public, ops):
        add_probes(application, healthy=progress.standstills, ready=progress.obstacles)
    add_metrics(ops)
    return Parts(
        dispatcher,
        snapshots,
        watcher_of(cluster, HOME_SERVER),
        watchers,
        election_of(HOME_WATCH_LEASE),
        sweep,
        progress,
        public,
        ops,
    )


def _sweep_of(
    settings: Settings, cluster: Cluster, queue: Queue, dispatcher: Dispatcher, applications: ApplicationStore
) -> Sweep:
    return Sweep(
        queue,
        dispatcher,
        applications,
        EpochLease(
            read=partial(read_epoch, cluster, settings.namespace), bump=partial(bump_epoch, cluster, settings.namespace)
        ),
        bounds=SweepBounds(
            sweep_interval_seconds=settings.sweep_interval_seconds,
            sweep_interval_seconds_min=settings.sweep_interval_seconds_min,
            sweep_interval_seconds_max=settings.sweep_interval_seconds_max,
            epoch_check_seconds=settings.epoch_check_seconds,
        ),
    )


def _watcher_of(
    settings: Settings, applications: ApplicationStore, dispatcher: Dispatcher
) -> Callable[[Cluster, str], Watcher]:
    """What makes the watcher of a cluster and its server's URL."""
    bounds = WatcherBounds(
        retry_seconds_max=settings.watch_retry_seconds_max,
        recent_seconds=settings.watch_recent_seconds,
        first_lists_seconds_max=settings.watch_first_lists_seconds_max,
    )

    def make(cluster: Cluster, server: str) -> Watcher:
        return Watcher(
            cluster, applications, dispatcher.mark, server=server, namespace=settings.namespace, bounds=bounds
        )

    return make


async def serve(settings: Settings, cluster: Cluster, *, stop: asyncio.Event, sns: SnsReader | None = None) -> None:
    """Run until `stop` is set, then leave nothing undone that time allows; `sns` in place of Amazon's own.

    Once ready, the bound addresses stand in `service.json` of the data directory. Raises StalledError
    where a setting or a listening address does not hold.
    """
    client = connect(settings.redis_url)
    try:
        queue = Queue(client, bounds=QueueBounds(queue_jobs_max=settings.queue_jobs_max))
        parts = assemble(settings, cluster, queue, sns)
        addresses_file = settings.data_dir / f"{NAME}.json"
        addresses_file.unlink(missing_ok=True)
        try:
            # Half of the time is for requests under way, half for handing over what is marked.
            half = settings.shutdown_seconds_max / 2
            async with asyncio.TaskGroup() as group:
                work = group.create_task(_work(parts))
                async with _listening(settings, parts, shutdown_seconds_max=half) as addresses:
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


@asynccontextmanager
async def _listening(settings: Settings, parts: Parts, *, shutdown_seconds_max: float) -> AsyncIterator[dict[str, str]]:
    """Listen on both addresses; at the end stop accepting, and wait for requests under way.

    The ops address goes last, so that probes see the shutdown.
    """
    public = ConnectionBounds(connections_max=settings.connections_max)
    ops = ConnectionBounds(connections_max=OPS_CONNECTIONS_MAX)
    async with (
        _site(parts.ops, "TRUEUP_OPS_LISTEN", settings.ops_listen, ops, shutdown_seconds_max=1.0) as ops_site,
        _site(
            parts.public, "TRUEUP_LISTEN", settings.listen, public, shutdown_seconds_max=shutdown_seconds_max
        ) as public_site,
    ):
        yield {"listen": public_site.address, "ops_listen": ops_site.address}


@asynccontextmanager
async def _site(
    app: web.Application, variable: str, listen: str, bounds: ConnectionBounds, *, shutdown_seconds_max: float
) -> AsyncIterator[GatedSite]:
    try:
        host, port = split_listen(listen)
    except ValueError as error:
        raise StalledError(f"{variable} is not host:port, such as 127.0.0.1:8080") from error
    runner = web.AppRunner(
        app,
        access_log=None,
        # What strangers send that is not HTTP is answered, and is no news.
        logger=_silent_logger(),
        keepalive_timeout=bounds.keepalive_seconds_max,
        lingering_time=bounds.lingering_seconds_max,
        auto_decompress=False,
        shutdown_timeout=shutdown_seconds_max,
    )
    await runner.setup()
    try:
        site = GatedSite(runner, host, port, Gate(bounds))
        try:
            await site.start()
        except OSError as error:
            raise StalledError(f"cannot listen on {variable} {listen}: {error.strerror}") from error
        yield site
    finally:
        await runner.cleanup()


def _silent_logger() -> logging.Logger:
    logger = logging.getLogger("trueup.service.http")
    logger.disabled = True
    return logger


async def _announce(sweep: Sweep, addresses: dict[str, str], data_dir: Path) -> None:
    """Write the addresses once deliveries would be taken."""
    await sweep.opened()
    write_addresses(data_dir, NAME, addresses)
    _log.info("ready", **addresses)
