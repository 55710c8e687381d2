"""What a chart is called, where it is, and how much of it is taken."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ChartRef:
    """What a target revision stands for now."""

    #: As it was given.
    repo_url: str
    #: As it was given; the last part of the URL where that is the chart's own.
    name: str
    #: The exact version as the index writes it, or as the tag does with `+` where tags carry `_`. A digest
    #: (`sha256:…`) where that was asked for.
    version: str
    #: SHA-256 of the archive in hexadecimal, as the index or the registry has it; empty where it is not known before.
    digest: str
    #: Where the archive is; in a registry `oci://host/path@sha256:…`, the digest of the manifest.
    url: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart on this machine's disk, verified when it was handed out."""

    #: As its Chart.yaml says.
    name: str
    version: str
    #: SHA-256 of the archive in hexadecimal: equal digests are equal charts.
    digest: str
    #: Holds Chart.yaml. Shared and not to be written to; kept for at least `ChartBounds.in_use_seconds`.
    directory: Path


@dataclass(frozen=True, slots=True)
class ChartBounds:
    """How long a repository of charts may take, and how much it may say."""

    request_seconds_max: float = 60.0
    connect_seconds_max: float = 10.0
    #: Of one index, unpacked; and how long reading one may take that is not laid out as Helm does it.
    index_bytes_max: int = 50 * MEBIBYTE
    index_seconds_max: float = 20.0
    #: Of all indexes on the disk.
    indexes_bytes_max: int = 512 * MEBIBYTE
    #: Of one archive, and of what it unpacks to.
    chart_bytes_max: int = 20 * MEBIBYTE
    unpacked_bytes_max: int = 100 * MEBIBYTE
    files_max: int = 10_000
    #: Of all unpacked charts on the disk; those not used for longest go first.
    charts_bytes_max: int = 2_048 * MEBIBYTE
    #: One that was handed out within this time stays. Well above the longest render.
    in_use_seconds: float = 600.0
    #: How long to wait for another process that fetches the same chart.
    lock_seconds_max: float = 120.0
    #: Requests of one process at a time.
    requests_in_flight_max: int = 8
    #: A host that asks for a longer pause than this is asked again after it all the same.
    pause_seconds_max: float = 3_600.0
