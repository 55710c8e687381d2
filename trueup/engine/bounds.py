"""The settings as the clients take them."""

from __future__ import annotations

from trueup.clients.cluster_bounds import ClusterBounds, InformerBounds
from trueup.clients.git import GitBounds
from trueup.clients.read_sets import ReadSetBounds
from trueup.clients.transport import TransportBounds
from trueup.settings import Settings


def cluster_bounds(settings: Settings) -> ClusterBounds:
    """Towards an API server."""
    return ClusterBounds(
        TransportBounds(
            request_seconds_max=settings.api_request_seconds_max,
            requests_in_flight_max=settings.api_requests_in_flight_max,
        ),
        InformerBounds(
            watch_seconds=settings.watch_seconds,
            silence_seconds_max=settings.watch_silence_seconds_max,
            retry_seconds_max=settings.watch_retry_seconds_max,
        ),
    )


def git_bounds(settings: Settings) -> GitBounds:
    """Towards a Git remote, and for reading a mirror."""
    return GitBounds(
        fetch_seconds_max=settings.fetch_seconds_max,
        list_seconds_max=settings.list_seconds_max,
        local_seconds_max=settings.git_command_seconds_max,
        blob_bytes_max=settings.blob_bytes_max,
    )


def read_set_bounds(settings: Settings) -> ReadSetBounds:
    """For what renders have read, on this machine's disk and in Redis."""
    return ReadSetBounds(
        read_set_bytes_max=settings.read_set_bytes_max,
        read_sets_kept_max=settings.read_sets_kept_max,
        read_set_seconds_max=settings.read_set_seconds_max,
    )
