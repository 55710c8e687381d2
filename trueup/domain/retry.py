"""When to try again. Pure: whoever asks knows the time."""

from __future__ import annotations

from trueup.domain.application import Application, RetryPolicy
from trueup.domain.lenient import as_mapping

#: Argo CD's defaults for healing the same drift again: at once, then 2, 6, 18, … seconds apart.
SELF_HEAL = RetryPolicy(limit=-1, duration_seconds=2.0, factor=3.0, duration_seconds_max=300.0)
#: Above the longest wait, so that a difference that never heals is not fought in bursts: only quiet for
#: so long makes the next drift a new one.
SELF_HEAL_COOLDOWN_SECONDS = 330.0

#: Argo CD's for an automated sync that failed, where the Application says nothing of retries.
AUTOMATED = RetryPolicy(limit=5)


def policy_of(app: Application) -> RetryPolicy:
    """How a sync that fails now is tried again."""
    if app.operation is not None:
        return app.operation.retry or app.retry
    policy = as_mapping(as_mapping(app.raw.get("spec")).get("syncPolicy"))
    return app.retry if policy.get("retry") else AUTOMATED


def next_retry(policy: RetryPolicy, retry_count: int) -> float | None:
    """Seconds to wait before the next try, after `retry_count` of them; None where there is none."""
    if policy.limit >= 0 and retry_count >= policy.limit:
        return None
    try:
        delay = policy.duration_seconds * policy.factor**retry_count
    except OverflowError:
        return policy.duration_seconds_max
    return min(policy.duration_seconds_max, delay)


def self_heal_delay(attempts: int) -> float:
    """Seconds between the end of the last sync and healing the same revision once more."""
    return 0.0 if attempts <= 0 else next_retry(SELF_HEAL, attempts - 1) or 0.0
