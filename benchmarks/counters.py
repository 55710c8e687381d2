"""What the product says it has done, read off `/metrics` of its halves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from tests.support.product import Metrics

VERBS = ("GET", "LIST", "WATCH", "CREATE", "PATCH", "APPLY", "UPDATE", "DELETE")
LISTS_OF_APPLICATIONS = "LISTs of Applications"
_REQUESTS = "trueup_kubernetes_requests_total"
_TOTALS = {
    "git fetches": "trueup_git_fetches_total",
    "fetch seconds": "trueup_git_fetch_seconds_sum",
    "git children": "trueup_git_commands_total",
    "renders": "trueup_renders_total",
    "Redis calls": "trueup_redis_calls_total",
    "jobs run": "trueup_jobs_run_total",
    "watch events": "trueup_watch_events_total",
}
#: What counts as a call where nothing should happen, and the labels that tell one from another.
_CALLS = {
    "trueup_git_commands_total": ("git", "command"),
    _REQUESTS: ("kubernetes", "verb", "resource"),
    "trueup_redis_calls_total": ("redis", "call"),
    "trueup_renders_total": ("render", "outcome"),
    "trueup_jobs_run_total": ("job", "kind", "outcome"),
    "trueup_watch_events_total": ("watch event", "outcome"),
}


def work_of(halves: Iterable[Metrics]) -> dict[str, float]:
    """The counters that matter, summed over both halves."""
    found: dict[str, float] = defaultdict(float)
    for metrics in halves:
        for name, counter in _TOTALS.items():
            found[name] += metrics.total(counter)
        for verb in VERBS:
            found[verb] += metrics.total(_REQUESTS, verb=verb)
        found[LISTS_OF_APPLICATIONS] += metrics.total(_REQUESTS, verb="LIST", resource="applications")
    return dict(found)


def calls_of(halves: Mapping[str, Metrics]) -> dict[str, float]:
    """Every call, such as `service kubernetes WATCH services`, with its count."""
    found: dict[str, float] = defaultdict(float)
    for half, metrics in halves.items():
        for (counter, labels), count in metrics.samples.items():
            if counter in _CALLS:
                what, *names = _CALLS[counter]
                values = dict(labels)
                found[" ".join((half, what, *(values[name] for name in names)))] += count
    return dict(found)


def since(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """What has moved between the two, and by how much."""
    return {name: moved for name, count in after.items() if (moved := count - before.get(name, 0.0))}
