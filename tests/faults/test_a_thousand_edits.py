"""A thousand edits by three people over two hundred applications, with the connections cut at random."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.faults.conftest import Troubled
from tests.support.api_proxy import proxy_to
from tests.support.fixtures import in_own_task
from tests.support.fleet import EDITS, PLACES, Fleet, fleet
from tests.support.product import Installation, installation, kubeconfig, sync_status
from tests.support.sandbox import SandboxFacts
from tests.support.slack import slack
from trueup.clients.cluster import Cluster
from trueup.clients.incident_records import read_record
from trueup.domain.incident import Incident
from trueup.sandbox import SlackServer, render_text

__all__ = ["slack"]

SHIPS = 200
EDITS_EACH = 5
SEEN_SECONDS_MAX = 300.0
#: The fifth heal of a revision waits 54 seconds; the rest is for a busy machine.
HEALED_SECONDS_MAX = 300.0
TOLD_SECONDS_MAX = 300.0
CUT_SECONDS_MEAN = 5.0
SEED = 4711


@pytest_asyncio.fixture(loop_scope="session")
async def told(
    sandbox: SandboxFacts, cluster: Cluster, valkey_url: str, tmp_path: Path, slack: SlackServer
) -> AsyncIterator[Troubled]:
    settings = {
        "TRUEUP_SLACK_TOKEN": slack.token,
        "TRUEUP_SLACK_CHANNEL": slack.channel,
        "TRUEUP_SLACK_API_URL": slack.url,
        "TRUEUP_WATCH_RETRY_SECONDS_MAX": "1",
    }
    async with (
        in_own_task(proxy_to(sandbox)) as proxy,
        in_own_task(installation(sandbox, cluster, tmp_path, valkey_url, **settings)) as trueup,
    ):
        trueup.kubeconfig = kubeconfig(tmp_path / "through-proxy", proxy.url, sandbox.users["trueup"])
        await trueup.start_both()
        yield Troubled(trueup, proxy)


@pytest.mark.timeout(1200)
async def test_every_edit_is_seen_healed_and_told_once(told: Troubled, slack: SlackServer) -> None:
    async with fleet(told.trueup, SHIPS, seed=SEED) as ships:
        edited = {name: ships.chance.sample(sorted(EDITS), EDITS_EACH) for name in ships.names}
        cutting = asyncio.create_task(_cut_at_random(told))
        try:
            async with asyncio.TaskGroup() as group:
                for name in ships.names:
                    group.create_task(_edit_one_by_one(ships, name, edited[name]))
        finally:
            cutting.cancel()
            await asyncio.wait({cutting})
        await told.trueup.at_rest()
        assert await ships.untrue() == {}, "no status is wrong at the end"
        assert await ships.replaced() == set(), "nothing was pruned or made anew"
        found = await _every_incident(told.trueup)
        assert {one.application.name for one in found} == set(ships.names)
        assert not [one for one in found if one.is_open]
        assert _not_on_record(edited, found) == set(), "each edit is on record"
        await slack.until(lambda server: _all_resolved(server, len(found)), TOLD_SECONDS_MAX)
        assert len(slack.messages) == len(found), "one message for each incident"


async def _edit_one_by_one(ships: Fleet, name: str, edits: list[str]) -> None:
    """Each is seen and healed before the next."""
    for what in edits:
        drifted = ships.sightings.expect([name], lambda raw: sync_status(raw) == "OutOfSync")
        await ships.edit(name, what)
        await ships.sightings.until(drifted, f"{what} of {name} is seen", seconds_max=SEEN_SECONDS_MAX)
        await ships.until_healed([name], seconds_max=HEALED_SECONDS_MAX)


async def _cut_at_random(told: Troubled) -> None:
    chance = random.Random(SEED)  # noqa: S311 -- no secret
    while True:
        await asyncio.sleep(chance.expovariate(1 / CUT_SECONDS_MEAN))
        told.proxy.cut_all()


async def _every_incident(trueup: Installation) -> list[Incident]:
    resource = await trueup.cluster.resource("trueup.dev", "Incident")
    page = await trueup.cluster.list_all(resource, trueup.namespace)
    return [read_record(raw) for raw in page.items]


def _not_on_record(edited: dict[str, list[str]], found: list[Incident]) -> set[tuple[str, str]]:
    """An edit that comes while its predecessor's incident is open joins it; its place is noted all the same."""
    noted = {(one.application.name, flip.path) for one in found for flip in one.flips}
    return {(name, PLACES[what]) for name, edits in edited.items() for what in edits} - noted


def _all_resolved(server: SlackServer, count: int) -> bool:
    shown = [render_text(message) for message in server.messages.values()]
    return len(shown) >= count and all("is Synced again" in text for text in shown)
