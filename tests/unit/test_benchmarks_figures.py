"""What the benchmark may say, and what it counts as cost."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmarks.figures import Case, Series, Side
from benchmarks.processes import cpu_seconds, paused, pss_bytes
from benchmarks.report import size
from benchmarks.timeline import Step, Timeline
from tests.support.wait import wait_until
from trueup.clients.process import PIPE, base_environment, run, spawn

BURN = "import time\nwhile time.process_time() < 0.3: pass"
#: A tick of the kernel's clock, with room.
TICKS_SECONDS = 0.05


def series(count: int) -> Series:
    return Series([float(number) for number in range(1, count + 1)])


def test_a_99th_percentile_takes_a_thousand_samples() -> None:
    assert series(999).p99 is None
    p99 = series(1_000).p99
    assert p99 is not None
    assert 990 <= p99 <= 991


def test_a_median_of_fewer_than_a_hundred_samples_is_printed_in_brackets() -> None:
    def printed(count: int) -> str:
        side = Side(times=series(count))
        return "\n".join(size(1, 3, [Case("event", side, side)], None, {}))

    assert "| (50.0) |" in printed(99)
    assert "| 50.5 |" in printed(100)


async def test_the_cost_of_a_child_that_has_ended_is_counted() -> None:
    before = cpu_seconds([os.getpid()])
    await run([sys.executable, "-c", BURN], env=base_environment(), timeout_seconds=60, output_bytes_max=1_000)
    assert cpu_seconds([os.getpid()]) - before >= 0.3 - TICKS_SECONDS


async def test_memory_is_that_of_the_descendants_too() -> None:
    shell = ["sh", "-c", '"$0" -c "$1"; true', sys.executable, "hold = b'x' * 64_000_000\ninput()"]
    child = await spawn(shell, env=base_environment(), stdin=PIPE)
    try:
        await wait_until(lambda: pss_bytes([child.pid]) > 64e6, 30, "the shell's child holds its bytes")
    finally:
        await child.terminate(grace_seconds=5)


async def test_who_is_paused_stands_still_and_goes_on() -> None:
    child = await spawn(["sleep", "60"], env=base_environment())

    def state() -> str:
        return Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0]

    try:
        with paused([child.pid]):
            await wait_until(lambda: state() == "T", 5, "it stands still")
        await wait_until(lambda: state() == "S", 5, "it goes on")
    finally:
        await child.terminate(grace_seconds=5)


def test_a_step_that_comes_twice_is_two_steps_and_a_rare_one_is_left_out() -> None:
    timeline = Timeline()
    for number in range(4):
        rare = [Step("a hiccup", 100.05)] if number == 0 else []
        steps = [Step("write", 100.03, 0.002), Step("write", 100.01, 0.001), Step("before", 99.0), *rare]
        timeline.add(100.0, steps)
    rows = [line.split("|")[1:-1] for line in list(timeline.said())[2:]]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["10.0", "1.0", "4", "write"],
        ["30.0", "2.0", "4", "write (2)"],
    ]
