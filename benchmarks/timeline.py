"""What happens when after an event, by the clocks of all that have a part in it.

The bench says when it asked and when it saw, the worker's log what it came to, and the API server's
audit events when each write began and how long it took. Reads are not audited: they lie in between.
"""

from __future__ import annotations

import asyncio
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from benchmarks.report import table

#: Who the product is to the API server.
USER = "trueup"


@dataclass(frozen=True)
class Step:
    """Something that happened, in seconds since the epoch."""

    what: str
    at: float
    seconds: float = 0.0


@dataclass
class Timeline:
    """The steps of many events of one kind, as their medians."""

    events: int = 0
    _steps: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, sent: float, steps: Iterable[Step]) -> None:
        """The steps of one event, which was sent at that time. The second step of a name is another step."""
        self.events += 1
        seen: Counter[str] = Counter()
        for step in sorted(steps, key=lambda step: step.at):
            if step.at < sent:
                continue
            seen[step.what] += 1
            name = step.what if seen[step.what] == 1 else f"{step.what} ({seen[step.what]})"
            self._steps[name].append((step.at - sent, step.seconds))

    def said(self) -> Iterator[str]:
        """What happened in at least half of the events, in order."""
        rows = []
        for name, found in self._steps.items():
            if 2 * len(found) >= self.events:
                at, took = (1000 * statistics.median(values) for values in zip(*found, strict=True))
                rows.append((at, name, len(found), took))
        yield from table(
            ("ms after", "took ms", "of", "what"),
            [(f"{at:.1f}", f"{took:.1f}" if took else "", str(count), name) for at, name, count, took in sorted(rows)],
        )


def of_log(lines: bytes) -> Iterator[Step]:
    """What a half has said of its jobs."""
    for line in lines.splitlines():
        said = orjson.loads(line)
        if "job" in said:
            yield Step(f"worker: {said['event']}", _seconds(said["timestamp"]))


def of_audit(events: asyncio.Queue[dict[str, Any]]) -> Iterator[Step]:
    """The product's writes that have arrived by now."""
    while not events.empty():
        event = events.get_nowait()
        if event["user"]["username"] == USER and event["stage"] == "ResponseComplete":
            began, ended = (_seconds(event[name]) for name in ("requestReceivedTimestamp", "stageTimestamp"))
            yield Step(f"API server: {_write(event)}", began, ended - began)


def _write(event: Mapping[str, Any]) -> str:
    resource, uri = event["objectRef"]["resource"], event["requestURI"]
    verb = "apply" if "force=true" in uri else event["verb"]
    what = resource if resource in {"applications", "incidents"} else "an object"
    return f"{verb} {what}" + (", dry run" if "dryRun" in uri else "")


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()
