"""`python -m benchmarks.attribution`: from an edit to the record that names who made it.

Measured on an idle sandbox from the moment the edit is sent, by a watch on the incidents: with the audit events of
the API server the user, without them the field manager.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.audit import audited
from tests.support.drift import person
from tests.support.product import AUTOMATED, Installation, config_map, installation, is_synced
from tests.support.sandbox import read_facts
from trueup.clients.cluster import Cluster
from trueup.clients.credentials import KubeconfigSource
from trueup.clients.incident_records import GROUP, KIND, read_record
from trueup.clients.informer import Informer
from trueup.domain.incident import Field
from trueup.sandbox.sandbox import running
from trueup.sandbox.valkey import valkey_server

EDITS = 50
#: What the issue asks for, on an idle sandbox.
MILLISECONDS_MAX = 100.0
ANSWER_SECONDS_MAX = 30.0
#: Longer than whatever an edit still has to write.
GAP_SECONDS = 0.3
NAME = "names"
OBJECT = "mood"
PEOPLE = ("alice", "bob")


@dataclass
class Lookout:
    """The latest record of each place, and who waits for one."""

    seen: dict[str, Field] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def observe(self, _old: Any, new: Any) -> None:
        if new is not None:
            record = read_record(new)
            self.seen |= {item.path: item for each in record.objects for item in each.fields}
            self.changed.set()

    async def until(self, holds: Callable[[Field], bool]) -> None:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            while not any(map(holds, self.seen.values())):
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def watching(trueup: Installation) -> AsyncIterator[Lookout]:
    lookout = Lookout()
    resource = await trueup.cluster.resource(GROUP, KIND)
    informer = Informer(trueup.cluster, resource, namespace=trueup.namespace, on_change=lookout.observe)
    task = asyncio.create_task(informer.run())
    try:
        await informer.synced()
        yield lookout
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def edits(trueup: Installation, count: int, what: str, holds: Callable[..., bool]) -> list[float]:
    """The milliseconds from each edit to its name; the two people take turns."""
    took = []
    async with AsyncExitStack() as stack:
        people = {name: await stack.enter_async_context(person(trueup, name)) for name in PEOPLE}
        lookout = await stack.enter_async_context(watching(trueup))
        for number in range(count + 1):
            who = PEOPLE[number % 2]
            value = f"{what}-{number}"
            patch = {"data": {"mood": value}}
            resource = await people[who].resource("", "ConfigMap")
            sent_at = time.monotonic()
            await people[who].merge_patch(resource, trueup.delivered_to, OBJECT, patch, field_manager="kubectl-edit")
            await lookout.until(partial(_tells, live=f'"{value}"', holds=partial(holds, who=who)))
            took.append((time.monotonic() - sent_at) * 1000)
            await asyncio.sleep(GAP_SECONDS)
    # The first one opens connections.
    return took[1:]


def _tells(seen: Field, *, live: str, holds: Callable[[Field], bool]) -> bool:
    return seen.live == live and holds(seen)


def _by_manager(seen: Field, who: str) -> bool:
    del who
    return str(seen.attribution) == "kubectl-edit"


def _by_person(seen: Field, who: str) -> bool:
    return str(seen.attribution) == f"{who} with kubectl-edit"


async def measure(directory: Path, sandbox: Path | None, count: int) -> dict[str, list[float]]:
    async with AsyncExitStack() as stack:
        if sandbox is None:
            sandbox = directory / "sandbox"
            await stack.enter_async_context(running(sandbox, progress=_say))
        facts = read_facts(sandbox)
        cluster = await stack.enter_async_context(Cluster(KubeconfigSource(str(facts.kubeconfig))))
        valkey = await stack.enter_async_context(valkey_server(directory / "valkey"))
        trueup = await stack.enter_async_context(installation(facts, cluster, directory, valkey))
        await trueup.start_both()
        repository = await trueup.repository()
        revision = await repository.push({"app/one.yaml": config_map(OBJECT, mood="calm")})
        await trueup.apply(NAME, repository.url, syncPolicy=AUTOMATED)
        await trueup.until(NAME, is_synced(revision), "synced")
        await trueup.all_watched()
        without = await edits(trueup, count, "unnamed", _by_manager)
        async with audited(trueup):
            named = await edits(trueup, count, "named", _by_person)
        return {"the user, by the audit log": named, "the field manager, without it": without}


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def main() -> int:
    """Print the figures; the exit code is 1 where the user is not named in time."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attribution", description=__doc__)
    parser.add_argument("--edits", type=int, default=EDITS)
    parser.add_argument("--sandbox", type=Path, help="the folder of a sandbox that runs; else one is started")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="trueup-attribution-") as folder:
        found = asyncio.run(measure(Path(folder), arguments.sandbox, arguments.edits))
    print(f"From an edit to the record that names its author, {arguments.edits} edits each, in milliseconds;")
    print(f"the load of the machine at the end was {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors.")
    print(f"{'':34}{'p50':>8}{'p95':>8}{'max':>8}")
    late = False
    for what, took in found.items():
        p95 = statistics.quantiles(took, n=20, method="inclusive")[-1]
        print(f"{what:34}{statistics.median(took):8.1f}{p95:8.1f}{max(took):8.1f}")
        late = late or p95 > MILLISECONDS_MAX
    return int(late)


if __name__ == "__main__":
    sys.exit(main())
