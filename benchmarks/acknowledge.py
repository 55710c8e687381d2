"""How soon webhooks are answered that come at a fixed rate, to many repositories."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from benchmarks.figures import Acknowledgement, Burst, Series
from benchmarks.processes import paused
from benchmarks.sender import Message, Order
from benchmarks.stage import FLOOR, PRODUCT, Stage, each
from tests.support.git import git
from tests.support.github import delivery, push_of
from tests.support.product import config_map, sync_status
from trueup.clients.process import base_environment, run
from trueup.sandbox import create_repository

CHECKOUT = Path(__file__).parent.parent
WITH_WORKER, SERVICE_ALONE = "service and worker", "service alone"
REPOSITORIES = 50
BODY_BYTES = 20 * 1024
CONNECTIONS = 64
ANSWER_SECONDS_MAX = 30.0
FOLLOWED_SECONDS_MAX = 120.0
OUTPUT_BYTES_MAX = 64 * 1024 * 1024


@dataclass(frozen=True)
class Stream:
    """How many webhooks come, and for how long."""

    per_second: float
    seconds: float
    repositories: int


async def acknowledgement(place: Stage, stream: Stream) -> Acknowledgement:
    """The product with its worker, then the service while the worker stands still, then the floor.

    The first is how people have it. The second takes away what the worker's own work costs the service
    where both, the Git server and the sender share the cores.
    """
    urls = await _followed_repositories(place, stream.repositories)
    messages = [_message(url) for url in urls]
    found = Acknowledgement(stream.per_second, stream.seconds, stream.repositories, len(messages[0].body))
    await place.caught_up()
    found.bursts[WITH_WORKER] = await _burst(place, PRODUCT, stream, messages)
    await place.caught_up()
    with paused([place.trueup.children["worker"].pid]):
        found.bursts[SERVICE_ALONE] = await _burst(place, PRODUCT, stream, messages)
    await place.caught_up()
    with paused(place.product):
        found.bursts[FLOOR] = await _burst(place, FLOOR, stream, messages)
    await place.caught_up()
    return found


async def _followed_repositories(place: Stage, count: int) -> list[str]:
    """The URLs of that many repositories with one application each, all of them known to the service."""
    facts, work = place.trueup.sandbox, place.trueup.directory / "hooked"
    names = [f"hooked-{number:02}" for number in range(count)]
    (work / "app").mkdir(parents=True)
    (work / "app" / "config.yaml").write_text(config_map("hooked"))
    await git(work, "init", "-q", "-b", "main")
    await git(work, "add", "-A")
    await git(work, "commit", "-q", "-m", "One application")

    async def one(name: str) -> None:
        await git(work, "push", "-q", str(await create_repository(facts.git_root, name)), "main")
        await place.trueup.apply(name, f"{facts.git_url}/{name}.git")

    seen = place.sightings.expect(names, sync_status)
    await each(names, one)
    await place.sightings.until(seen, "the repositories are followed", seconds_max=FOLLOWED_SECONDS_MAX)
    return [f"{facts.git_url}/{name}.git" for name in names]


def _message(url: str) -> Message:
    """A signed push of many commits, as large as is asked for or a little larger."""
    payload = json.loads(push_of(url))
    commit = payload["commits"][0]
    while len(body := json.dumps(payload).encode()) < BODY_BYTES:
        payload["commits"].append(commit)
    headers = delivery(body)
    del headers["X-GitHub-Delivery"]
    return Message(headers, body.decode())


async def _burst(place: Stage, side: str, stream: Stream, messages: Sequence[Message]) -> Burst:
    url = f"{place.address(side)}{'/-/acknowledge' if side == FLOOR else '/api/webhook'}"
    order = Order(url, stream.per_second, stream.seconds, CONNECTIONS, ANSWER_SECONDS_MAX, list(messages))
    before = place.cpu_seconds(side)
    done = await run(
        [sys.executable, "-m", "benchmarks.sender"],
        cwd=CHECKOUT,
        env=base_environment(),
        stdin=orjson.dumps(asdict(order)),
        timeout_seconds=stream.seconds + 2 * ANSWER_SECONDS_MAX,
        output_bytes_max=OUTPUT_BYTES_MAX,
    )
    spent = place.cpu_seconds(side) - before
    if done.returncode != 0:
        raise RuntimeError(f"the sender ended with {done.returncode}: {done.stderr.decode(errors='replace')}")
    found = await asyncio.to_thread(orjson.loads, done.stdout)
    times, lateness = (Series([1000 * seconds for seconds in found[name]]) for name in ("times", "lateness"))
    return Burst(times, lateness, found["answers"], spent)
