"""Every setting and every bound of the two processes, read from the environment (`TRUEUP_…`).

Units stand last in a name. What a setting bounds is said beside it; a value out of range ends the
start with a sentence that names the variable.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic.functional_validators import BeforeValidator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from trueup.domain.errors import StalledError

Positive = Annotated[float, Field(gt=0)]
PositiveInt = Annotated[int, Field(gt=0)]
MEBIBYTE = 1024 * 1024
#: kubectl and OpenShift's oc, the terminal and desktop clients, dashboards, browsers, and what scripts are made of.
HAND_MANAGERS = (
    *("kubectl", "kubectl-*", "oc", "oc-*", "k9s", "lfk", "lfk:*", "podman-desktop"),
    *("Lens", "OpenLens", "Freelens", "node-fetch", "Headlamp*", "dashboard", "dashboard-api", "kubernetes-dashboard"),
    *("Mozilla", "curl", "Wget", "HTTPie", "PostmanRuntime", "insomnia", "python-requests"),
)
#: How `worker --drain` ends where it leaves jobs behind.
EXIT_JOBS_LEFT = 3


def _words(value: object) -> object:
    return tuple(word for word in value.replace(",", " ").split()) if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _processors() -> int:
    return os.cpu_count() or 2


def _half_of_the_processors() -> int:
    return max(1, _processors() // 2)


class Settings(BaseSettings):
    """Immutable once read; passed in, never looked up."""

    model_config = SettingsConfigDict(env_prefix="TRUEUP_", frozen=True, extra="ignore")

    # Where the others are.
    redis_url: str = "redis://127.0.0.1:6379/0"
    listen: str = "127.0.0.1:8080"
    ops_listen: str = "127.0.0.1:8081"
    worker_ops_listen: str = "127.0.0.1:8082"
    namespace: str = "argocd"
    data_dir: Path = Path("/var/lib/trueup")
    #: Schemes that a repository may have beyond https and ssh.
    git_schemes: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)] = ()
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = "info"

    # Receiver.
    #: GitHub sends nothing over 25 MB.
    webhook_body_bytes_max: PositiveInt = 25 * MEBIBYTE
    webhook_body_seconds_max: Positive = 10.0
    webhook_bytes_in_flight_max: PositiveInt = 100 * MEBIBYTE
    webhook_secrets_tried_max: PositiveInt = 20
    #: For a certificate of Amazon SNS, or for the confirmation of a subscription; SNS gives up after 15 s.
    sns_request_seconds_max: Positive = 5.0
    sns_answer_bytes_max: PositiveInt = 64 * 1024
    connections_max: PositiveInt = 1_000
    dirty_keys_max: PositiveInt = 10_000

    # Audit events of API servers.
    #: One batch. What an API server sends is bounded by its --audit-webhook-batch-max-size and by truncation.
    audit_body_bytes_max: PositiveInt = 16 * MEBIBYTE
    audit_body_seconds_max: Positive = 10.0
    audit_bytes_in_flight_max: PositiveInt = 64 * MEBIBYTE
    audit_events_per_batch_max: PositiveInt = 10_000
    #: An older event changes nothing.
    audit_event_age_seconds_max: Positive = 3_600.0
    #: In Redis; each entry holds the events of one batch, or a part of them, and about 32 KiB at the most.
    audit_stream_entries_max: PositiveInt = 2_000
    #: Writes that a process remembers, in all and of one object.
    audit_events_remembered_max: PositiveInt = 20_000
    audit_events_per_object_max: PositiveInt = 64
    #: Objects whose drift has no name yet, which a worker process watches the audit events for.
    audit_objects_awaited_max: PositiveInt = 1_000

    # Sweep and epoch.
    #: How often a repository is swept; between the other two as its webhooks are missed, or known to come.
    sweep_interval_seconds: Positive = 300.0
    sweep_interval_seconds_min: Positive = 60.0
    sweep_interval_seconds_max: Positive = 1_800.0
    epoch_check_seconds: Positive = 2.0

    # Queue.
    queue_jobs_max: PositiveInt = 100_000
    lease_seconds: Positive = 30.0
    attempts_max: PositiveInt = 8
    retry_seconds_min: Positive = 1.0
    retry_seconds_max: Positive = 300.0

    # Workers.
    #: Worker processes of one `trueup worker`.
    workers: PositiveInt = 1
    #: Jobs that one worker process runs at a time.
    jobs_running_max: PositiveInt = 8
    shutdown_seconds_max: Positive = 20.0
    #: `worker --drain` waits for what is due within this time, and leaves to a later one what is due after it.
    drain_delay_seconds_max: Positive = 30.0
    #: After a look at a repository that found no ref moved, pushes and sweeps of it wait for so long at the least,
    #: and twice as long after each further one in a row.
    repository_rest_seconds_min: Positive = 0.5
    repository_rest_seconds_max: Positive = 5.0
    #: Objects whose last version a worker process remembers, so that it does not look at its own writes again.
    objects_remembered_max: PositiveInt = 20_000
    #: A field that somebody changes back more often than this within a minute is healed at the longest interval.
    drift_flips_per_minute_max: PositiveInt = 3
    #: Incidents kept for each application; the oldest closed ones go first.
    incidents_per_application_max: PositiveInt = 20
    #: A record that cannot be written is tried again so often within a run, after twice as long each time,
    #: and for so long in all; then the run is tried again.
    incident_retries_max: PositiveInt = 4
    incident_retry_seconds_min: Positive = 0.2
    incident_write_seconds_max: Positive = 15.0
    #: The objects of an Application that is being deleted are looked at again after as long as it has
    #: taken so far, within these; what takes longer than the patience is named in a condition.
    deletion_recheck_seconds_min: Positive = 0.3
    deletion_recheck_seconds_max: Positive = 30.0
    deletion_patience_seconds: Positive = 20.0

    # Slack: off without a token and a channel.
    slack_token: SecretStr | None = None
    slack_channel: str = ""
    slack_api_url: str = "https://slack.com/api/"
    #: Where people reach the service, for links; empty where they do not.
    public_url: str = ""
    slack_request_seconds_max: Positive = 10.0
    #: After a change of an incident the next one is waited for so long: what is healed at once is one message.
    slack_settle_seconds: Positive = 1.0
    #: An incident that goes on changing is told so long after its first change, settled or not.
    slack_settle_seconds_max: Positive = 10.0
    slack_claim_seconds: Positive = 60.0
    #: After the record of what was told could not be written, or read, it is tried again so much later.
    slack_record_retry_seconds: Positive = 2.0
    #: An incident that ended longer ago is no news, nor is one that began longer ago to a channel that never
    #: heard of it.
    slack_age_seconds_max: Positive = 86_400.0
    slack_retry_seconds_max: Positive = 300.0
    #: How long `worker --drain` waits for the channel to know everything.
    slack_drain_seconds_max: Positive = 20.0

    # The page.
    #: Names by which browsers reach the page and the reading API, beside that of `public_url`, addresses, names without
    #: a dot and those of the cluster's Services: `trueup.example.com`, `*.example.com`, or `*` for every name.
    page_hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)] = ()
    #: How long a page waits for a worker's look at an application; then it shows what is on record.
    view_seconds_max: Positive = 5.0
    #: How long a worker compares for one, how many objects it shows of it, and what all of that comes to.
    view_run_seconds_max: Positive = 30.0
    view_objects_max: PositiveInt = 50
    view_answer_bytes_max: PositiveInt = MEBIBYTE
    #: An answer stays in Redis for so long.
    view_kept_seconds: Positive = 60.0
    #: Who asks for the same within this time gets the same answer.
    view_shared_seconds: Positive = 2.0
    #: Applications that one process of the service has looked at, at a time.
    views_in_flight_max: PositiveInt = 16
    #: Browsers that are told of changes by one process of the service; well below `connections_max`.
    event_streams_max: PositiveInt = 200
    #: A silent stream says so often that it is alive.
    event_heartbeat_seconds: Positive = 15.0
    #: What was written to a browser and is not taken within this time ends its stream.
    event_write_seconds_max: Positive = 20.0

    # Comparison.
    #: The field managers by which people write, as shell patterns: what they add and Git does not have is drift.
    #: What gives no name of its own is called by its user agent up to the first slash.
    hand_managers: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)] = HAND_MANAGERS

    # Git.
    fetch_seconds_max: Positive = 300.0
    #: For asking a remote what its refs hold.
    list_seconds_max: Positive = 60.0
    git_command_seconds_max: Positive = 60.0
    git_output_bytes_max: PositiveInt = 256 * MEBIBYTE
    #: Fetches of one worker process that begin at a time, and for how long each keeps the next from it: one that lasts
    #: longer waits for its network. By itself one for every two processors.
    fetches_starting_max: PositiveInt = Field(default_factory=_half_of_the_processors)
    fetch_start_seconds_max: Positive = 0.1
    #: How far fetches give way to other processes, by nice(1): a flood of webhooks must be answered before it is
    #: looked into.
    git_niceness: Annotated[int, Field(ge=0, le=19)] = 10
    blob_bytes_max: PositiveInt = 10 * MEBIBYTE

    # Charts from where they are published.
    chart_request_seconds_max: Positive = 60.0
    #: Of one index, which lists every version of every chart of its repository.
    chart_index_bytes_max: PositiveInt = 50 * MEBIBYTE
    #: For reading one that is not laid out as Helm does it.
    chart_index_seconds_max: Positive = 20.0
    #: All indexes on the disk of a worker.
    chart_indexes_bytes_max: PositiveInt = 512 * MEBIBYTE
    #: One archive, and what it unpacks to.
    chart_bytes_max: PositiveInt = 20 * MEBIBYTE
    chart_unpacked_bytes_max: PositiveInt = 100 * MEBIBYTE
    chart_files_max: PositiveInt = 10_000
    #: All unpacked charts on the disk of a worker; those not used for longest go first.
    charts_bytes_max: PositiveInt = 2_048 * MEBIBYTE
    #: Requests for charts of one worker process at a time.
    chart_requests_in_flight_max: PositiveInt = 8

    # Render.
    #: The programs that do it: names that are found on PATH, or paths.
    helm: str = "helm"
    kustomize: str = "kustomize"
    jsonnet: str = "jsonnet"
    #: Repositories that kustomizations may have bases in, as globs of addresses such as `https://github.com/org/*`.
    kustomize_remote_bases: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)] = ()
    render_seconds_max: Positive = 90.0
    render_cache_bytes_max: PositiveInt = 128 * MEBIBYTE
    #: What tools made, on the disk of a worker; what was not used for longest goes first.
    render_store_bytes_max: PositiveInt = 1024 * MEBIBYTE
    #: Tools that one worker process runs at a time. By itself one for every processor.
    renders_running_max: PositiveInt = Field(default_factory=_processors)
    render_files_max: PositiveInt = 20_000
    render_bytes_max: PositiveInt = 100 * MEBIBYTE
    objects_max: PositiveInt = 10_000
    #: What one run of a renderer may use (Kustomize, Helm, Jsonnet): processor time of all its threads together,
    render_cpu_seconds_max: PositiveInt = 120
    #: memory that it holds at a time,
    render_memory_bytes_max: PositiveInt = 1024 * MEBIBYTE
    #: what it may print: the manifests of an application,
    render_output_bytes_max: PositiveInt = 100 * MEBIBYTE
    #: one file that it writes, and all of them,
    render_file_bytes_max: PositiveInt = 100 * MEBIBYTE
    render_disk_bytes_max: PositiveInt = 512 * MEBIBYTE
    #: files that it has open, and processes. With 1 it starts none besides itself, and none is needed.
    render_files_open_max: PositiveInt = 256
    render_processes_max: PositiveInt = 1

    # Read-sets: what a render has read, so that a push knows whom it concerns. One that is not kept,
    # or no longer, costs its application one comparison.
    read_set_bytes_max: PositiveInt = MEBIBYTE // 4
    #: On the disk of a worker; the oldest go first.
    read_sets_kept_max: PositiveInt = 100_000
    #: In Redis.
    read_set_seconds_max: Positive = 30 * 86_400.0

    # Differences that are ignored by a jq expression.
    #: Processor time of one expression on one object.
    jq_seconds_max: Positive = 1.0
    #: The same by the clock, for a machine that is busy with others.
    jq_wall_seconds_max: Positive = 20.0
    #: Of the process that runs them; it needs about 40 MiB before the first.
    jq_memory_bytes_max: PositiveInt = 256 * MEBIBYTE
    #: The places that one leads to in one object.
    jq_output_bytes_max: PositiveInt = 4 * MEBIBYTE
    #: An expression that took too much is not tried again for so long.
    jq_rest_seconds: Positive = 30.0
    #: Answers that are remembered, by expression and version of the object.
    jq_answers_max: PositiveInt = 10_000
    #: All that is remembered together, as JSON.
    jq_answers_bytes_max: PositiveInt = 16 * MEBIBYTE

    # Cluster.
    api_request_seconds_max: Positive = 30.0
    #: Requests to one API server at a time move between these: down where it is too busy, up where it is fast.
    api_requests_in_flight_min: PositiveInt = 4
    api_requests_in_flight_max: PositiveInt = 64
    #: A server that asks for a pause (429, `Retry-After`) gets it, but no longer than this.
    api_pause_seconds_max: Positive = 30.0
    #: The API server is asked to end a watch after so long; a connection that has been silent for longer
    #: than the silence leads nowhere.
    watch_seconds: PositiveInt = 50
    watch_silence_seconds_max: Positive = 60.0
    #: A list that is being streamed and says nothing for so long is given up, and asked for as a list.
    watch_list_silence_seconds_max: Positive = 10.0
    #: The longest pause after a watch or a list that was refused.
    watch_retry_seconds_max: Positive = 30.0
    #: An object that an inventory gains is looked at where it was seen to move within this time. Well above the
    #: longest run.
    watch_recent_seconds: Positive = 600.0
    #: How long kinds that are listed already wait for the others, so that an application is looked at once.
    watch_first_lists_seconds_max: Positive = 10.0
    #: Of the service's replicas one watches a cluster: the one that holds its Lease. It renews the Lease, stops where
    #: it could not for as long as the deadline, and is succeeded when it was not heard of for the whole time.
    watch_lease_seconds: PositiveInt = 10
    watch_lease_deadline_seconds: Positive = 6.0
    watch_lease_renew_seconds: Positive = 2.0
    #: Objects of one application read or written at a time.
    objects_in_flight_max: PositiveInt = 16

    # Other clusters than home: each behind a bulkhead, so that one that hangs slows no other.
    #: Jobs about one of them that a worker process runs at a time. All of them together leave one slot to home.
    cluster_runs_max: PositiveInt = 6
    #: How long a job waits for its turn before its slot goes to another one.
    cluster_wait_seconds_max: Positive = 1.0
    #: After it gave no answer nobody asks it for so long, twice as long after each in a row; then one request
    #: asks whether it is back.
    cluster_pause_seconds_min: Positive = 1.0
    cluster_pause_seconds_max: Positive = 60.0
    cluster_probe_seconds_max: Positive = 5.0
    #: Clusters that a process keeps connections to; of more than these the idle ones are closed.
    clusters_open_max: PositiveInt = 200

    @property
    def schemes(self) -> frozenset[str]:
        """Every scheme that a repository may have."""
        return frozenset({"https", "ssh", *self.git_schemes})


def read_settings() -> Settings:
    """The settings of this process; StalledError with one line per bad variable."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [f"TRUEUP_{str(e['loc'][0]).upper() if e['loc'] else '?'}: {e['msg']}" for e in error.errors()]
        raise StalledError("The settings do not hold: " + "; ".join(lines)) from error
