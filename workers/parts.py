"""A worker put together: what it follows, what it needs at hand, and what runs beside its jobs."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from pydantic import SecretStr

from trueup.clients.api_errors import ForbiddenError, UnknownKindError
from trueup.clients.applications import ApplicationStore, without_deeds
from trueup.clients.argocd_cm import ArgocdCm, argocd_cm
from trueup.clients.audit_stream import AuditStream
from trueup.clients.cluster import Cluster
from trueup.clients.cluster_book import ClusterBook, cluster_secrets
from trueup.clients.cluster_pool import ClusterPool
from trueup.clients.discovery import ApiResource
from trueup.clients.epoch import ensure_keys_secret
from trueup.clients.incident_records import GROUP as INCIDENT_GROUP
from trueup.clients.incident_records import KIND as INCIDENT_KIND
from trueup.clients.incidents import IncidentStore
from trueup.clients.informer import Informer
from trueup.clients.jq import Jq
from trueup.clients.queue import Queue
from trueup.clients.queue_scripts import QueueBounds
from trueup.clients.read_sets import ReadSetStore
from trueup.clients.redis import connect
from trueup.clients.seal import Sealer
from trueup.clients.slack import SlackChannel
from trueup.clients.view_shelf import ViewShelf
from trueup.domain.audit_log import AuditLogBounds
from trueup.domain.credentials import REPOSITORY_SECRETS
from trueup.domain.lenient import as_mapping, as_text
from trueup.engine.bounds import cluster_bounds, git_bounds, jq_bounds, pool_bounds, read_set_bounds, view_bounds
from trueup.engine.chart_shelf import ChartShelf
from trueup.engine.checkout import MirrorPool
from trueup.engine.engine import Engine
from trueup.engine.ignoring import Ignoring
from trueup.engine.readers import Readers
from trueup.engine.render.application import Renderer
from trueup.engine.render.equip import equipped
from trueup.engine.verdicts import Verdicts
from trueup.settings import Settings

from .affected import heard_of
from .attribution import Attributions
from .audit_feed import listen
from .context import Worker
from .credentials import Credentials, Openings
from .destinations import Arrivals
from .notify import Notifier, NotifyBounds
from .patience import Patience
from .projects import Projects
from .rests import Rests
from .rulings import Rulings
from .seen import Seen

log = structlog.get_logger()

KNOWN_HOSTS_CONFIG_MAP = "argocd-ssh-known-hosts-cm"


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


def attributions_of(settings: Settings, incidents: IncidentStore | None) -> Attributions:
    """What this process is to know of who writes."""
    bounds = AuditLogBounds(
        settings.audit_events_remembered_max,
        settings.audit_events_per_object_max,
        settings.audit_event_age_seconds_max,
    )
    return Attributions(incidents, bounds=bounds, awaited_max=settings.audit_objects_awaited_max)


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


def resource_rules(
    settings: Settings, home: Cluster, config_map: ApiResource, queue: Queue, applications: ApplicationStore
) -> tuple[ArgocdCm, Rulings, Informer]:
    """What `argocd-cm` says of resources, who enqueues what a change of it concerns, and what follows it."""
    resource_settings = ArgocdCm()
    informer = argocd_cm(home, config_map, namespace=settings.namespace)
    rulings = Rulings(queue, applications, is_loaded=lambda: informer.is_synced)
    resource_settings.on_change(rulings.observe)
    informer.on_change(resource_settings.observe)
    return resource_settings, rulings, informer


def queue_bounds(settings: Settings) -> QueueBounds:
    return QueueBounds(
        lease_seconds=settings.lease_seconds,
        attempts_max=settings.attempts_max,
        queue_jobs_max=settings.queue_jobs_max,
    )


def rests_of(settings: Settings) -> Rests:
    """Which repositories are left alone for a while."""
    return Rests(seconds_min=settings.repository_rest_seconds_min, seconds_max=settings.repository_rest_seconds_max)


@asynccontextmanager
async def connected(settings: Settings, patiently: Patience) -> AsyncIterator[Parts]:
    """A worker with everything at hand; its parts do not run yet."""
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(Cluster(bounds=cluster_bounds(settings)))
        redis = connect(settings.redis_url)
        stack.push_async_callback(redis.aclose)
        queue = Queue(redis, bounds=queue_bounds(settings))
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
        config_map = await patiently(lambda: cluster.resource("", "ConfigMap"))
        resource_settings, rulings, resource_informer = resource_rules(settings, cluster, config_map, queue, store)
        toolkit = await stack.enter_async_context(equipped(settings, settings.data_dir))
        ignoring = Ignoring(resource_settings, await stack.enter_async_context(Jq(jq_bounds(settings))))
        charts = ChartShelf(toolkit.charts, settings.data_dir / "chart-versions")
        opens, verdicts, renderer = Credentials(credentials), Verdicts(ignoring), Renderer(toolkit)
        engine = Engine(settings, pool, mirrors, charts, renderer, verdicts, opens, projects, ignoring)
        incidents = await patiently(lambda: incident_store(cluster, settings))
        attributions = attributions_of(settings, incidents)
        worker = Worker(
            settings,
            engine,
            queue,
            sealer,
            store,
            readers,
            read_sets,
            resource,
            Seen(objects_max=settings.objects_remembered_max),
            rests_of(settings),
            attributions,
            ViewShelf(redis, bounds=view_bounds(settings)),
            incidents,
        )
        hear = partial(listen, AuditStream(redis), sealer, attributions)
        informers = [applications, clusters, credentials, projects.informer, resource_informer]
        informers += [incidents.informer] if incidents else []
        notifier = None
        if incidents is not None and settings.slack_token is not None and settings.slack_channel:
            channel = await stack.enter_async_context(slack_channel(settings, settings.slack_token))
            notifier = slack_notifier(settings, incidents, channel)
        beside = (openings.run, arrivals.run, rulings.run, pool.run, attributions.run, hear)
        yield Parts(worker, tuple(informers), beside, notifier)
