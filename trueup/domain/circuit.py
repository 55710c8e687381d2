"""Whether it is worth asking somebody who gave no answer. Pure: the time is passed in, in seconds of any clock."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Circuit:
    """Open after a failure, for twice as long after each in a row; then one asks, and others wait for the answer."""

    failures: int = 0
    #: Until then nobody asks.
    open_until: float = 0.0

    @property
    def is_closed(self) -> bool:
        """Whether all is well, and everybody may ask."""
        return self.failures == 0

    def pause_seconds(self, now: float) -> float:
        """How long nobody may ask; 0 where somebody may."""
        return max(0.0, self.open_until - now) if self.failures else 0.0

    def failed(self, now: float, *, seconds_min: float, seconds_max: float) -> Circuit:
        """After no answer. What others began before the circuit opened, and fails while it is open, changes nothing."""
        if self.pause_seconds(now):
            return self
        pause = min(seconds_max, seconds_min * 2.0 ** min(self.failures, 32))
        return Circuit(self.failures + 1, now + pause)

    def answered(self) -> Circuit:
        """After any answer."""
        return self if self.is_closed else Circuit()
