"""One worker process: connect, follow the Applications, then claim and run jobs until told to stop."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import structlog
from pydantic import SecretStr

from trueup.clients.api_errors import ForbiddenError, UnknownKindError
from trueup.clients.applications import ApplicationStore, without_deeds
from trueup.clients.cluster import Cluster
from trueup.clients.cluster_book import ClusterBook, cluster_secrets
from trueup.clients.cluster_pool import ClusterPool
from trueup.clients.discovery import ApiResource
from trueup.clients.epoch import ensure_keys_secret
from trueup.clients.incident_records import GROUP as INCIDENT_GROUP
from trueup.clients.incident_records import KIND as INCIDENT_KIND
from trueup.clients.incidents import IncidentStore
from trueup.clients.informer import Informer
from trueup.clients.ops_server import serving_ops, write_addresses
from trueup.clients.queue import Queue
from trueup.clients.queue_scripts import QueueBounds
from trueup.clients.read_sets import ReadSetStore
from trueup.clients.redis import connect
from trueup.clients.seal import Sealer
from trueup.clients.slack import SlackChannel
from trueup.domain.credentials import REPOSITORY_SECRETS
from trueup.domain.errors import TransientError, TrueupError
from trueup.domain.lenient import as_mapping, as_text
from trueup.engine.bounds import cluster_bounds, git_bounds, pool_bounds, read_set_bounds
from trueup.engine.checkout import MirrorPool
from trueup.engine.engine import Engine
from trueup.engine.readers import Readers
from trueup.engine.render.cache import RenderCache
from trueup.engine.verdicts import Verdicts
from trueup.settings import EXIT_JOBS_LEFT, Settings, read_settings
from trueup.telemetry import QUEUE_DEPTH, configure_logging

from .affected import heard_of
from .consumer import CLAIM_WAIT_SECONDS_MAX, Consumer
from .context import Worker
from .credentials import Credentials, Openings
from .destinations import Arrivals
from .dispatcher import handler
from .notify import Notifier, NotifyBounds
from .projects import Projects
from .rests import Rests
from .seen import Seen

log = structlog.get_logger()
T = TypeVar("T")

#: How far the claim loop may fall behind before the process counts as stuck; runs hold it up for no longer.
TURN_SECONDS_MAX = 10 * CLAIM_WAIT_SECONDS_MAX
AWAY_SECONDS = 1.0
KNOWN_HOSTS_CONFIG_MAP = "argocd-ssh-known-hosts-cm"
#: Well above the longest pause of an informer, so that an API server that is down restarts no worker.
CONTACT_SECONDS_MAX = 600.0


class Patience:
    """Tries again for as long as the other side is away, and knows whom it waits for."""

    def __init__(self) -> None:
        #: Why nothing goes on; empty where nobody is waited for.
        self.reason = ""

    async def __call__(self, attempt: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                answer = await attempt()
            except TransientError as error:
                if self.reason != str(error):
                    log.warning("waiting", reason=str(error))
                self.reason = str(error)
                await asyncio.sleep(error.retry_after_seconds or AWAY_SECONDS)
            else:
                self.reason = ""
                return answer


@dataclass(frozen=True, slots=True)
class Parts:
    """What one process runs."""

    worker: Worker
    informers: tuple[Informer, ...]
    #: What else runs beside them until the end.
    followers: tuple[Callable[[], Coroutine[Any, Any, None]], ...]
    #: None where there is nobody to tell, or nothing on record to tell of.
    notifier: Notifier | None


async def ssh_known_hosts(cluster: Cluster, namespace: str) -> str:
    """The SSH hosts that Argo CD users trust, read once at the start; beside them the system's own count."""
    resource = await cluster.resource("", "ConfigMap")
    try:
        found = await cluster.get(resource, namespace, KNOWN_HOSTS_CONFIG_MAP)
    except ForbiddenError as error:
        log.warning("no SSH hosts beside the system's own are known", reason=str(error))
        return ""
    return as_text(as_mapping((found or {}).get("data")).get("ssh_known_hosts"))


async def incident_store(cluster: Cluster, settings: Settings) -> IncidentStore | None:
    """The records of incidents; None where their kind is not installed."""
    try:
        resource = await cluster.resource(INCIDENT_GROUP, INCIDENT_KIND)
    except UnknownKindError as error:
        log.warning("no incident is recorded, and nobody is told of one", reason=str(error))
        return None
    return IncidentStore(
        cluster,
        resource,
        namespace=settings.namespace,
        incidents_per_application_max=settings.incidents_per_application_max,
    )


def slack_channel(settings: Settings, token: SecretStr) -> SlackChannel:
    """The channel that the settings name."""
    return SlackChannel(
        token=token.get_secret_value(),
        channel=settings.slack_channel,
        api_url=settings.slack_api_url,
        request_seconds_max=settings.slack_request_seconds_max,
    )


def slack_notifier(settings: Settings, incidents: IncidentStore, channel: SlackChannel) -> Notifier:
    """Who tells the channel in this process."""
    bounds = NotifyBounds(
        settle_seconds=settings.slack_settle_seconds,
        settle_seconds_max=settings.slack_settle_seconds_max,
        record_retry_seconds=settings.slack_record_retry_seconds,
        stop_seconds_max=settings.slack_request_seconds_max,
        claim_seconds=settings.slack_claim_seconds,
        age_seconds_max=settings.slack_age_seconds_max,
        retry_seconds_max=settings.slack_retry_seconds_max,
    )
    holder = secrets.token_hex(8)
    return Notifier(incidents, channel, holder=holder, bounds=bounds, public_url=settings.public_url)


def other_clusters(
    settings: Settings, home: Cluster, secret: ApiResource, queue: Queue, applications: ApplicationStore
) -> tuple[ClusterPool, Informer, Arrivals]:
    """The clusters that Secrets lead to, what follows these Secrets, and who enqueues what they concern."""
    book = ClusterBook()
    informer = cluster_secrets(home, secret, namespace=settings.namespace)
    pool = ClusterPool(home, book, bounds=pool_bounds(settings), cluster_bounds=cluster_bounds(settings))
    arrivals = Arrivals(queue, applications, is_loaded=lambda: informer.is_synced)
    pool.on_back = arrivals.came_back
    for heard in (book.observe, arrivals.observe, lambda _old, _new: pool.secrets_changed()):
        informer.on_change(heard)
    return pool, informer, arrivals


@asynccontextmanager
async def connected(settings: Settings, patiently: Patience) -> AsyncIterator[Parts]:
    """A worker with everything at hand; its parts do not run yet."""
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(Cluster(bounds=cluster_bounds(settings)))
        redis = connect(settings.redis_url)
        stack.push_async_callback(redis.aclose)
        queue = Queue(
            redis,
            bounds=QueueBounds(
                lease_seconds=settings.lease_seconds,
                attempts_max=settings.attempts_max,
                queue_jobs_max=settings.queue_jobs_max,
            ),
        )
        # What is missing on this machine ends the start before anybody is waited for.
        mirrors = await stack.enter_async_context(
            MirrorPool(settings.data_dir, schemes=settings.schemes, bounds=git_bounds(settings))
        )
        mirrors.trust(await patiently(lambda: ssh_known_hosts(cluster, settings.namespace)))
        resource = await patiently(lambda: cluster.resource("argoproj.io", "Application"))
        secret = await patiently(lambda: cluster.resource("", "Secret"))
        sealer = Sealer(await patiently(lambda: ensure_keys_secret(cluster, settings.namespace)))
        project = await patiently(lambda: cluster.resource("argoproj.io", "AppProject"))
        await patiently(queue.check_server)
        store = ApplicationStore()
        read_sets = ReadSetStore(settings.data_dir, redis, sealer, bounds=read_set_bounds(settings))
        readers = Readers(read_sets.get)
        applications = Informer(
            cluster, resource, namespace=settings.namespace, on_change=store.observe, transform=without_deeds
        )
        applications.on_change(heard_of(store, readers))
        pool, clusters, arrivals = other_clusters(settings, cluster, secret, queue, store)
        await stack.enter_async_context(pool)
        credentials = Informer(cluster, secret, namespace=settings.namespace, label_selector=REPOSITORY_SECRETS)
        projects = Projects(cluster, project, namespace=settings.namespace)
        openings = Openings(queue, store, is_loaded=lambda: credentials.is_synced)
        credentials.on_change(openings.observe)
        engine = Engine(
            settings,
            pool,
            mirrors,
            RenderCache(render_cache_bytes_max=settings.render_cache_bytes_max),
            Verdicts(),
            Credentials(credentials),
            projects,
        )
        incidents = await patiently(lambda: incident_store(cluster, settings))
        seen = Seen(objects_max=settings.objects_remembered_max)
        rests = Rests(
            seconds_min=settings.repository_rest_seconds_min, seconds_max=settings.repository_rest_seconds_max
        )
        worker = Worker(settings, engine, queue, sealer, store, readers, read_sets, resource, seen, rests, incidents)
        informers = [applications, clusters, credentials, projects.informer]
        informers += [incidents.informer] if incidents else []
        notifier = None
        if incidents is not None and settings.slack_token is not None and settings.slack_channel:
            channel = await stack.enter_async_context(slack_channel(settings, settings.slack_token))
            notifier = slack_notifier(settings, incidents, channel)
        yield Parts(worker, tuple(informers), (openings.run, arrivals.run, pool.run), notifier)


class Process:
    """One worker process from its start to its stop, and what its probes say of it."""

    def __init__(self, settings: Settings, *, drain: bool, number: int) -> None:
        self._settings = settings
        self._drain = drain
        self._name = f"worker-{number}" if number else "worker"
        self._stop = asyncio.Event()
        self._consumer: Consumer | None = None
        self._parts: Parts | None = None
        self._patience = Patience()

    async def run(self) -> int:
        """Work until SIGINT or SIGTERM or, draining, until nothing is due soon; the exit code."""
        working = asyncio.create_task(self._serve())
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._end, working)
        try:
            await working
        except asyncio.CancelledError:
            if not self._stop.is_set():
                raise
        log.info("stopped")
        return EXIT_JOBS_LEFT if self._consumer is not None and self._consumer.jobs_left else 0

    def _end(self, working: asyncio.Task[None]) -> None:
        self._stop.set()
        if self._consumer is None:
            # Still waiting for somebody: there is nothing to finish.
            working.cancel()

    async def _serve(self) -> None:
        settings, variable = self._settings, "TRUEUP_WORKER_OPS_LISTEN"
        async with (
            serving_ops(
                settings.worker_ops_listen, variable=variable, healthy=self._healthy, ready=self._ready
            ) as bound,
            connected(settings, self._patience) as parts,
            # An informer that dies of an error takes the process along: a stale store must not go on unseen.
            asyncio.TaskGroup() as group,
        ):
            following = [group.create_task(informer.run()) for informer in parts.informers]
            following += [group.create_task(follow()) for follow in parts.followers]
            for informer in parts.informers:
                await informer.synced()
            self._parts = parts
            self._consumer = Consumer(parts.worker.queue, handler(parts.worker), settings)
            write_addresses(settings.data_dir, self._name, {"ops_listen": bound})
            log.info("ready", ops=bound, namespace=settings.namespace)
            if parts.notifier is not None:
                following.append(group.create_task(parts.notifier.run()))
            await self._consumer.run(self._stop, drain=self._drain)
            if self._drain and parts.notifier is not None:
                await parts.notifier.idle(seconds_max=settings.slack_drain_seconds_max)
            for task in following:
                task.cancel()

    async def _healthy(self) -> list[str]:
        if self._consumer is not None and time.monotonic() - self._consumer.last_turn > TURN_SECONDS_MAX:
            return [f"The claim loop has not come round for {TURN_SECONDS_MAX:.0f} s."]
        now = time.monotonic()
        contacts = [informer.last_contact for informer in self._parts.informers] if self._parts else []
        if any(contact is not None and now - contact > CONTACT_SECONDS_MAX for contact in contacts):
            return [f"A watch has not heard of the API server for {CONTACT_SECONDS_MAX:.0f} s."]
        return []

    async def _ready(self) -> list[str]:
        if self._parts is None:
            return [self._patience.reason or "The Applications are not loaded yet."]
        try:
            depth = await self._parts.worker.queue.depth()
        except TrueupError as error:
            return [str(error)]
        for state, jobs in asdict(depth).items():
            QUEUE_DEPTH.labels(state).set(jobs)
        return []


def main() -> None:
    """`python -m workers`: read the settings, run, and end with one sentence where that cannot be."""
    parser = argparse.ArgumentParser(prog="trueup worker", description="Turn jobs into a true cluster.")
    parser.add_argument("--drain", action="store_true", help="end when the queue is empty")
    parser.add_argument("--number", type=int, default=0, help="which of several on one data directory; 0 is the first")
    arguments = parser.parse_args()
    try:
        settings = read_settings()
        configure_logging(level=settings.log_level)
        code = asyncio.run(Process(settings, drain=arguments.drain, number=arguments.number).run())
    except TrueupError as error:
        sys.exit(f"trueup: {error}")
    sys.exit(code)


if __name__ == "__main__":
    main()
