"""`python -m benchmarks`: measure, print, and end."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks import cases, machine, profile, report
from benchmarks.acknowledge import REPOSITORIES, Stream, acknowledgement
from benchmarks.cases import Plan
from benchmarks.cold import cold
from benchmarks.figures import Case
from benchmarks.monorepo import names
from benchmarks.shapes import SHAPES, WEB
from benchmarks.stage import stage
from benchmarks.targets import HOOK_SECONDS, HOOKS_PER_SECOND, Result

SIZES = (100, 1_000)
SAMPLES = 100
EDITS = 1_000
IDLE_SECONDS = 60.0
COLD_STARTS = 10
CHECKOUT = Path(__file__).parent.parent
#: A sweep in the middle would be counted as part of whatever is measured.
SETTINGS = {"TRUEUP_SWEEP_INTERVAL_SECONDS": "86400"}
EVENTS = {"push": cases.push, "edit": cases.live_edit, "heal": cases.heal}

Say = Callable[[str], None]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--applications", type=_count, nargs="+", default=SIZES, help="the sizes to measure at")
    add("--shape", choices=SHAPES, default=WEB.name, help="what an application consists of")
    add("--samples", type=_count, help=f"pushes and heals, {SAMPLES} where nothing is said")
    add("--edits", type=_count, help=f"live edits, as many as samples or else {EDITS}")
    add("--idle-seconds", type=float, default=IDLE_SECONDS, help="0 leaves it out")
    add("--events", nargs="*", choices=EVENTS, default=tuple(EVENTS), help="beside onboarding")
    add("--hooks-per-second", type=float, default=HOOKS_PER_SECOND, help="at the largest size; 0 leaves them out")
    add("--hook-seconds", type=float, default=HOOK_SECONDS, help="for how long they come")
    add("--hook-repositories", type=_count, default=REPOSITORIES, help="to which they come in turn")
    add("--cold-starts", type=int, default=COLD_STARTS, help="0 leaves them out")
    add("--json", type=Path, help="write the figures to this file as well")
    add("--table-of", type=Path, nargs="+", metavar="FILE", help="measure nothing; judge what these files hold")
    add("--profile", action="store_true", help="say instead where the time of an event goes")
    return parser.parse_args()


def _count(text: str) -> int:
    if (count := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{count} is not a count of anything; say 1 or more")
    return count


def plans(asked: argparse.Namespace) -> Iterator[Plan]:
    """One for each size. Webhooks at a fixed rate are for the largest."""
    samples = asked.samples or SAMPLES
    edits = asked.edits or asked.samples or EDITS
    hooks = Stream(asked.hooks_per_second, asked.hook_seconds, asked.hook_repositories)
    for count in asked.applications:
        is_largest = count == max(asked.applications)
        yield Plan(
            names=names(count),
            shape=SHAPES[asked.shape],
            samples=samples,
            edits=edits,
            events=asked.events,
            idle_seconds=asked.idle_seconds,
            cold_starts=asked.cold_starts,
            hooks=hooks if is_largest and hooks.per_second else None,
        )


async def measured(directory: Path, plan: Plan, say: Say) -> dict[str, Any]:
    """Everything at one size, on a sandbox of its own; printed, and returned for the file."""
    count, objects = len(plan.names), len(plan.names) * len(plan.shape.files)
    async with stage(directory, list(plan.names), plan.shape, say=say, settings=SETTINGS) as place:
        described = await machine.described(place, CHECKOUT)
        say("Onboarding")
        found: list[Case] = [await cases.onboarding(place, plan)]
        idle = starts = answers = None
        if plan.idle_seconds:
            say(f"Idle for {plan.idle_seconds:g} s")
            idle = await cases.idle(place, plan)
        for name in plan.events:
            say(f"Events: {name}")
            found.append(await EVENTS[name](place, plan))
        memory = cases.memory(place)
        if plan.cold_starts:
            say("Cold starts")
            starts = await cold(place, plan.cold_starts)
        if plan.hooks:
            say(f"Webhooks, {plan.hooks.per_second:g} a second")
            answers = await acknowledgement(place, plan.hooks)
        say("Onboarding, the floor")
        await cases.onboarding_floor(place, plan, found[0])
    lines = [report.machine(described), report.size(count, objects, found, idle, memory)]
    lines += [report.cold(starts)] if starts else []
    lines += [report.acknowledgement(answers)] if answers else []
    for line in chain.from_iterable(lines):
        print(line, flush=True)
    return {
        "applications": count,
        "shape": plan.shape.name,
        "machine": described,
        "cases": [case.described() for case in found],
        "idle": idle and idle.described(),
        "memory_mb": memory,
        "cold": starts and starts.described(),
        "acknowledgement": answers and answers.described(),
    }


async def run(asked: argparse.Namespace) -> None:
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - began:6.1f} s] {line}", file=sys.stderr, flush=True)

    results = []
    for plan in plans(asked):
        with tempfile.TemporaryDirectory(prefix="trueup-bench-") as directory:
            if asked.profile:
                await profile.profiled(Path(directory), plan, say, SETTINGS)
            else:
                results.append(await measured(Path(directory), plan, say))
        # After each size: what the next one meets costs nothing of it.
        if asked.json and results:
            asked.json.write_text(json.dumps(results, indent=2) + "\n")
    if results:
        judge(results)
    say("Done")


def judge(results: Sequence[Result]) -> None:
    for line in report.targets(results):
        print(line, flush=True)


def main() -> None:
    asked = arguments()
    try:
        if asked.table_of:
            judge([result for file in asked.table_of for result in json.loads(file.read_bytes())])
        else:
            asyncio.run(run(asked))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
