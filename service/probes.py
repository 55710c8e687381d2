"""Whether this process gets anywhere, and whether it can take deliveries now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from .answers import answer
from .dispatch import Dispatcher
from .snapshots import Snapshots
from .sweep import Sweep

Problems = Callable[[], Sequence[str]]


@dataclass(frozen=True, slots=True)
class ProgressBounds:
    """How long each part may go without a sign of life before a restart is the better way out.

    The first is well above the longest pause of an informer, so that an API server that is down
    does not restart the services that wait for it.
    """

    contact_seconds_max: float = 600.0
    turn_seconds_max: float = 60.0


class Progress:
    """What the probes ask."""

    def __init__(
        self,
        snapshots: Snapshots,
        dispatcher: Dispatcher,
        sweep: Sweep,
        *,
        bounds: ProgressBounds | None = None,
    ) -> None:
        self._snapshots = snapshots
        self._dispatcher = dispatcher
        self._sweep = sweep
        self._bounds = bounds or ProgressBounds()

    def standstills(self) -> list[str]:
        """A sentence for each part that has stopped; empty for a process that is alive."""
        problems = [
            f"The watch of {kind} has not heard of the API server for {seconds:.0f} s."
            for kind, seconds in self._snapshots.silence_seconds().items()
            if seconds > self._bounds.contact_seconds_max
        ]
        if self._snapshots.is_loaded:
            now = monotonic()
            turns = {"dispatch loop": self._dispatcher.last_turn, "watch of Redis": self._sweep.last_look}
            problems += [
                f"The {name} has not turned for {now - at:.0f} s."
                for name, at in turns.items()
                if now - at > self._bounds.turn_seconds_max
            ]
        return problems

    def obstacles(self) -> list[str]:
        """A sentence for each reason why a delivery would not be taken now; empty for a process that is ready."""
        if not self._snapshots.is_loaded:
            return ["Applications and webhook secrets are still being loaded."]
        return [self._sweep.problem] if self._sweep.problem else []


def add_probes(app: web.Application, progress: Progress) -> None:
    """`/healthz` and `/readyz`."""
    app.router.add_get("/healthz", _probe(progress.standstills))
    app.router.add_get("/readyz", _probe(progress.obstacles))


def add_metrics(app: web.Application) -> None:
    """`/metrics`, in the text format of Prometheus."""
    app.router.add_get("/metrics", _metrics)


def _probe(problems_of: Problems) -> Handler:
    async def probe(_request: web.Request) -> web.Response:
        problems = list(problems_of())
        if problems:
            return answer(503, {"status": "failing", "problems": problems})
        return answer(200, {"status": "ok"})

    return probe


async def _metrics(_request: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
