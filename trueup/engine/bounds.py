"""The settings as the clients take them."""

from __future__ import annotations

from redis.asyncio import Redis

from trueup.clients.cluster_bounds import ClusterBounds, InformerBounds
from trueup.clients.git import GitBounds
from trueup.clients.read_sets import ReadSetBounds, ReadSetStore
from trueup.clients.seal import Sealer
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
        local_seconds_max=settings.git_command_seconds_max,
        blob_bytes_max=settings.blob_bytes_max,
    )


def read_set_store(settings: Settings, redis: Redis, sealer: Sealer) -> ReadSetStore:
    """What renders have read, on this machine's disk and shared through Redis."""
    bounds = ReadSetBounds(
        read_set_bytes_max=settings.read_set_bytes_max,
        read_sets_kept_max=settings.read_sets_kept_max,
        read_set_seconds_max=settings.read_set_seconds_max,
    )
    return ReadSetStore(settings.data_dir / "read-sets", redis, sealer, bounds=bounds)
