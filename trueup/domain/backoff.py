"""How long to wait before a job is tried again. The caller brings the randomness."""

from __future__ import annotations


def backoff_seconds(attempt: int, *, seconds_min: float, seconds_max: float, jitter: float) -> float:
    """The wait after the failed run number `attempt` (0 is the first), doubling up to the maximum.

    `jitter` in [0, 1) spreads the wait over its upper half, so that many that failed together do
    not come back together.
    """
    full = min(seconds_max, seconds_min * 2.0 ** min(attempt, 32))
    return float(full * (0.5 + jitter / 2))
