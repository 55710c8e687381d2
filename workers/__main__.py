"""One worker process: connect, follow the Applications, then claim and run jobs until told to stop."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from dataclasses import asdict

import structlog

from trueup.clients.ops_server import serving_ops, write_addresses
from trueup.domain.errors import TrueupError
from trueup.settings import EXIT_JOBS_LEFT, Settings, read_settings
from trueup.telemetry import QUEUE_DEPTH, configure_logging

from .consumer import CLAIM_WAIT_SECONDS_MAX, Consumer
from .dispatcher import handler
from .parts import Parts, connected
from .patience import Patience

log = structlog.get_logger()

#: How far the claim loop may fall behind before the process counts as stuck; runs hold it up for no longer.
TURN_SECONDS_MAX = 10 * CLAIM_WAIT_SECONDS_MAX
#: Well above the longest pause of an informer, so that an API server that is down restarts no worker.
CONTACT_SECONDS_MAX = 600.0


class Process:
    """One worker process from its start to its stop, and what its probes say of it."""

    def __init__(self, settings: Settings, *, drain: bool, number: int) -> None:
        self._settings = settings
        self._drain = drain
        self._name = f"worker-{number}" if number else "worker"
        self._stop = asyncio.Event()
        self._consumer: Consumer | None = None
        self._parts: Parts | None = None
        self._patience = Patience()

    async def run(self) -> int:
        """Work until SIGINT or SIGTERM or, draining, until nothing is due soon; the exit code."""
        working = asyncio.create_task(self._serve())
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._end, working)
        try:
            await working
        except asyncio.CancelledError:
            if not self._stop.is_set():
                raise
        log.info("stopped")
        return EXIT_JOBS_LEFT if self._consumer is not None and self._consumer.jobs_left else 0

    def _end(self, working: asyncio.Task[None]) -> None:
        self._stop.set()
        if self._consumer is None:
            # Still waiting for somebody: there is nothing to finish.
            working.cancel()

    async def _serve(self) -> None:
        settings, variable = self._settings, "TRUEUP_WORKER_OPS_LISTEN"
        async with (
            serving_ops(
                settings.worker_ops_listen, variable=variable, healthy=self._healthy, ready=self._ready
            ) as bound,
            connected(settings, self._patience) as parts,
            # An informer that dies of an error takes the process along: a stale store must not go on unseen.
            asyncio.TaskGroup() as group,
        ):
            following = [group.create_task(informer.run()) for informer in parts.informers]
            following += [group.create_task(follow()) for follow in parts.followers]
            for informer in parts.informers:
                await informer.synced()
            self._parts = parts
            self._consumer = Consumer(parts.worker.queue, handler(parts.worker), settings)
            write_addresses(settings.data_dir, self._name, {"ops_listen": bound})
            log.info("ready", ops=bound, namespace=settings.namespace)
            if parts.notifier is not None:
                following.append(group.create_task(parts.notifier.run()))
            await self._consumer.run(self._stop, drain=self._drain)
            if self._drain and parts.notifier is not None:
                await parts.notifier.idle(seconds_max=settings.slack_drain_seconds_max)
            for task in following:
                task.cancel()

    async def _healthy(self) -> list[str]:
        if self._consumer is not None and time.monotonic() - self._consumer.last_turn > TURN_SECONDS_MAX:
            return [f"The claim loop has not come round for {TURN_SECONDS_MAX:.0f} s."]
        now = time.monotonic()
        contacts = [informer.last_contact for informer in self._parts.informers] if self._parts else []
        if any(contact is not None and now - contact > CONTACT_SECONDS_MAX for contact in contacts):
            return [f"A watch has not heard of the API server for {CONTACT_SECONDS_MAX:.0f} s."]
        return []

    async def _ready(self) -> list[str]:
        if self._parts is None:
            return [self._patience.reason or "The Applications are not loaded yet."]
        try:
            depth = await self._parts.worker.queue.depth()
        except TrueupError as error:
            return [str(error)]
        for state, jobs in asdict(depth).items():
            QUEUE_DEPTH.labels(state).set(jobs)
        return []


def main() -> None:
    """`python -m workers`: read the settings, run, and end with one sentence where that cannot be."""
    parser = argparse.ArgumentParser(prog="trueup worker", description="Turn jobs into a true cluster.")
    parser.add_argument("--drain", action="store_true", help="end when the queue is empty")
    parser.add_argument("--number", type=int, default=0, help="which of several on one data directory; 0 is the first")
    arguments = parser.parse_args()
    try:
        settings = read_settings()
        configure_logging(level=settings.log_level)
        code = asyncio.run(Process(settings, drain=arguments.drain, number=arguments.number).run())
    except TrueupError as error:
        sys.exit(f"trueup: {error}")
    sys.exit(code)


if __name__ == "__main__":
    main()
