"""How many requests an API server is given at a time. Pure: the time is passed in.

Additive increase, multiplicative decrease, as TCP does it: each answer that comes as fast as such answers
do raises the limit a little, a refusal or a run of slow answers halves it. Nothing here is a rate, so a
server that is fast is never kept waiting.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LimitBounds:
    """Between what the limit moves, and what moves it."""

    requests_min: int = 4
    requests_max: int = 64
    #: An answer within this time is never slow.
    calm_seconds: float = 0.25
    #: Nor is one within so many times the best that was seen of its kind lately, that is in this or the
    #: last of windows of so many seconds.
    slowdown_max: float = 4.0
    best_seconds: float = 60.0
    #: By so many the slow answers have to outnumber the others before they count.
    slow_answers_max: int = 8
    #: No refusal is obeyed for longer.
    pause_seconds_max: float = 30.0
    #: Kinds of answers of which the best is remembered; beyond that all is learnt anew.
    kinds_max: int = 2_000


@dataclass(slots=True)
class _Best:
    """The fastest answer of one kind, in seconds."""

    now: float
    before: float
    window_ends_at: float


class ConcurrencyLimit:
    """The limit towards one server. It begins at its maximum: nothing is known against it."""

    def __init__(self, bounds: LimitBounds) -> None:
        self._bounds = bounds
        self._floor = float(min(bounds.requests_min, bounds.requests_max))
        self._limit = float(bounds.requests_max)
        #: Requests that may be under way now.
        self.requests_max = bounds.requests_max
        #: Until when no new request may be made.
        self.paused_until = float("-inf")
        self._lowered_at = float("-inf")
        self._slow_answers = 0
        self._best: dict[Hashable, _Best] = {}

    def answered(self, kind: Hashable, asked_at: float, now: float) -> None:
        """An answer has begun; `kind` is shared by requests that should take about as long."""
        if asked_at < self._lowered_at:
            # It met the load that the limit was lowered for.
            return
        seconds = now - asked_at
        best = self._best_seconds(kind, seconds, now)
        bounds = self._bounds
        if seconds > bounds.calm_seconds and seconds > bounds.slowdown_max * best:
            self._slow_answers += 1
            if self._slow_answers >= bounds.slow_answers_max:
                self._lower(now)
            return
        if self._slow_answers:
            self._slow_answers -= 1
        if self._limit < bounds.requests_max:
            self._set(min(bounds.requests_max, self._limit + 1.0 / self._limit))

    def refused(self, asked_at: float, now: float, pause_seconds: float | None = None) -> None:
        """The server was too busy for a request, and asked for a pause perhaps; or it gave no answer in time."""
        if pause_seconds:
            self.paused_until = max(self.paused_until, now + min(pause_seconds, self._bounds.pause_seconds_max))
        if asked_at >= self._lowered_at:
            self._lower(now)

    def _lower(self, now: float) -> None:
        self._lowered_at = now
        self._slow_answers = 0
        self._set(max(self._floor, self._limit / 2))

    def _set(self, limit: float) -> None:
        self._limit = limit
        self.requests_max = int(limit)

    def _best_seconds(self, kind: Hashable, seconds: float, now: float) -> float:
        best = self._best.get(kind)
        if best is None:
            if len(self._best) >= self._bounds.kinds_max:
                self._best.clear()
            self._best[kind] = _Best(seconds, seconds, now + self._bounds.best_seconds)
            return seconds
        if now >= best.window_ends_at:
            best.before, best.now, best.window_ends_at = best.now, seconds, now + self._bounds.best_seconds
        elif seconds < best.now:
            best.now = seconds
        return min(best.now, best.before)
