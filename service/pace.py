"""How often each repository is swept. Pure.

Less often where webhooks are known to come, more often where one was missed.
"""

from __future__ import annotations

from dataclasses import dataclass

from trueup.clients.queue_records import NOTHING_ANNOUNCED, Announced

#: By how much a quiet repository's interval grows from sweep to sweep.
GROWTH = 1.5


@dataclass(frozen=True, slots=True)
class PaceBounds:
    interval_seconds: float
    interval_seconds_min: float
    interval_seconds_max: float


@dataclass(frozen=True, slots=True)
class Pace:
    """What one replica has seen of one repository."""

    interval_seconds: float
    seen: Announced = NOTHING_ANNOUNCED
    #: Whether a webhook has come and none was missed since.
    is_trusted: bool = False


def next_pace(pace: Pace, seen: Announced, bounds: PaceBounds) -> Pace:
    """The pace after a sweep, from what is on record of webhooks now.

    A catch halves the interval, down to its minimum. A webhook brings it back to the usual one; while
    they are known to come, each quiet sweep stretches it, up to its maximum. Where none ever came the
    sweep is all there is, and stays at the usual interval.
    """
    if seen.caught and seen.caught != pace.seen.caught:
        return Pace(max(bounds.interval_seconds_min, pace.interval_seconds / 2), seen)
    if seen.hooked and seen.hooked != pace.seen.hooked:
        return Pace(bounds.interval_seconds, seen, is_trusted=True)
    ceiling = bounds.interval_seconds_max if pace.is_trusted else bounds.interval_seconds
    return Pace(min(ceiling, pace.interval_seconds * GROWTH), seen, pace.is_trusted)
