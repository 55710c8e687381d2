"""An application without a change costs nothing: a thousand of them, left alone for a minute."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.product import AUTOMATED, Metrics, config_map, installation, is_synced
from tests.support.sandbox import SandboxFacts
from tests.support.sightings import watching
from tests.support.wait import wait_until
from trueup.clients.cluster import Cluster

APPLICATIONS = 1_000
CREATED_IN_FLIGHT = 16
ONBOARDING_SECONDS_MAX = 600.0
IDLE_SECONDS = 60.0
#: By what they count: work for Git, for the API server beside watches and the Lease of the one who watches, and
#: for applications.
WORK = ("trueup_git_commands_total", "trueup_git_fetches_total", "trueup_renders_total", "trueup_jobs_run_total")
REQUESTS = "trueup_kubernetes_requests_total"


@pytest.mark.timeout(900)
async def test_a_thousand_applications_at_rest_cause_no_call_beyond_watches(
    sandbox: SandboxFacts, cluster: Cluster, valkey_url: str, tmp_path: Path
) -> None:
    settings = {"TRUEUP_SWEEP_INTERVAL_SECONDS": "86400"}
    async with installation(sandbox, cluster, tmp_path, valkey_url, **settings) as trueup:
        names = [f"rest-{number:04}" for number in range(APPLICATIONS)]
        repository = await trueup.repository()
        revision = await repository.push({f"{name}/one.json": config_map(name, mood="calm") for name in names})
        await trueup.start_both()
        async with watching(cluster, trueup.namespace) as sightings:
            slots = asyncio.Semaphore(CREATED_IN_FLIGHT)

            async def create(name: str) -> None:
                async with slots:
                    await trueup.apply(name, repository.url, path=name, syncPolicy=AUTOMATED)

            async with asyncio.TaskGroup() as group:
                for name in names:
                    group.create_task(create(name))
            sighting = sightings.expect(names, is_synced(revision))
            await sightings.until(sighting, "onboarded", seconds_max=ONBOARDING_SECONDS_MAX)
        await trueup.all_watched()
        await trueup.at_rest()
        before = {half: await trueup.metrics(half) for half in trueup.children}

        async def has_worked() -> bool:
            return any([_calls((await trueup.metrics(half)).since(before[half])) for half in trueup.children])

        with suppress(AssertionError):
            await wait_until(has_worked, IDLE_SECONDS, "anything at all")
        for half in trueup.children:
            assert _calls((await trueup.metrics(half)).since(before[half])) == {}, half


def _calls(counted: Metrics) -> dict[str, float]:
    """What was done, by counter, but watches and the Lease."""
    found = {name: counted.total(name) for name in WORK}
    for (name, labels), count in counted.samples.items():
        has = dict(labels)
        if name == REQUESTS and has.get("verb") != "WATCH" and has.get("resource") != "leases" and count:
            found[f"{has.get('verb')} {has.get('resource')}"] = count
    return {name: count for name, count in found.items() if count}
