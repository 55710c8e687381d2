"""Of the service's replicas one watches the cluster; whoever succeeds it finds what moved in between."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp

from tests.support.api_proxy import proxy_to
from tests.support.drift import DEPLOYMENT, edit
from tests.support.product import (
    AUTOMATED,
    STEP_SECONDS,
    Installation,
    config_map,
    is_synced,
    kubeconfig,
    sync_status,
)
from tests.support.sandbox import SandboxFacts
from tests.support.tcp_proxy import FaultyProxy, Seen
from tests.support.wait import wait_until

BRIEF = {
    "TRUEUP_WATCH_LEASE_SECONDS": "3",
    "TRUEUP_WATCH_LEASE_DEADLINE_SECONDS": "2",
    "TRUEUP_WATCH_LEASE_RENEW_SECONDS": "0.3",
    "TRUEUP_WATCH_RETRY_SECONDS_MAX": "0.5",
}
#: Nothing but a release hands this one over.
FOR_EVER = {"TRUEUP_WATCH_LEASE_SECONDS": "3600", "TRUEUP_WATCH_LEASE_DEADLINE_SECONDS": "3000"}
DELIVERED = {"ConfigMap", "Deployment"}


@dataclass
class Replica:
    """One process of the service, the proxy through which it speaks to the API server, and its directory."""

    place: Installation
    proxy: FaultyProxy

    async def kinds_watched(self) -> int:
        return int((await self.place.metrics("service")).total("trueup_watches"))

    async def holds(self) -> bool:
        return (await self.place.metrics("service")).total("trueup_lease_held") == 1

    async def is_ready(self) -> bool:
        address = f"http://{self.place.addresses('service')['ops_listen']}/readyz"
        async with aiohttp.ClientSession() as session, session.get(address) as answer:
            return answer.status == 200

    def watches_of_delivered(self) -> int:
        """Watches and lists that it asked for beyond what the service itself lives on."""
        return sum(
            any(part in seen.target for part in ("/v1/configmaps", "/v1/deployments")) for seen in self.proxy.requests
        )

    def signal(self, number: int) -> None:
        os.kill(self.place.children["service"].pid, number)


@asynccontextmanager
async def replicas(
    trueup: Installation, sandbox: SandboxFacts, settings: dict[str, str]
) -> AsyncIterator[list[Replica]]:
    """Two replicas beside one worker, and an application `harbour` that is synced; the first of them watches."""
    await trueup.start("worker")
    trueup.settings |= settings
    async with proxy_to(sandbox) as one, proxy_to(sandbox) as other:
        found = []
        for proxy, name in ((one, "one"), (other, "other")):
            directory = trueup.directory / name
            directory.mkdir()
            path = kubeconfig(Path(directory / "kubeconfig"), proxy.url, sandbox.users["trueup"])
            found.append(Replica(replace(trueup, directory=directory, children={}, kubeconfig=path), proxy))
        try:
            for replica in found:
                await replica.place.start("service")
            repository = await trueup.repository()
            files = {"app/one.yaml": config_map("one", mood="calm")}
            files["app/web.yaml"] = DEPLOYMENT.format(name="web", replicas=1, tag=1)
            revision = await repository.push(files)
            await trueup.apply("harbour", repository.url, syncPolicy=AUTOMATED)
            await trueup.until("harbour", is_synced(revision), "synced")
            holder = await watching(found)
            yield sorted(found, key=lambda each: each is not holder)
        finally:
            for replica in found:
                await replica.place.stop()


async def watching(found: list[Replica]) -> Replica:
    """The one replica that watches, once it does; no other has a watch then."""

    async def one() -> Replica | None:
        holders = [each for each in found if each.place.children and await each.holds()]
        counts = [await each.kinds_watched() for each in found if each.place.children]
        return holders[0] if len(holders) == 1 and max(counts) == len(DELIVERED) == sum(counts) else None

    return await wait_until(one, STEP_SECONDS, "one replica watches every kind")


async def edited(trueup: Installation, mood: str) -> None:
    await edit(trueup, "ConfigMap", "one", {"data": {"mood": mood}})


async def is_found(trueup: Installation, expected: str = "OutOfSync") -> None:
    await trueup.until("harbour", lambda raw: sync_status(raw) == expected, expected)
    await trueup.at_rest()


async def test_a_killed_watcher_is_succeeded_and_an_edit_made_in_between_is_found(
    trueup: Installation, sandbox: SandboxFacts
) -> None:
    async with replicas(trueup, sandbox, BRIEF) as (first, second):
        await edited(trueup, "stormy")
        await is_found(trueup)
        assert await second.is_ready(), "a replica that does not watch takes deliveries"
        assert not second.watches_of_delivered()
        await first.place.kill("service")
        await edited(trueup, "calm")
        await is_found(trueup, "Synced")
        assert await watching([first, second]) is second


async def test_a_stopped_watcher_hands_over_at_once(trueup: Installation, sandbox: SandboxFacts) -> None:
    async with replicas(trueup, sandbox, FOR_EVER) as (first, second):
        await first.place.stop()
        await edited(trueup, "stormy")
        await is_found(trueup)
        assert await watching([second]) is second


async def test_a_paused_watcher_stops_when_it_wakes_and_no_edit_is_lost(
    trueup: Installation, sandbox: SandboxFacts
) -> None:
    async with replicas(trueup, sandbox, BRIEF) as (first, second):
        first.signal(signal.SIGSTOP)
        await edited(trueup, "stormy")
        await is_found(trueup)
        assert await watching_after(second)
        asked = first.watches_of_delivered()
        first.signal(signal.SIGCONT)

        async def has_stopped() -> bool:
            return not await first.holds() and await first.kinds_watched() == 0

        await wait_until(has_stopped, STEP_SECONDS, "the one that woke has stopped")
        assert first.watches_of_delivered() == asked, "it has watched nothing anew"
        await edited(trueup, "calm")
        await is_found(trueup, "Synced")
        assert await watching([first, second]) is second


async def watching_after(replica: Replica) -> bool:
    return bool(await wait_until(replica.holds, STEP_SECONDS, "it holds the Lease"))


async def test_an_api_server_that_is_away_leaves_one_watcher_afterwards(
    trueup: Installation, sandbox: SandboxFacts
) -> None:
    async with replicas(trueup, sandbox, BRIEF) as (first, second):
        faults = [each.proxy.black_hole(anything) for each in (first, second)]
        for each in (first, second):
            each.proxy.cut_all()

        async def nobody_holds() -> bool:
            return not await first.holds() and not await second.holds()

        await wait_until(nobody_holds, STEP_SECONDS, "nobody holds the Lease")
        await edited(trueup, "stormy")
        for each, fault in zip((first, second), faults, strict=True):
            each.proxy.lift(fault)
            each.proxy.cut_all()
        await is_found(trueup)
        await watching([first, second])


def anything(seen: Seen) -> bool:
    return True
