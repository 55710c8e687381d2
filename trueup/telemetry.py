"""What Trueup says of itself: structured logs and counters.

Counters are bumped by the client that does the work, so that "one fetch, one render, no LIST" can
be read off `/metrics` and checked by a test.
"""

from __future__ import annotations

import logging
import sys

import structlog
from prometheus_client import Counter, Gauge, Histogram

GIT_FETCHES = Counter("trueup_git_fetches_total", "Fetches from a remote.", ["outcome"])
GIT_FETCH_SECONDS = Histogram("trueup_git_fetch_seconds", "How long the child process of a `git fetch` ran.")
GIT_COMMANDS = Counter("trueup_git_commands_total", "Git child processes started.", ["command"])
RENDERS = Counter("trueup_renders_total", "Sources turned into manifests; a cache hit is not one.", ["outcome"])
API_REQUESTS = Counter("trueup_kubernetes_requests_total", "Requests to an API server.", ["verb", "resource", "code"])
API_REQUESTS_MAX = Gauge(
    "trueup_kubernetes_requests_in_flight_max",
    "Requests that an API server is given at a time now, as its answers tell.",
    ["server"],
)
REDIS_CALLS = Counter("trueup_redis_calls_total", "Round trips to Redis.", ["call"])
WEBHOOKS = Counter("trueup_webhooks_total", "Webhook deliveries by how they were answered.", ["provider", "code"])
JOBS_ENQUEUED = Counter("trueup_jobs_enqueued_total", "Jobs handed to the queue.", ["kind", "priority"])
JOBS_RUN = Counter("trueup_jobs_run_total", "Runs of jobs by how they ended.", ["kind", "outcome"])
JOB_SECONDS = Histogram("trueup_job_seconds", "From claim to settle.", ["kind"])
EVENT_TO_SETTLED_SECONDS = Histogram(
    "trueup_event_to_settled_seconds", "From the oldest event of a job to its settling, by Redis' clock.", ["kind"]
)
SYNCS = Counter("trueup_syncs_total", "Syncs by their final phase.", ["phase"])
INCIDENTS_OPENED = Counter(
    "trueup_incidents_opened_total",
    "Incidents that this worker opened, new or again, by what made the difference.",
    ["cause", "opening"],
)
INCIDENTS_CLOSED = Counter(
    "trueup_incidents_closed_total", "Incidents that this worker closed, by how they ended.", ["cause", "ending"]
)
INCIDENT_REPAIR_SECONDS = Histogram(
    "trueup_incident_repair_seconds",
    "From opening, or opening again, to the end.",
    ["cause", "ending"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 14_400, 86_400, 604_800),
)
INCIDENTS_OPEN = Gauge(
    "trueup_incidents_open",
    "Incidents on record that are not over. Every replica of the service says the same: take the maximum.",
    ["cause"],
)
SLACK_MESSAGES = Counter("trueup_slack_messages_total", "Messages for the channel.", ["kind", "outcome"])
AUDIT_DELIVERIES = Counter(
    "trueup_audit_deliveries_total", "Batches of audit events by how they were answered.", ["code"]
)
AUDIT_EVENTS = Counter("trueup_audit_events_total", "Audit events by what became of them.", ["outcome"])
AUDIT_NAMED = Counter(
    "trueup_audit_named_total", "Incidents in which somebody was named once the audit event of an edit had come."
)
SWEEP_CATCHES = Counter("trueup_sweep_catches_total", "Moved refs that no webhook had announced.")
SWEEPS = Counter("trueup_sweeps_total", "Sweeps of the repositories whose turn it was.", ["cause"])
REPOSITORIES_MISSED = Gauge(
    "trueup_repositories_without_webhook", "Repositories whose refs moved within a day in which no webhook came."
)
LEASES_HELD = Gauge("trueup_lease_held", "1 in the one replica that does the work of this Lease.", ["lease"])
WATCHES = Gauge(
    "trueup_watches",
    "Kinds that are watched for drift, by how it stands with them; home is the cluster without a name.",
    ["state", "cluster"],
)
WATCH_EVENTS = Counter("trueup_watch_events_total", "Changes of watched objects, by what became of them.", ["outcome"])
DIRTY_JOBS = Gauge("trueup_dirty_jobs", "Jobs that the service keeps in memory until Redis takes them.")
QUEUE_DEPTH = Gauge("trueup_queue_jobs", "Jobs in Redis, as of the last readiness probe of this worker.", ["state"])


def configure_logging(*, level: str = "info", json: bool | None = None) -> None:
    """Send structured logs to stderr: JSON lines, or text for people where stderr is a terminal."""
    as_json = not sys.stderr.isatty() if json is None else json
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def place_of(error: BaseException) -> str:
    """Where it was raised. Its text is left out, since that may quote what came from outside."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
