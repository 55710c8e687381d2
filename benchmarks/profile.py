"""Where the time of a push and of a live edit goes: a timeline, then a profile of both halves."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import cases, hotspots
from benchmarks.cases import EVENT_SECONDS_MAX, Plan
from benchmarks.stage import GAP_SECONDS, HALVES, PRODUCT, Stage, stage
from benchmarks.timeline import Step, Timeline, of_audit, of_log
from tests.support.audit import audit_events
from tests.support.product import is_synced
from tests.support.wait import wait_until

SWITCH_SECONDS_MAX = 10.0


@dataclass(frozen=True)
class Sample:
    """When one event was sent, and what was seen of it from outside; monotonic seconds."""

    sent: float
    seen: Mapping[str, float]


async def push(place: Stage, plan: Plan, number: int) -> Sample:
    name = plan.name(number)
    revision = await place.monorepo.touch(name)
    seen = place.sightings.expect([name], is_synced(revision))
    sent = time.monotonic()
    await place.webhook(PRODUCT)
    answered = time.monotonic()
    at = await place.sightings.until(seen, f"{name} is synced", seconds_max=EVENT_SECONDS_MAX)
    return Sample(sent, {"the webhook is answered": answered, "seen as Synced": at})


async def edit(place: Stage, plan: Plan, number: int) -> Sample:
    sent, answered, at = await cases.edit_seen(place, place.edit(number), plan.name(number))
    return Sample(sent, {"the edit is answered": answered, "seen as OutOfSync": at})


async def nothing_to_undo(_place: Stage, _plan: Plan, _numbers: Sequence[int]) -> None:
    """A push stays."""


@dataclass(frozen=True)
class Kind:
    """A kind of event, and how what it leaves behind is cleared away."""

    name: str
    one: Callable[[Stage, Plan, int], Awaitable[Sample]]
    undo: Callable[[Stage, Plan, Sequence[int]], Awaitable[None]]


KINDS = (Kind("push → synced", push, nothing_to_undo), Kind("live edit → OutOfSync", edit, cases.edits_undone))


async def profiled(directory: Path, plan: Plan, say: Callable[[str], None], settings: Mapping[str, str]) -> None:
    """Print both for each kind of event."""
    profiles = directory / "profiles"
    profiles.mkdir()
    command = (sys.executable, "-m", "benchmarks.profiler", profiles)
    settings = {**settings, "PYTHONPATH": str(hotspots.CHECKOUT)}
    # No application twice: what one edit leaves behind would meet the next.
    numbers = range(min(plan.samples, len(plan.names)))
    async with stage(directory, list(plan.names), plan.shape, say=say, settings=settings, command=command) as place:
        say("Onboarding")
        await cases.onboarding(place, plan)
        for kind in KINDS:
            say(f"{kind.name}: timeline")
            timeline = await _timed(place, plan, kind, numbers)
            say(f"{kind.name}: profile")
            found = await _profiled(place, plan, kind, numbers, profiles)
            print(f"\n### {kind.name} at {len(plan.names):,} applications\n")
            for line in timeline.said():
                print(line)
            for half, written in found.items():
                for line in hotspots.said(half, written, len(numbers)):
                    print(line)


async def _timed(place: Stage, plan: Plan, kind: Kind, numbers: Sequence[int]) -> Timeline:
    timeline = Timeline()
    log = place.trueup.log("worker")
    async with audit_events(place.trueup.sandbox) as audit:
        for number in numbers:
            said_before = log.stat().st_size
            sample = await kind.one(place, plan, number)
            # Long enough for audit events, too.
            await place.quiet(PRODUCT)
            since_epoch = time.time() - time.monotonic()
            seen = [Step(what, at + since_epoch) for what, at in sample.seen.items()]
            said = log.read_bytes()[said_before:]
            timeline.add(sample.sent + since_epoch, [*seen, *of_log(said), *of_audit(audit)])
        await kind.undo(place, plan, numbers)
    await place.caught_up()
    return timeline


async def _profiled(place: Stage, plan: Plan, kind: Kind, numbers: Sequence[int], profiles: Path) -> Mapping[str, Path]:
    """The profile of each half over these events."""
    await _switch(place, profiles, "on")
    for number in numbers:
        await kind.one(place, plan, number)
        await place.quiet(PRODUCT, GAP_SECONDS)
    await place.quiet(PRODUCT)
    await _switch(place, profiles, "prof")
    found = {half: (profiles / f"{half}.prof").rename(profiles / f"{half} {kind.name}") for half in HALVES}
    await kind.undo(place, plan, numbers)
    await place.caught_up()
    return found


async def _switch(place: Stage, profiles: Path, suffix: str) -> None:
    for half in HALVES:
        os.kill(place.trueup.children[half].pid, signal.SIGUSR1)
        await wait_until((profiles / f"{half}.{suffix}").exists, SWITCH_SECONDS_MAX, f"the profiler of the {half}")
