"""Whether this process gets anywhere, and whether it can take deliveries now."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

from .dispatch import Dispatcher
from .snapshots import Snapshots
from .sweep import Sweep


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

    async def standstills(self) -> list[str]:
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

    async def obstacles(self) -> list[str]:
        """A sentence for each reason why a delivery would not be taken now; empty for a process that is ready."""
        if not self._snapshots.is_loaded:
            return ["Applications and webhook secrets are still being loaded."]
        return [self._sweep.problem] if self._sweep.problem else []
