"""The figures as people read them: Markdown that stands as well in a terminal."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import astuple
from itertools import chain

from benchmarks.counters import VERBS
from benchmarks.figures import P50_SAMPLES_MIN, Acknowledgement, Case, Cold, Idle, Renders, Series, Side
from benchmarks.targets import Result, rows

#: The calls of an event in this order; what nobody made is left out.
_WORK = ("git fetches", "git children", "renders", *VERBS, "Redis calls", "jobs run", "watch events")

Row = tuple[str, ...]


def machine(facts: Mapping[str, str]) -> Iterator[str]:
    """Where and when."""
    yield from table(("machine", ""), list(facts.items()))


def size(
    applications: int, objects: int, cases: Sequence[Case], idle: Idle | None, memory: Mapping[str, float]
) -> Iterator[str]:
    """Everything measured at one size."""
    yield ""
    yield f"### {applications:,} applications, {objects:,} objects"
    yield ""
    times = list(chain.from_iterable(map(_times, cases)))
    yield from table(("ms", "side", "samples", "p50", "p99", "max", "× floor"), times)
    yield ""
    costs = list(chain.from_iterable(map(_costs, cases)))
    yield from table(("each", "side", "CPU ms", "API server CPU ms", "calls"), costs)
    yield ""
    yield "Memory, sum of PSS: " + ", ".join(f"{name} {value:.0f} MB" for name, value in memory.items()) + "."
    if idle is not None:
        yield ""
        yield from _idle(idle)


def acknowledgement(found: Acknowledgement) -> Iterator[str]:
    """Webhooks at a fixed rate."""
    yield ""
    yield (
        f"Webhooks of {found.body_bytes:,} bytes to {found.repositories} repositories, "
        f"{found.per_second:g} a second for {found.seconds:g} s, from when each was due:"
    )
    yield ""
    lines = []
    for name, burst in found.bursts.items():
        answers = ", ".join(f"{count:,} × {status}" for status, count in sorted(burst.answers.items()))
        sent = sum(burst.answers.values())
        lines.append((name, *_series(burst.times), answers, f"{1000 * burst.cpu_seconds / max(1, sent):.2f}"))
        lines.append(("· the sender's own lateness", *_series(burst.lateness), "", ""))
    yield from table(("ms", "answered", "p50", "p99", "max", "answers", "CPU ms each"), lines)


def cold(found: Cold) -> Iterator[str]:
    """A service that was not running."""
    yield ""
    series = {
        "service started → first 202": found.answered,
        "· its imports alone": found.imported,
        "· the floor: import aiohttp": found.floor,
    }
    lines = [(name, *_series(one)) for name, one in series.items()]
    yield from table(("from cold, ms", "samples", "p50", "p99", "max"), lines)


def renders(found: Renders) -> Iterator[str]:
    """What rendering costs, and how often it is not needed."""
    yield ""
    lines: list[Row] = []
    for one in found.beside:
        for name, series in (
            (one.tool, one.bare),
            ("· by Trueup", one.ours),
            ("· the difference, pair by pair", one.over),
        ):
            p95 = "" if series.p95 is None else f"{series.p95:,.1f}"
            count, p50, _, most = _series(series)
            lines.append((name, count, p50, p95, most))
    yield from table(("ms", "samples", "p50", "p95", "max"), lines)
    yield ""
    looks = {
        "rendered for the first time": found.cold,
        "found again by a new process": found.restarted,
        "after a commit to one overlay": found.overlay,
        "after a commit to a base": found.base,
    }
    lines = [(name, f"{again.seconds:.2f}", f"{again.renders:,}") for name, again in looks.items()]
    yield from table(("all applications", "seconds", "renders"), lines)


def targets(results: Sequence[Result], shapes: Collection[str] = ()) -> Iterator[str]:
    """Every target, of these shapes where some are named, beside what these results say of it."""
    yield ""
    yield "### What is to be reached"
    yield ""
    lines = [astuple(row) for row in rows(results, shapes)]
    yield from table(("", "applications", "to reach", "measured", "floor", ""), lines)


def table(header: Row, rows: Sequence[Row]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, tuple("-" * width for width in widths), *rows):
        yield "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"


def _times(case: Case) -> Iterator[Row]:
    for name, side in case.sides.items():
        ratio = f"{case.ratio:.2f}" if name == "product" else ""
        yield (case.name, name, *_series(side.times), ratio)
    for name, side in case.sides.items():
        for part, series in side.parts.items():
            yield (f"· {part}", name, *_series(series), "")


def _series(series: Series) -> Row:
    p50 = f"{series.p50:,.1f}" if series.count >= P50_SAMPLES_MIN else f"({series.p50:,.1f})"
    p99 = "" if series.p99 is None else f"{series.p99:,.1f}"
    return f"{series.count:,}", p50, p99, f"{series.max:,.1f}"


def _costs(case: Case) -> Iterator[Row]:
    name = case.name if case.of_each == 1 else f"{case.name}, of one application"
    for which, side in case.sides.items():
        own, api = (
            1000 * side.each(seconds) / case.of_each for seconds in (side.cpu_seconds, side.api_server_cpu_seconds)
        )
        yield name, which, f"{own:.1f}", f"{api:.1f}", _work(side, case.of_each)


def _work(side: Side, of_each: int) -> str:
    done = {name: side.each(side.work.get(name, 0.0)) / of_each for name in _WORK}
    return ", ".join(f"{name} {count:.3g}" for name, count in done.items() if count)


def _idle(idle: Idle) -> Iterator[str]:
    yield f"Idle for {idle.seconds:g} s: {idle.cpu_seconds:.2f} s of CPU, and every call that was made:"
    yield ""
    calls = [(name, f"{count:g}") for name, count in sorted(idle.calls.items())]
    yield from table(("call", "count"), calls or [("none", "0")])
