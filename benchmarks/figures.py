"""Numbers from measurements, and how many it takes to say them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: With fewer samples the 99th percentile would be little more than the maximum.
P99_SAMPLES_MIN = 1_000
P95_SAMPLES_MIN = 100
#: With fewer samples a median is printed in brackets.
P50_SAMPLES_MIN = 100


@dataclass
class Series:
    """Times of one kind of event, in milliseconds."""

    values: list[float] = field(default_factory=list)

    def add(self, seconds: float) -> None:
        self.values.append(seconds * 1000)

    @property
    def count(self) -> int:
        return len(self.values)

    @property
    def p50(self) -> float:
        return statistics.median(self.values) if self.values else float("nan")

    @property
    def max(self) -> float:
        return max(self.values, default=float("nan"))

    @property
    def p99(self) -> float | None:
        """None from fewer than `P99_SAMPLES_MIN`."""
        return statistics.quantiles(self.values, n=100)[98] if self.count >= P99_SAMPLES_MIN else None

    @property
    def p95(self) -> float | None:
        """None from fewer than `P95_SAMPLES_MIN`."""
        return statistics.quantiles(self.values, n=20)[18] if self.count >= P95_SAMPLES_MIN else None

    def described(self) -> dict[str, Any]:
        return {"p50_ms": self.p50, "max_ms": self.max, "p99_ms": self.p99, "samples": self.count}


@dataclass
class Side:
    """What one side, the product or its floor, took for one kind of event."""

    times: Series = field(default_factory=Series)
    #: Further times of the same events, by what they are.
    parts: dict[str, Series] = field(default_factory=dict)
    cpu_seconds: float = 0.0
    api_server_cpu_seconds: float = 0.0
    #: Counters, summed over the events.
    work: dict[str, float] = field(default_factory=dict)

    def part(self, name: str) -> Series:
        return self.parts.setdefault(name, Series())

    def add_work(self, work: Mapping[str, float]) -> None:
        for name, count in work.items():
            self.work[name] = self.work.get(name, 0.0) + count

    def each(self, total: float) -> float:
        """Of a sum, the share of one event."""
        return total / self.times.count if self.times.count else float("nan")

    def described(self) -> dict[str, Any]:
        return {
            **self.times.described(),
            "parts": {name: series.described() for name, series in self.parts.items()},
            "cpu_seconds_each": self.each(self.cpu_seconds),
            "api_server_cpu_seconds_each": self.each(self.api_server_cpu_seconds),
            "work_each": {name: self.each(count) for name, count in self.work.items()},
        }


@dataclass
class Case:
    """One kind of event, the product beside its floor."""

    name: str
    product: Side = field(default_factory=Side)
    floor: Side = field(default_factory=Side)
    #: Of how many applications one sample is; what it cost is told of each.
    of_each: int = 1

    @property
    def ratio(self) -> float:
        """How many times the floor the product takes, median by median."""
        return self.product.times.p50 / self.floor.times.p50

    @property
    def sides(self) -> Mapping[str, Side]:
        return {"product": self.product, "floor": self.floor}

    def described(self) -> dict[str, Any]:
        sides = {name: side.described() for name, side in self.sides.items()}
        return {"name": self.name, **sides, "ratio": self.ratio}


@dataclass(frozen=True)
class Idle:
    """A stretch in which nothing happened."""

    seconds: float
    #: Of the product.
    cpu_seconds: float
    #: Every call that was made all the same, with its count.
    calls: Mapping[str, float]

    def described(self) -> dict[str, Any]:
        return {"seconds": self.seconds, "cpu_seconds": self.cpu_seconds, "calls": dict(self.calls)}


@dataclass
class Burst:
    """How one side answered webhooks that came at a fixed rate."""

    #: From when each was due until it was answered.
    times: Series
    #: By how much the sender itself came too late; part of the times.
    lateness: Series
    #: How many had each status, or `none`.
    answers: Mapping[str, int]
    #: Of the side's processes.
    cpu_seconds: float

    def described(self) -> dict[str, Any]:
        return {
            **self.times.described(),
            "sender_late": self.lateness.described(),
            "answers": dict(self.answers),
            "cpu_seconds": self.cpu_seconds,
        }


@dataclass
class Acknowledgement:
    """One stream of webhooks, sent to the product, to the service alone, and to the floor."""

    per_second: float
    seconds: float
    repositories: int
    body_bytes: int
    bursts: dict[str, Burst] = field(default_factory=dict)

    def described(self) -> dict[str, Any]:
        return {
            "per_second": self.per_second,
            "seconds": self.seconds,
            "repositories": self.repositories,
            "body_bytes": self.body_bytes,
            "bursts": {name: burst.described() for name, burst in self.bursts.items()},
        }


@dataclass
class Cold:
    """How long a service takes that was not running."""

    #: From its start until a webhook is answered 202.
    answered: Series = field(default_factory=Series)
    #: A Python that imports what the service is made of, and ends.
    imported: Series = field(default_factory=Series)
    #: The floor: a Python that imports aiohttp, and ends.
    floor: Series = field(default_factory=Series)

    def described(self) -> dict[str, Any]:
        series = {"answered": self.answered, "imported": self.imported, "floor": self.floor}
        return {name: one.described() for name, one in series.items()}


@dataclass
class Beside:
    """Renders by one tool, each beside a run of the bare tool on the same files."""

    tool: str
    ours: Series = field(default_factory=Series)
    bare: Series = field(default_factory=Series)
    #: What the one took longer than the other, pair by pair.
    over: Series = field(default_factory=Series)

    def add(self, ours_seconds: float, bare_seconds: float) -> None:
        self.ours.add(ours_seconds)
        self.bare.add(bare_seconds)
        self.over.add(ours_seconds - bare_seconds)

    def described(self) -> dict[str, Any]:
        return {"tool": self.tool, **{name: getattr(self, name).described() for name in ("ours", "bare", "over")}}


@dataclass(frozen=True)
class Again:
    """All applications, rendered or found again."""

    seconds: float
    renders: int

    def described(self) -> dict[str, Any]:
        return {"seconds": self.seconds, "renders": self.renders}


@dataclass(frozen=True)
class Renders:
    """What rendering costs, and how often it is not needed."""

    beside: Sequence[Beside]
    #: Of those that no tool was tried with before.
    cold: Again
    #: By a process that has just started.
    restarted: Again
    #: After a commit to one overlay, and after one to a base.
    overlay: Again
    base: Again
    #: That have this base.
    overlays: int

    def described(self) -> dict[str, Any]:
        return {
            "beside": [one.described() for one in self.beside],
            **{name: getattr(self, name).described() for name in ("cold", "restarted", "overlay", "base")},
            "overlays": self.overlays,
        }
