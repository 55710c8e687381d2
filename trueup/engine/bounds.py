"""The settings as the clients take them."""

from __future__ import annotations

from trueup.clients.charts import ChartBounds
from trueup.clients.cluster_bounds import ClusterBounds, InformerBounds
from trueup.clients.cluster_pool import PoolBounds
from trueup.clients.election import ElectionBounds
from trueup.clients.git import GitBounds
from trueup.clients.jail_errors import JailBounds
from trueup.clients.jq import JqBounds
from trueup.clients.read_sets import ReadSetBounds
from trueup.clients.transport import TransportBounds
from trueup.clients.view_shelf import ViewBounds
from trueup.domain.errors import StalledError
from trueup.engine.render.directory import RenderBounds
from trueup.settings import Settings


def cluster_bounds(settings: Settings) -> ClusterBounds:
    """Towards an API server."""
    return ClusterBounds(
        TransportBounds(
            request_seconds_max=settings.api_request_seconds_max,
            requests_in_flight_min=settings.api_requests_in_flight_min,
            requests_in_flight_max=settings.api_requests_in_flight_max,
            pause_seconds_max=settings.api_pause_seconds_max,
        ),
        InformerBounds(
            watch_seconds=settings.watch_seconds,
            silence_seconds_max=settings.watch_silence_seconds_max,
            list_silence_seconds_max=settings.watch_list_silence_seconds_max,
            retry_seconds_max=settings.watch_retry_seconds_max,
        ),
    )


def jq_bounds(settings: Settings) -> JqBounds:
    """Of the process that runs users' jq expressions."""
    return JqBounds(
        seconds_max=settings.jq_seconds_max,
        memory_bytes_max=settings.jq_memory_bytes_max,
        output_bytes_max=settings.jq_output_bytes_max,
        wall_seconds_max=settings.jq_wall_seconds_max,
        rest_seconds=settings.jq_rest_seconds,
        answers_max=settings.jq_answers_max,
        answers_bytes_max=settings.jq_answers_bytes_max,
    )


def pool_bounds(settings: Settings) -> PoolBounds:
    """Towards other clusters than home: together they never get every slot of a worker that has more than one."""
    together = max(1, settings.jobs_running_max - 1)
    return PoolBounds(
        runs_max=min(settings.cluster_runs_max, together),
        all_runs_max=together,
        wait_seconds_max=settings.cluster_wait_seconds_max,
        probe_seconds_max=settings.cluster_probe_seconds_max,
        pause_seconds_min=settings.cluster_pause_seconds_min,
        pause_seconds_max=settings.cluster_pause_seconds_max,
        open_max=settings.clusters_open_max,
    )


def election_bounds(settings: Settings) -> ElectionBounds:
    """In the contest for a Lease; StalledError where a holder would not stop before the next one begins."""
    if not settings.watch_lease_renew_seconds < settings.watch_lease_deadline_seconds < settings.watch_lease_seconds:
        raise StalledError(
            "The settings do not hold: TRUEUP_WATCH_LEASE_RENEW_SECONDS must be below "
            "TRUEUP_WATCH_LEASE_DEADLINE_SECONDS, and that below TRUEUP_WATCH_LEASE_SECONDS"
        )
    return ElectionBounds(
        lease_seconds=settings.watch_lease_seconds,
        deadline_seconds=settings.watch_lease_deadline_seconds,
        renew_seconds=settings.watch_lease_renew_seconds,
    )


def git_bounds(settings: Settings) -> GitBounds:
    """Towards a Git remote, and for reading a mirror."""
    return GitBounds(
        fetch_seconds_max=settings.fetch_seconds_max,
        list_seconds_max=settings.list_seconds_max,
        local_seconds_max=settings.git_command_seconds_max,
        blob_bytes_max=settings.blob_bytes_max,
        niceness=settings.git_niceness,
        fetches_starting_max=settings.fetches_starting_max,
        fetch_start_seconds_max=settings.fetch_start_seconds_max,
    )


def render_bounds(settings: Settings) -> RenderBounds:
    """For what sources hold and come to."""
    return RenderBounds(settings.render_files_max, settings.render_bytes_max, settings.objects_max)


def chart_bounds(settings: Settings) -> ChartBounds:
    """Towards repositories of charts, and for the charts on this machine's disk."""
    return ChartBounds(
        request_seconds_max=settings.chart_request_seconds_max,
        index_bytes_max=settings.chart_index_bytes_max,
        index_seconds_max=settings.chart_index_seconds_max,
        indexes_bytes_max=settings.chart_indexes_bytes_max,
        chart_bytes_max=settings.chart_bytes_max,
        unpacked_bytes_max=settings.chart_unpacked_bytes_max,
        files_max=settings.chart_files_max,
        charts_bytes_max=settings.charts_bytes_max,
        # A render that began with a chart, and one that waited for a slot first, are over by then.
        in_use_seconds=max(600.0, 4 * settings.render_seconds_max),
        requests_in_flight_max=settings.chart_requests_in_flight_max,
    )


def read_set_bounds(settings: Settings) -> ReadSetBounds:
    """For what renders have read, on this machine's disk and in Redis."""
    return ReadSetBounds(
        read_set_bytes_max=settings.read_set_bytes_max,
        read_sets_kept_max=settings.read_sets_kept_max,
        read_set_seconds_max=settings.read_set_seconds_max,
    )


def jail_bounds(settings: Settings) -> JailBounds:
    """For one run of a renderer."""
    return JailBounds(
        seconds_max=settings.render_seconds_max,
        cpu_seconds_max=settings.render_cpu_seconds_max,
        memory_bytes_max=settings.render_memory_bytes_max,
        output_bytes_max=settings.render_output_bytes_max,
        file_bytes_max=settings.render_file_bytes_max,
        disk_bytes_max=settings.render_disk_bytes_max,
        files_open_max=settings.render_files_open_max,
        processes_max=settings.render_processes_max,
    )


def view_bounds(settings: Settings) -> ViewBounds:
    """Of what view jobs answer."""
    return ViewBounds(answer_bytes_max=settings.view_answer_bytes_max, kept_seconds=settings.view_kept_seconds)
