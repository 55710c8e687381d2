"""The benchmark measures what it says, at a size that proves nothing about speed."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from trueup.clients.process import run

CHECKOUT = Path(__file__).parents[2]
SECONDS_MAX = 240.0
EVENTS = ("onboarding", "push → synced", "live edit → OutOfSync", "live edit → healed")


async def bench(tmp_path: Path, *arguments: str) -> str:
    done = await run(
        [sys.executable, "-m", "benchmarks", "--samples", "2", *arguments],
        cwd=CHECKOUT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        timeout_seconds=SECONDS_MAX,
        output_bytes_max=1024 * 1024,
    )
    assert done.returncode == 0, done.stderr.decode()[-4000:]
    return done.stdout.decode()


def calls(side: dict[str, Any]) -> dict[str, float]:
    return {name: count for name, count in side["work_each"].items() if name in {"git fetches", "APPLY", "LIST"}}


def table(printed: str) -> str:
    return printed.partition("### What is to be reached")[2].strip()


async def test_every_event_stands_beside_its_floor_with_its_count_its_costs_and_its_calls(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    hooks = ("--hooks-per-second", "20", "--hook-seconds", "1", "--hook-repositories", "3", "--cold-starts", "2")
    printed = await bench(tmp_path, "--applications", "4", "--idle-seconds", "0.5", *hooks, "--json", str(file))
    (found,) = json.loads(file.read_bytes())
    cases = {case["name"]: case for case in found["cases"]}
    assert tuple(cases) == EVENTS
    for name, case in cases.items():
        for side in ("product", "floor"):
            assert case[side]["samples"] == (1 if name == "onboarding" else 2)
            assert 0 < case[side]["p50_ms"] <= case[side]["max_ms"]
            assert case[side]["p99_ms"] is None, "from so few samples there is none"
        assert case["ratio"] == pytest.approx(case["product"]["p50_ms"] / case["floor"]["p50_ms"])
        assert f"| {name}" in printed
    push = cases["push → synced"]
    for side in ("product", "floor"):
        assert calls(push[side]) == {"git fetches": 1, "APPLY": 1}, "and no LIST"
    assert cases["live edit → healed"]["floor"]["work_each"]["APPLY"] == 1
    assert found["memory_mb"]["together"] > found["memory_mb"]["worker"] > 0
    expected = (" redis ", " WATCH ", " PATCH leases")
    assert not [call for call in found["idle"]["calls"] if not any(word in call for word in expected)]
    for burst in found["acknowledgement"]["bursts"].values():
        assert burst["answers"] == {"202": 20}
        assert burst["samples"] == burst["sender_late"]["samples"] == 20
        assert burst["sender_late"]["max_ms"] <= burst["max_ms"]
    assert found["acknowledgement"]["body_bytes"] >= 20 * 1024
    assert {found["cold"][name]["samples"] for name in ("answered", "imported", "floor")} == {2}
    assert "| push → synced, p50" in table(printed)
    assert table(await bench(tmp_path, "--table-of", str(file))) == table(printed), "the same from the file"


async def test_two_sizes_of_another_shape_have_that_shapes_calls_and_are_compared(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    sizes = ("--shape", "configmap", "--applications", "2", "3", "--events", "push")
    nothing_else = ("--idle-seconds", "0", "--hooks-per-second", "0", "--cold-starts", "0")
    printed = await bench(tmp_path, *sizes, *nothing_else, "--json", str(file))
    found = json.loads(file.read_bytes())
    assert [result["applications"] for result in found] == [2, 3]
    for result in found:
        onboarding, push = result["cases"]
        assert calls(onboarding["floor"]) == {"APPLY": result["applications"]}
        assert push["floor"]["work_each"]["GET"] == 2, "the Application and its one object"
        assert calls(push["product"]) == {"git fetches": 1, "APPLY": 1}
    (growth,) = (line for line in table(printed).splitlines() if line.startswith("| push, ratio against 100"))
    assert " against " in growth
    assert "not at 10,000" in growth
    (made,) = (line for line in table(printed).splitlines() if line.startswith("| · fetches / renders / LISTs"))
    assert made.count("1 / 1 / 0") == 2, "what is to be reached and what was measured"


async def test_the_profile_has_a_timeline_and_both_halves_of_each_kind_of_event(tmp_path: Path) -> None:
    printed = await bench(tmp_path, "--applications", "4", "--profile")
    for what in ("### push → synced", "### live edit → OutOfSync"):
        _, _, section = printed.partition(what)
        for said in ("seen as ", "API server: patch applications", "The service: ", "The worker: "):
            assert said in section
        assert "workers/pipeline.py" in section
