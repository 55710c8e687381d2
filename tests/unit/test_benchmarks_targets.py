"""The benchmark says of each figure whether it reaches its target, and gives no verdict where it has none to give."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from benchmarks.figures import Acknowledgement, Burst, Case, Cold, Idle, Series, Side
from benchmarks.targets import (
    EDIT,
    MISSED,
    NOT_MEASURED,
    ONBOARDING,
    OWN_SHARE,
    PUSH,
    REACHED,
    TARGETS,
    rows,
)

Results = list[dict[str, Any]]
EPSILON = 1e-6


def side(p50_ms: float, cpu_ms: float, *, samples: int = 1_000, own_ms: float = 0.0) -> Side:
    found = Side(times=Series([p50_ms] * samples), cpu_seconds=samples * cpu_ms / 1000)
    found.part(OWN_SHARE).add(own_ms / 1000)
    found.add_work({"git fetches": samples, "renders": samples, "LISTs of Applications": 0.0})
    return found


def result(shape: str, applications: int, *, push_ms: float, push_cpu_ms: float) -> dict[str, Any]:
    """Every figure just where it has to be, but for those of a push."""
    burst = {"202": 15_000}
    hooks = Acknowledgement(500, 30, 50, 20_480)
    hooks.bursts["service and worker"] = Burst(Series([50.0] * 1_000), Series([1.0]), burst, 1.0)
    hooks.bursts["service alone"] = Burst(Series([90.0] * 1_000), Series([1.0]), burst, 1.0)
    hooks.bursts["floor"] = Burst(Series([2.0] * 1_000), Series([1.0]), burst, 1.0)
    cases = [
        Case(
            ONBOARDING,
            side(15_000, 30 * applications, samples=1),
            side(10_000, 4 * applications, samples=1),
            of_each=applications,
        ),
        Case(PUSH, side(push_ms, push_cpu_ms, own_ms=40), side(100, 20, own_ms=10)),
        Case(EDIT, side(20, 10), side(10, 3)),
    ]
    return {
        "shape": shape,
        "applications": applications,
        "cases": [case.described() for case in cases],
        "memory_mb": {"together": 200.0, "floor": 40.0},
        "idle": Idle(60, 0.2, {}).described(),
        "acknowledgement": hooks.described(),
        "cold": Cold(Series([1_000.0]), Series([900.0]), Series([200.0])).described(),
    }


def on_the_line() -> Results:
    return [
        result("web", 1_000, push_ms=150, push_cpu_ms=50),
        result("configmap", 100, push_ms=150, push_cpu_ms=45),
        result("configmap", 10_000, push_ms=180, push_cpu_ms=50),
    ]


def renders(*, over_ms: float) -> dict[str, Any]:
    beside = [
        {"tool": tool, "over": {"p50_ms": over_ms}, "ours": {"p50_ms": 60.0}, "bare": {"p50_ms": 45.0}}
        for tool in ("helm template", "kustomize build", "jsonnet")
    ]
    again = {"restarted": {"seconds": 5.0, "renders": 0}, "overlay": {"renders": 1}, "base": {"renders": 100}}
    return {"shape": "renders", "applications": 1_000, "beside": beside, **again, "overlays": 100}


def verdicts(results: Results) -> dict[tuple[str, str], str]:
    return {(row.what, row.applications): row.verdict for row in rows(results)}


def case(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in found["cases"] if one["name"] == name)


def test_a_figure_that_is_just_as_asked_is_reached() -> None:
    found = verdicts([*on_the_line(), renders(over_ms=15)])
    assert len(found) == len(TARGETS)
    assert set(found.values()) == {REACHED}


def push_ratio(web: dict[str, Any], _: dict[str, Any]) -> None:
    case(web, PUSH)["ratio"] += EPSILON


def own_share(web: dict[str, Any], _: dict[str, Any]) -> None:
    case(web, PUSH)["product"]["parts"][OWN_SHARE]["p50_ms"] += EPSILON


def push_cpu(web: dict[str, Any], _: dict[str, Any]) -> None:
    case(web, PUSH)["product"]["cpu_seconds_each"] += EPSILON


def edit_ratio(web: dict[str, Any], _: dict[str, Any]) -> None:
    case(web, EDIT)["ratio"] += EPSILON


def edit_p99(web: dict[str, Any], _: dict[str, Any]) -> None:
    case(web, EDIT)["product"]["p99_ms"] = 100.1


def edit_cpu(web: dict[str, Any], _: dict[str, Any]) -> None:
    case(web, EDIT)["product"]["cpu_seconds_each"] += EPSILON


def onboarding_ratio(web: dict[str, Any], _: dict[str, Any]) -> None:
    case(web, ONBOARDING)["ratio"] += EPSILON


def onboarding_cpu(web: dict[str, Any], _: dict[str, Any]) -> None:
    case(web, ONBOARDING)["product"]["cpu_seconds_each"] += 1_000 * EPSILON


def memory(web: dict[str, Any], _: dict[str, Any]) -> None:
    web["memory_mb"]["together"] += EPSILON


def idle(web: dict[str, Any], _: dict[str, Any]) -> None:
    web["idle"]["cpu_seconds"] += EPSILON


def acknowledged_late(web: dict[str, Any], _: dict[str, Any]) -> None:
    web["acknowledgement"]["bursts"]["service and worker"]["p99_ms"] += EPSILON


def acknowledged_with_an_error(web: dict[str, Any], _: dict[str, Any]) -> None:
    web["acknowledgement"]["bursts"]["service and worker"]["answers"] = {"202": 14_999, "503": 1}


def not_acknowledged(web: dict[str, Any], _: dict[str, Any]) -> None:
    web["acknowledgement"]["bursts"]["service and worker"]["answers"] = {"202": 14_999, "none": 1}


def cold_start(web: dict[str, Any], _: dict[str, Any]) -> None:
    web["cold"]["answered"]["p50_ms"] += EPSILON


def ratio_grows(_: dict[str, Any], large: dict[str, Any]) -> None:
    case(large, PUSH)["ratio"] += EPSILON


def large_cpu(_: dict[str, Any], large: dict[str, Any]) -> None:
    """It is both over the floor's and no longer flat."""
    case(large, PUSH)["product"]["cpu_seconds_each"] += EPSILON


def a_second_fetch(_: dict[str, Any], large: dict[str, Any]) -> None:
    case(large, PUSH)["product"]["work_each"]["git fetches"] = 1.02


def a_list(_: dict[str, Any], large: dict[str, Any]) -> None:
    case(large, PUSH)["product"]["work_each"]["LISTs of Applications"] = 0.02


@pytest.mark.parametrize(
    ("spoil", "missed"),
    [
        (push_ratio, {("push → synced, p50", "1,000")}),
        (own_share, {("· own share, p50", "1,000")}),
        (push_cpu, {("· CPU over the floor's", "1,000")}),
        (edit_ratio, {("live edit → OutOfSync, p50", "1,000")}),
        (edit_p99, {("· p99", "1,000")}),
        (edit_cpu, {("· CPU", "1,000")}),
        (onboarding_ratio, {("onboarding", "1,000")}),
        (onboarding_cpu, {("· CPU each", "1,000")}),
        (memory, {("memory, service and worker", "1,000")}),
        (idle, {("idle, CPU in 30 s", "1,000")}),
        (acknowledged_late, {("webhook → answered, p99", "1,000")}),
        (acknowledged_with_an_error, {("webhook → answered, p99", "1,000")}),
        (not_acknowledged, {("webhook → answered, p99", "1,000")}),
        (cold_start, {("service started → first 202, p50", "1,000")}),
        (ratio_grows, {("push, ratio against 100", "10,000")}),
        (large_cpu, {("· CPU over the floor's", "10,000"), ("· the same against 100", "10,000")}),
        (a_second_fetch, {("· fetches / renders / LISTs", "10,000")}),
        (a_list, {("· fetches / renders / LISTs", "10,000")}),
    ],
)
def test_a_figure_over_its_target_is_not_reached_and_no_other_is_blamed(
    spoil: Callable[[dict[str, Any], dict[str, Any]], None], missed: Iterable[tuple[str, str]]
) -> None:
    web, small, large = copy.deepcopy(on_the_line())
    spoil(web, large)
    found = verdicts([web, small, large])
    assert {row for row, verdict in found.items() if verdict == MISSED} == set(missed)


def test_what_was_measured_at_another_size_or_not_at_all_gets_no_verdict() -> None:
    found = list(rows([result("web", 4, push_ms=9_000, push_cpu_ms=9_000)]))
    assert {row.verdict for row in found} == {"not at 1,000", NOT_MEASURED}
    assert all(row.measured for row in found if row.applications == "4")
    assert all(not row.measured for row in found if row.applications == "10,000")


def test_sizes_of_two_runs_are_compared_and_one_size_alone_with_nothing() -> None:
    against = ("push, ratio against 100", "10,000")
    assert verdicts(on_the_line()[1:])[against] == REACHED
    assert verdicts(on_the_line()[2:])[against] == NOT_MEASURED


@pytest.mark.parametrize("less", [{"seconds": 29.0}, {"per_second": 499.0}])
def test_too_few_samples_and_too_small_a_load_get_no_verdict(less: dict[str, float]) -> None:
    web, *_ = on_the_line()
    case(web, EDIT)["product"]["p99_ms"] = None
    web["acknowledgement"] |= less
    found = verdicts([web])
    assert found["· p99", "1,000"] == found["webhook → answered, p99", "1,000"] == ""


def test_what_was_left_out_is_not_measured() -> None:
    web, *_ = on_the_line()
    web |= {"cases": web["cases"][:1], "idle": None, "cold": None, "acknowledgement": None}
    found = verdicts([web])
    measured = {row for row, verdict in found.items() if verdict != NOT_MEASURED}
    assert measured == {("onboarding", "1,000"), ("· CPU each", "1,000"), ("memory, service and worker", "1,000")}


def test_a_render_that_is_slower_or_made_again_is_not_reached() -> None:
    slow = renders(over_ms=15.1)
    slow["restarted"]["renders"] = 1
    slow["base"]["renders"] = 101
    found = {row.what: row.verdict for row in rows([slow], shapes=["renders"])}
    assert found
    assert REACHED not in found.values()
