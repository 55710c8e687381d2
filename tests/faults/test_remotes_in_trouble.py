"""A Git remote in trouble: said with the way out, nothing is pruned, no other repository waits, and it heals."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from tests.support.bad_input import healed, told
from tests.support.product import Installation, sync_status
from tests.support.remotes import TROUBLES, TroubledHost, answering, through, troubled_host
from tests.support.ships import Ship


async def test_whatever_a_remote_answers_it_is_named_nothing_is_pruned_and_no_other_repository_waits(
    patient: Installation,
) -> None:
    async with AsyncExitStack() as stack:
        ships: dict[str, tuple[TroubledHost, Ship]] = {}
        for what in TROUBLES:
            host = await stack.enter_async_context(troubled_host(patient.sandbox.git_url))
            ship = await Ship.make(patient, what.replace(" ", "-"))
            ship.url = through(host, ship.url)
            ships[what] = host, ship
        neighbour = await Ship.make(patient, "neighbour")

        async def is_told(what: str, verdict: str) -> None:
            _, ship = ships[what]
            raw = await told(patient, ship.name, "ComparisonError", ship.url, *TROUBLES[what][1])
            assert sync_status(raw) == verdict

        # From the first day on.
        revisions = {what: await ship.first() for what, (_, ship) in ships.items()}
        _set_trouble(ships, on=True)
        for _, ship in ships.values():
            await ship.apply()
        await asyncio.gather(*(is_told(what, "Unknown") for what in ships))
        await neighbour.sail()
        _set_trouble(ships, on=False)
        await asyncio.gather(*(healed(patient, ship.name, revisions[what]) for what, (_, ship) in ships.items()))

        # And where all was well before.
        revisions = {what: await ship.second() for what, (_, ship) in ships.items()}
        _set_trouble(ships, on=True)
        for _, ship in ships.values():
            await ship.announce()
        await asyncio.gather(*(is_told(what, "Synced") for what in ships))
        revision = await neighbour.second()
        await neighbour.announce()
        await neighbour.is_as_at_second(revision)
        await asyncio.gather(*(ship.is_as_at_first() for _, ship in ships.values()))
        _set_trouble(ships, on=False)
        await asyncio.gather(*(ship.is_as_at_second(revisions[what]) for what, (_, ship) in ships.items()))


async def test_a_host_that_limits_requests_is_left_alone_by_all_its_repositories_and_by_nobody_elses(
    patient: Installation,
) -> None:
    async with troubled_host(patient.sandbox.git_url) as host:
        ships = [await Ship.make(patient, word) for word in ("met", "spared")]
        for ship in ships:
            ship.url = through(host, ship.url)
            await ship.sail()
        met, spared = ships
        neighbour = await Ship.make(patient, "neighbour")
        host.trouble = answering(429, Retry_After="3600")
        await met.second()
        await met.announce()
        # At once, since nobody asks again for an hour.
        await told(patient, met.name, "ComparisonError", met.url, "limits requests", "asked again after a pause")
        requests = host.requests
        host.trouble = None
        for ship in ships:
            await ship.announce()
        raw = await told(patient, spared.name, "ComparisonError", spared.url, "asked for a pause", "asked again then")
        assert sync_status(raw) == "Synced"
        await neighbour.sail()
        assert host.requests == requests
        for ship in ships:
            await ship.is_as_at_first()


def _set_trouble(ships: dict[str, tuple[TroubledHost, Ship]], *, on: bool) -> None:
    for what, (host, _) in ships.items():
        host.trouble = TROUBLES[what][0] if on else None
