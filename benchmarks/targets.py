"""What is to be reached, and whether it was. Knows results only in the form in which they stand in a file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Result = Mapping[str, Any]
"""Everything measured at one size, as `__main__` writes it."""

PUSH, EDIT, ONBOARDING = "push → synced", "live edit → OutOfSync", "onboarding"
OWN_SHARE = "own share: all but the fetch child"
WEB, CONFIG_MAP, RENDERS = "web", "configmap", "renders"
#: The sizes of which the targets speak.
SMALL, MIDDLE, LARGE = 100, 1_000, 10_000

PUSH_RATIO_MAX = 1.5
OWN_SHARE_MS_MAX = 40.0
RATIO_GROWTH_MAX = 1.2
PUSH_CPU_MS_OVER_FLOOR_MAX = 30.0
#: Two sums of CPU time over the samples of a run differ by less than this for no reason.
FLAT_CPU_MS_MAX = 5.0
EDIT_RATIO_MAX = 2.0
EDIT_P99_MS_MAX = 100.0
EDIT_CPU_MS_MAX = 10.0
ONBOARDING_RATIO_MAX = 1.5
ONBOARDING_CPU_MS_MAX = 30.0
MEMORY_MB_MAX = 200.0
IDLE_SECONDS, IDLE_CPU_SECONDS_MAX = 30.0, 0.1
ACKNOWLEDGED_P99_MS_MAX = 50.0
HOOKS_PER_SECOND, HOOK_SECONDS = 500.0, 30.0
COLD_MS_MAX = 1_000.0
RENDER_OVERHEAD_MS_MAX = 15.0
RESTARTED_SECONDS_MAX = 5.0
PUSH_CALLS = {"git fetches": 1.0, "renders": 1.0, "LISTs of Applications": 0.0}

REACHED, MISSED, NOT_MEASURED = "reached", "NOT REACHED", "not measured"


@dataclass(frozen=True)
class Found:
    """What was measured, and whether that reaches the target: None where it cannot be said."""

    measured: str
    floor: str
    is_reached: bool | None


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    what: str
    applications: str
    to_reach: str
    measured: str
    floor: str
    verdict: str


#: From the results at the size in question and, for what compares sizes, at the small one; None where what it
#: needs is not in them.
Judge = Callable[[Result, Result | None], Found | None]


@dataclass(frozen=True)
class Target:
    what: str
    shape: str
    applications: int
    to_reach: str
    judge: Judge


def _case(result: Result, name: str) -> Mapping[str, Any] | None:
    return next((case for case in result["cases"] if case["name"] == name), None)


def _cpu_ms(case: Mapping[str, Any], side: str, of_each: int = 1) -> float:
    return float(1000 * case[side]["cpu_seconds_each"] / of_each)


def _ratio(name: str, ratio_max: float) -> Judge:
    def judge(result: Result, _: Result | None) -> Found | None:
        if (case := _case(result, name)) is None:
            return None
        ratio, ours, floor = case["ratio"], case["product"]["p50_ms"], case["floor"]["p50_ms"]
        return Found(f"{ratio:.2f} × ({ours:,.1f} ms)", f"{floor:,.1f} ms", ratio <= ratio_max)

    return judge


def _own_share(result: Result, _: Result | None) -> Found | None:
    if (case := _case(result, PUSH)) is None:
        return None
    ours, floor = (case[side]["parts"][OWN_SHARE]["p50_ms"] for side in ("product", "floor"))
    return Found(f"{ours:.1f} ms", f"{floor:.1f} ms", ours <= OWN_SHARE_MS_MAX)


def _both(large: Result, small: Result | None) -> list[Mapping[str, Any]]:
    """The push at both sizes, or nothing where one is missing."""
    found = [_case(result, PUSH) for result in (large, small) if result is not None]
    cases = [case for case in found if case is not None]
    return cases if len(cases) == 2 else []


def _ratio_growth(large: Result, small: Result | None) -> Found | None:
    if not (cases := _both(large, small)):
        return None
    ratios, floors = [case["ratio"] for case in cases], [case["floor"]["p50_ms"] for case in cases]
    growth = ratios[0] / ratios[1]
    measured = f"{growth:.2f} × ({ratios[0]:.2f} against {ratios[1]:.2f})"
    return Found(measured, f"{floors[0]:.1f} ms against {floors[1]:.1f} ms", growth <= RATIO_GROWTH_MAX)


def _over_floor_ms(case: Mapping[str, Any]) -> float:
    return _cpu_ms(case, "product") - _cpu_ms(case, "floor")


def _push_cpu(result: Result, _: Result | None) -> Found | None:
    if (case := _case(result, PUSH)) is None:
        return None
    over = _over_floor_ms(case)
    measured = f"{over:+.1f} ms ({_cpu_ms(case, 'product'):.1f} ms)"
    return Found(measured, f"{_cpu_ms(case, 'floor'):.1f} ms", over <= PUSH_CPU_MS_OVER_FLOOR_MAX)


def _push_cpu_growth(large: Result, small: Result | None) -> Found | None:
    if not (cases := _both(large, small)):
        return None
    over = [_over_floor_ms(case) for case in cases]
    floors = [_cpu_ms(case, "floor") for case in cases]
    measured = f"{over[0] - over[1]:+.1f} ms ({over[0]:.1f} against {over[1]:.1f} over the floor)"
    floor = f"{floors[0]:.1f} ms against {floors[1]:.1f} ms"
    return Found(measured, floor, over[0] - over[1] <= FLAT_CPU_MS_MAX)


def _push_calls(result: Result, _: Result | None) -> Found | None:
    if (case := _case(result, PUSH)) is None:
        return None
    made = {name: case["product"]["work_each"].get(name, 0.0) for name in PUSH_CALLS}
    return Found(" / ".join(f"{count:.4g}" for count in made.values()), "", made == PUSH_CALLS)


def _edit_p99(result: Result, _: Result | None) -> Found | None:
    if (case := _case(result, EDIT)) is None:
        return None
    ours, floor = (case[side]["p99_ms"] for side in ("product", "floor"))
    if ours is None or floor is None:
        return Found("too few samples", "", None)
    return Found(f"{ours:.1f} ms", f"{floor:.1f} ms", ours <= EDIT_P99_MS_MAX)


def _cpu(name: str, ms_max: float) -> Judge:
    """CPU of one event; of one application where the event is about all of them."""

    def judge(result: Result, _: Result | None) -> Found | None:
        if (case := _case(result, name)) is None:
            return None
        of_each = result["applications"] if name == ONBOARDING else 1
        ours, floor = (_cpu_ms(case, side, of_each) for side in ("product", "floor"))
        return Found(f"{ours:.1f} ms", f"{floor:.1f} ms", ours <= ms_max)

    return judge


def _memory(result: Result, _: Result | None) -> Found:
    ours, floor = result["memory_mb"]["together"], result["memory_mb"]["floor"]
    return Found(f"{ours:.0f} MB", f"{floor:.0f} MB", ours <= MEMORY_MB_MAX)


def _idle(result: Result, _: Result | None) -> Found | None:
    if not (idle := result["idle"]):
        return None
    spent = idle["cpu_seconds"] * IDLE_SECONDS / idle["seconds"]
    return Found(f"{spent:.3f} s", "", spent <= IDLE_CPU_SECONDS_MAX)


def _acknowledged(result: Result, _: Result | None) -> Found | None:
    if not (found := result["acknowledgement"]):
        return None
    # The first is the service with its worker, the last the floor.
    (ours, *_alone, floor) = found["bursts"].values()
    refused = {status: count for status, count in ours["answers"].items() if not status.startswith("2")}
    words = ", ".join(f"{count:,} × {status}" for status, count in refused.items()) or "no other answer than 2xx"
    if ours["p99_ms"] is None or floor["p99_ms"] is None:
        return Found(f"too few samples, {words}", "", None)
    is_as_asked = found["per_second"] >= HOOKS_PER_SECOND and found["seconds"] >= HOOK_SECONDS
    is_reached = ours["p99_ms"] <= ACKNOWLEDGED_P99_MS_MAX and not refused
    measured = f"{ours['p99_ms']:.1f} ms, {words}, {found['per_second']:g}/s for {found['seconds']:g} s"
    return Found(measured, f"{floor['p99_ms']:.1f} ms", is_reached if is_as_asked else None)


def _cold(result: Result, _: Result | None) -> Found | None:
    if not (found := result["cold"]):
        return None
    answered, imported, floor = (found[name]["p50_ms"] for name in ("answered", "imported", "floor"))
    return Found(f"{answered:.0f} ms (imports {imported:.0f})", f"{floor:.0f} ms", answered <= COLD_MS_MAX)


def _overhead(tool: str) -> Judge:
    def judge(result: Result, _: Result | None) -> Found | None:
        found = next((one for one in result["beside"] if one["tool"] == tool), None)
        if found is None:
            return None
        over, ours, bare = (found[name]["p50_ms"] for name in ("over", "ours", "bare"))
        return Found(f"{over:+.1f} ms ({ours:.1f} ms)", f"{bare:.1f} ms", over <= RENDER_OVERHEAD_MS_MAX)

    return judge


def _restarted(result: Result, _: Result | None) -> Found:
    seconds, renders = result["restarted"]["seconds"], result["restarted"]["renders"]
    is_reached = seconds <= RESTARTED_SECONDS_MAX and renders == 0
    return Found(f"{seconds:.2f} s, {renders} renders", "", is_reached)


def _after_commits(result: Result, _: Result | None) -> Found:
    made, wanted = [result[name]["renders"] for name in ("overlay", "base")], [1, result["overlays"]]
    return Found(" / ".join(map(str, made)), " / ".join(map(str, wanted)), made == wanted)


TARGETS = (
    Target("push → synced, p50", WEB, MIDDLE, f"≤ {PUSH_RATIO_MAX} × floor", _ratio(PUSH, PUSH_RATIO_MAX)),
    Target("· own share, p50", WEB, MIDDLE, f"≤ {OWN_SHARE_MS_MAX:g} ms", _own_share),
    Target("· CPU over the floor's", WEB, MIDDLE, f"≤ {PUSH_CPU_MS_OVER_FLOOR_MAX:g} ms", _push_cpu),
    Target("live edit → OutOfSync, p50", WEB, MIDDLE, f"≤ {EDIT_RATIO_MAX:g} × floor", _ratio(EDIT, EDIT_RATIO_MAX)),
    Target("· p99", WEB, MIDDLE, f"≤ {EDIT_P99_MS_MAX:g} ms", _edit_p99),
    Target("· CPU", WEB, MIDDLE, f"≤ {EDIT_CPU_MS_MAX:g} ms", _cpu(EDIT, EDIT_CPU_MS_MAX)),
    Target("onboarding", WEB, MIDDLE, f"≤ {ONBOARDING_RATIO_MAX} × floor", _ratio(ONBOARDING, ONBOARDING_RATIO_MAX)),
    Target("· CPU each", WEB, MIDDLE, f"≤ {ONBOARDING_CPU_MS_MAX:g} ms", _cpu(ONBOARDING, ONBOARDING_CPU_MS_MAX)),
    Target("memory, service and worker", WEB, MIDDLE, f"≤ {MEMORY_MB_MAX:g} MB", _memory),
    Target(f"idle, CPU in {IDLE_SECONDS:g} s", WEB, MIDDLE, f"≤ {IDLE_CPU_SECONDS_MAX} s", _idle),
    Target("webhook → answered, p99", WEB, MIDDLE, f"≤ {ACKNOWLEDGED_P99_MS_MAX:g} ms, each 2xx", _acknowledged),
    Target("service started → first 202, p50", WEB, MIDDLE, f"≤ {COLD_MS_MAX:g} ms", _cold),
    Target("push, ratio against 100", CONFIG_MAP, LARGE, f"≤ {RATIO_GROWTH_MAX} ×", _ratio_growth),
    Target("· CPU over the floor's", CONFIG_MAP, LARGE, f"≤ {PUSH_CPU_MS_OVER_FLOOR_MAX:g} ms", _push_cpu),
    Target("· the same against 100", CONFIG_MAP, LARGE, f"≤ +{FLAT_CPU_MS_MAX:g} ms: flat", _push_cpu_growth),
    Target("· fetches / renders / LISTs", CONFIG_MAP, LARGE, "1 / 1 / 0", _push_calls),
    *(
        Target(f"render over {tool}, p50", RENDERS, MIDDLE, f"≤ {RENDER_OVERHEAD_MS_MAX:g} ms", _overhead(tool))
        for tool in ("kustomize build", "helm template", "jsonnet")
    ),
    Target("found again after a restart", RENDERS, MIDDLE, f"≤ {RESTARTED_SECONDS_MAX:g} s, 0 renders", _restarted),
    Target("renders after a commit to one / to a base", RENDERS, MIDDLE, "1 / its overlays", _after_commits),
)


def rows(results: Sequence[Result], shapes: Collection[str] = ()) -> Iterator[Row]:
    """Every target, of these shapes where some are named, met by results or not.

    A later result at the same size counts for an earlier one.
    What was measured at another size than the target's stands there with that size and without a verdict.
    """
    for target in TARGETS:
        if shapes and target.shape not in shapes:
            continue
        by_size = {result["applications"]: result for result in results if result["shape"] == target.shape}
        size = target.applications if target.applications in by_size else max(by_size, default=0)
        small = SMALL if SMALL in by_size else min(by_size, default=0)
        result, beside = by_size.get(size), by_size[small] if small < size else None
        found = target.judge(result, beside) if result is not None else None
        yield _row(target, size, found)


def _row(target: Target, size: int, found: Found | None) -> Row:
    if found is None:
        return Row(target.what, f"{target.applications:,}", target.to_reach, "", "", NOT_MEASURED)
    if found.is_reached is None or size != target.applications:
        verdict = "" if size == target.applications else f"not at {target.applications:,}"
    else:
        verdict = REACHED if found.is_reached else MISSED
    return Row(target.what, f"{size:,}", target.to_reach, found.measured, found.floor, verdict)
