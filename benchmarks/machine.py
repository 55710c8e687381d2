"""Where the figures come from."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.stage import Stage
from tests.support.git import git
from trueup import __version__


async def described(place: Stage, checkout: Path) -> dict[str, str]:
    """Machine, load and versions, those of what the product talks to as well."""
    return {
        **await of_this(checkout),
        "kubernetes": await place.cluster.version(),
        "valkey": await place.queue_server_version(),
    }


async def of_this(checkout: Path) -> dict[str, str]:
    """Machine, load and versions."""
    commit = await git(checkout, "rev-parse", "--short", "HEAD") if (checkout / ".git").exists() else "unknown"
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.1f} GB",
        "kernel": f"{platform.system()} {platform.release()}",
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "python": sys.version.split()[0],
        "git": (await git(checkout, "version")).removeprefix("git version "),
        "trueup": f"{__version__} at {commit}",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
