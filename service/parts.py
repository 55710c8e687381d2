"""The service put together: its parts, shown to each other; nothing runs yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from trueup.clients.applications import ApplicationStore, without_deeds
from trueup.clients.argocd_cm import ArgocdCm, OnSettings
from trueup.clients.audit_stream import AuditStream
from trueup.clients.cluster import Cluster
from trueup.clients.cluster_book import ClusterBook
from trueup.clients.election import HOME_WATCH_LEASE, Election
from trueup.clients.epoch import KEYS_SECRET, bump_epoch, read_epoch
from trueup.clients.ops_server import add_metrics, add_probes
from trueup.clients.queue import Queue
from trueup.clients.sns import SnsBounds, SnsReader
from trueup.clients.view_shelf import ViewShelf
from trueup.domain.application import HOME_SERVER
from trueup.domain.cluster_secret import CLUSTER_SECRETS
from trueup.domain.credentials import REPOSITORY_SECRETS
from trueup.domain.ignore_changes import concerned
from trueup.domain.ignore_settings import CONFIG_MAP, ResourceSettings
from trueup.domain.webhook_secret import WEBHOOK_PATH
from trueup.engine.bounds import cluster_bounds, election_bounds
from trueup.settings import Settings

from .answers import answer_errors
from .api import Api
from .audit import AUDIT_PATH, AuditBounds, AuditReceiver
from .audit_secrets import AUDIT_SECRET
from .body import BodyBounds, BodyReader
from .connections import note_request
from .dispatch import DispatchBounds, Dispatcher, Owed
from .hosts import Hosts, only_known
from .incident_api import IncidentApi
from .incidents import Incidents
from .probes import Progress
from .receiver import Receiver
from .snapshots import Followed, OnChange, Snapshots
from .sweep import EpochLease, Sweep, SweepBounds
from .triggers import Raw, jobs_of_change, jobs_of_everything, look_at_everything
from .unheeded import Unheeded
from .watcher import Watcher, WatcherBounds
from .watchers import Watchers
from .web.site import looks_of, site_of
from .webhook_secrets import SECRET_NAME, WebhookSecrets, only_webhook_data


@dataclass(frozen=True, slots=True)
class Parts:
    """What lives as long as the process."""

    dispatcher: Dispatcher
    snapshots: Snapshots
    incidents: Incidents
    watcher: Watcher
    watchers: Watchers
    election: Election
    sweep: Sweep
    progress: Progress
    public: web.Application
    ops: web.Application


def assemble(
    settings: Settings,
    cluster: Cluster,
    queue: Queue,
    events: AuditStream,
    views: ViewShelf,
    sns: SnsReader | None = None,
) -> Parts:
    """Make the parts and show them to each other; nothing runs yet."""
    applications = ApplicationStore()
    secrets = WebhookSecrets(webhook_secrets_tried_max=settings.webhook_secrets_tried_max)
    dispatcher = Dispatcher(
        queue,
        lambda owed: jobs_of_everything(applications.repositories(), applications.all(), live=owed is Owed.EVERYTHING),
        bounds=DispatchBounds(dirty_keys_max=settings.dirty_keys_max),
    )
    book = ClusterBook()
    resource_settings = ArgocdCm()
    watcher_of = _watcher_of(settings, applications, dispatcher, resource_settings)
    election_of = partial(Election, cluster, settings.namespace, bounds=election_bounds(settings))
    watchers = Watchers(applications, book, watcher_of, election_of, bounds=cluster_bounds(settings))

    def is_loaded() -> bool:
        return snapshots.is_loaded

    audit = _audit_of(settings, events, applications, book, is_loaded)

    def observe_cluster(old: Raw | None, new: Raw | None) -> None:
        book.observe(old, new)
        watchers.secrets_changed()

    def application_changed(old: Raw | None, new: Raw | None) -> None:
        dispatcher.mark(jobs_of_change(old, new))
        site.application_changed(old, new)

    followed = _followed(
        applications, secrets, audit, resource_settings, on_application=application_changed, on_cluster=observe_cluster
    )
    snapshots = Snapshots(cluster, namespace=settings.namespace, followed=followed)
    resource_settings.on_change(_looking_again(applications, dispatcher, snapshots))
    incidents = Incidents(cluster, namespace=settings.namespace, retry_seconds_max=settings.watch_retry_seconds_max)
    sweep = _sweep_of(settings, cluster, queue, dispatcher, applications)
    dispatcher.on_failure = sweep.check_soon
    progress = Progress(snapshots, dispatcher, sweep)
    receiver = _receiver_of(settings, dispatcher, applications, secrets, sns, is_loaded)
    public = _public_of(receiver, audit)
    Api(applications, incidents, queue, namespace=settings.namespace, is_loaded=is_loaded).mount(public)
    IncidentApi(incidents).mount(public)
    looks = looks_of(settings, dispatcher, views, lambda: audit.key.sealer)
    site = site_of(settings, applications, incidents, looks, public, is_loaded=is_loaded)
    public.middlewares.append(only_known(Hosts(settings.public_url, settings.page_hosts)))
    return Parts(
        dispatcher,
        snapshots,
        incidents,
        watcher_of(cluster, HOME_SERVER),
        watchers,
        election_of(HOME_WATCH_LEASE),
        sweep,
        progress,
        public,
        _ops_of(public, progress),
    )


def _followed(
    applications: ApplicationStore,
    secrets: WebhookSecrets,
    audit: AuditReceiver,
    resource_settings: ArgocdCm,
    *,
    on_application: OnChange,
    on_cluster: OnChange,
) -> tuple[Followed, ...]:
    """What is followed in Trueup's namespace; `on_application` is told of changes after the first list alone."""
    return (
        Followed(
            "Application",
            "Application",
            applications.observe,
            on_application,
            group="argoproj.io",
            transform=without_deeds,
        ),
        Followed("Secret", "Secret", secrets.observe, fields=_named(SECRET_NAME)),
        Followed(
            "repository Secret",
            "Secret",
            secrets.observe_hook,
            labels=REPOSITORY_SECRETS,
            transform=only_webhook_data,
        ),
        Followed("cluster Secret", "Secret", on_cluster, labels=CLUSTER_SECRETS),
        Followed("audit Secret", "Secret", audit.tokens.observe, fields=_named(AUDIT_SECRET)),
        Followed("keys Secret", "Secret", audit.key.observe, fields=_named(KEYS_SECRET)),
        Followed("argocd-cm", "ConfigMap", resource_settings.observe, fields=_named(CONFIG_MAP)),
    )


def _named(name: str) -> str:
    """A field selector."""
    return f"metadata.name={name}"


def _looking_again(applications: ApplicationStore, dispatcher: Dispatcher, snapshots: Snapshots) -> OnSettings:
    """What marks the Applications that a change of the resource settings concerns.

    A worker that knows of it does the same: this is for those that are not there yet.
    """

    def observe(before: ResourceSettings, after: ResourceSettings) -> None:
        if snapshots.is_loaded:
            found = concerned(before, after, applications.all())
            dispatcher.mark(look_at_everything(application.id for application in found))

    return observe


def _public_of(receiver: Receiver, audit: AuditReceiver) -> web.Application:
    """The side that strangers reach, with what takes their events."""
    public = web.Application(middlewares=[note_request, answer_errors])
    public.router.add_post(WEBHOOK_PATH, receiver.receive)
    public.router.add_post(WEBHOOK_PATH + "/{provider}/{hook}", receiver.receive_for_hook)
    public.router.add_post(AUDIT_PATH, audit.receive)
    public.router.add_post(AUDIT_PATH + "/{cluster}", audit.receive)
    return public


def _ops_of(public: web.Application, progress: Progress) -> web.Application:
    """The operations side; both sides have the probes."""
    ops = web.Application(middlewares=[note_request, answer_errors])
    for application in (public, ops):
        add_probes(application, healthy=progress.standstills, ready=progress.obstacles)
    add_metrics(ops)
    return ops


def _receiver_of(
    settings: Settings,
    dispatcher: Dispatcher,
    applications: ApplicationStore,
    secrets: WebhookSecrets,
    sns: SnsReader | None,
    is_loaded: Callable[[], bool],
) -> Receiver:
    bodies = BodyReader(
        BodyBounds(
            webhook_body_bytes_max=settings.webhook_body_bytes_max,
            webhook_body_seconds_max=settings.webhook_body_seconds_max,
            webhook_bytes_in_flight_max=settings.webhook_bytes_in_flight_max,
        )
    )
    sns = sns or SnsReader(
        SnsBounds(request_seconds_max=settings.sns_request_seconds_max, answer_bytes_max=settings.sns_answer_bytes_max)
    )
    return Receiver(dispatcher, applications, secrets, bodies, sns, is_loaded=is_loaded)


def _audit_of(
    settings: Settings,
    events: AuditStream,
    applications: ApplicationStore,
    book: ClusterBook,
    is_loaded: Callable[[], bool],
) -> AuditReceiver:
    """The audit endpoint, with bounds of its own: a flood of events must not keep a webhook waiting."""
    bodies = BodyReader(
        BodyBounds(
            webhook_body_bytes_max=settings.audit_body_bytes_max,
            webhook_body_seconds_max=settings.audit_body_seconds_max,
            webhook_bytes_in_flight_max=settings.audit_bytes_in_flight_max,
        )
    )
    bounds = AuditBounds(
        events_per_batch_max=settings.audit_events_per_batch_max,
        event_age_seconds_max=settings.audit_event_age_seconds_max,
        events_remembered_max=settings.audit_events_remembered_max,
    )
    return AuditReceiver(events, applications, book, bodies, bounds=bounds, is_loaded=is_loaded)


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
    settings: Settings, applications: ApplicationStore, dispatcher: Dispatcher, resource_settings: ArgocdCm
) -> Callable[[Cluster, str], Watcher]:
    """What makes the watcher of a cluster and its server's URL."""
    unheeded = Unheeded(resource_settings)
    resource_settings.on_change(unheeded.changed)
    bounds = WatcherBounds(
        retry_seconds_max=settings.watch_retry_seconds_max,
        recent_seconds=settings.watch_recent_seconds,
        first_lists_seconds_max=settings.watch_first_lists_seconds_max,
    )

    def make(cluster: Cluster, server: str) -> Watcher:
        return Watcher(
            cluster,
            applications,
            dispatcher.mark,
            server=server,
            namespace=settings.namespace,
            unheeded=unheeded,
            bounds=bounds,
        )

    return make
