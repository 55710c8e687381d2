"""The settings as the clients take them."""

from __future__ import annotations

from trueup.clients.cluster_bounds import ClusterBounds, InformerBounds
from trueup.clients.cluster_pool import PoolBounds
from trueup.clients.election import ElectionBounds
from trueup.clients.git import GitBounds
from trueup.clients.read_sets import ReadSetBounds
from trueup.clients.transport import TransportBounds
from trueup.domain.errors import StalledError
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


def read_set_bounds(settings: Settings) -> ReadSetBounds:
    """For what renders have read, on this machine's disk and in Redis."""
    return ReadSetBounds(
        read_set_bytes_max=settings.read_set_bytes_max,
        read_sets_kept_max=settings.read_sets_kept_max,
        read_set_seconds_max=settings.read_set_seconds_max,
    )
