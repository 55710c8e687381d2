"""`python -m benchmarks`: measure, print, and end."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import cases, machine, profile, report
from benchmarks.cases import Plan
from benchmarks.figures import Case
from benchmarks.monorepo import names
from benchmarks.stage import stage

SIZES = (100, 1_000)
SAMPLES = 100
EDITS = 1_000
IDLE_SECONDS = 60.0
CHECKOUT = Path(__file__).parent.parent
#: A sweep in the middle would be counted as part of whatever is measured.
SETTINGS = {"TRUEUP_SWEEP_INTERVAL_SECONDS": "86400"}
EVENTS = {"push": cases.push, "edit": cases.live_edit, "heal": cases.heal}

Say = Callable[[str], None]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--applications", type=_count, nargs="+", default=SIZES, help="the sizes to measure at")
    parser.add_argument("--samples", type=_count, help=f"pushes and heals, {SAMPLES} where nothing is said")
    parser.add_argument("--edits", type=_count, help=f"live edits, as many as samples or else {EDITS}")
    parser.add_argument("--idle-seconds", type=float, default=IDLE_SECONDS, help="0 leaves it out")
    parser.add_argument("--events", nargs="*", choices=EVENTS, default=tuple(EVENTS), help="beside onboarding")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    parser.add_argument("--profile", action="store_true", help="say instead where the time of an event goes")
    return parser.parse_args()


def _count(text: str) -> int:
    if (count := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{count} is not a count of anything; say 1 or more")
    return count


async def measured(directory: Path, plan: Plan, wanted: Sequence[str], say: Say) -> dict[str, Any]:
    """Everything at one size, on a sandbox of its own; printed, and returned for the file."""
    count = len(plan.names)
    async with stage(directory, list(plan.names), say=say, settings=SETTINGS) as place:
        described = await machine.described(place, CHECKOUT)
        say("Onboarding")
        found: list[Case] = [await cases.onboarding(place, plan)]
        idle = None
        if plan.idle_seconds:
            say(f"Idle for {plan.idle_seconds:g} s")
            idle = await cases.idle(place, plan)
        for name in wanted:
            say(f"Events: {name}")
            found.append(await EVENTS[name](place, plan))
        memory = cases.memory(place)
        say("Onboarding, the floor")
        await cases.onboarding_floor(place, plan, found[0])
    for line in (*report.machine(described), *report.size(count, found, idle, memory)):
        print(line, flush=True)
    return {
        "applications": count,
        "machine": described,
        "cases": [case.described() for case in found],
        "idle": idle and idle.described(),
        "memory_mb": memory,
    }


async def run(asked: argparse.Namespace) -> None:
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - began:6.1f} s] {line}", file=sys.stderr, flush=True)

    results = []
    for count in asked.applications:
        samples = asked.samples or SAMPLES
        plan = Plan(names(count), samples, asked.edits or asked.samples or EDITS, asked.idle_seconds)
        with tempfile.TemporaryDirectory(prefix="trueup-bench-") as directory:
            if asked.profile:
                await profile.profiled(Path(directory), plan, say, SETTINGS)
            else:
                results.append(await measured(Path(directory), plan, asked.events, say))
    if asked.json and results:
        asked.json.write_text(json.dumps(results, indent=2) + "\n")
    say("Done")


def main() -> None:
    try:
        asyncio.run(run(arguments()))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
