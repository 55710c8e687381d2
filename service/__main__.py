"""`python -m trueup.service`: the service alone, configured by the environment."""

from __future__ import annotations

import asyncio
import signal
import sys

from trueup.clients.cluster import Cluster
from trueup.domain.errors import StalledError
from trueup.engine.bounds import cluster_bounds
from trueup.settings import Settings, read_settings
from trueup.telemetry import configure_logging

from .app import serve


async def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with Cluster(bounds=cluster_bounds(settings)) as cluster:
        await serve(settings, cluster, stop=stop)


def main() -> int:
    """The exit code: 0 after a signal, 1 with a sentence where something does not hold."""
    code = 0
    try:
        settings = read_settings()
        configure_logging(level=settings.log_level)
        asyncio.run(run(settings))
    except* StalledError as group:
        for error in group.exceptions:
            print(f"trueup service: {error}", file=sys.stderr)  # noqa: T201 -- said to the one who started it
        code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
