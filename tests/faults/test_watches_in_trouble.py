"""Whatever happens to watches: no change is missed, nothing is pruned, nobody has to restart anything."""

from __future__ import annotations

from collections.abc import Callable

import orjson
import pytest
from redis.asyncio import Redis

from tests.faults.conftest import Troubled
from tests.support.fleet import EDITS, GROUPS, Fleet, fleet
from tests.support.tcp_proxy import Fault, FaultyProxy
from tests.support.wait import wait_until
from trueup.clients.queue import Queue

SHIPS = 6
HEALED_SECONDS_MAX = 60.0
TROUBLE_SECONDS_MAX = 60.0
#: Requests that have to meet the trouble before it may pass.
HITS_MIN = 12

GONE = orjson.dumps(
    {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}}
)
Trouble = Callable[[FaultyProxy, str], Fault]


def refused(status: int, **headers: str) -> Trouble:
    return lambda proxy, of: proxy.answer(lambda seen: of in seen.target, status, headers=headers)


TROUBLES: dict[str, Trouble] = {
    "a watch that is closed after each event": lambda proxy, of: proxy.cut_watches(after_events=1, of=of),
    "a storm of 410": lambda proxy, of: proxy.end_watches_with(GONE + b"\n", of=of),
    "a wave of 401": refused(401),
    "429": refused(429, **{"Retry-After": "1"}),
    "500": refused(500),
}


@pytest.mark.parametrize("name", TROUBLES)
async def test_trouble_with_one_kind_leaves_the_others_alone(troubled: Troubled, name: str) -> None:
    async with fleet(troubled.trueup, SHIPS) as ships:
        trouble = TROUBLES[name](troubled.proxy, "/v1/configmaps?")
        troubled.proxy.cut_all()
        await wait_until(lambda: trouble.used >= 2, TROUBLE_SECONDS_MAX, "the trouble is met")
        for ship in ships.names:
            await ships.edit(ship, "port")
        await _edits_are_healed(ships)
        for ship in ships.names:
            await ships.edit(ship, "mood")
        troubled.proxy.lift(trouble)
        await _all_is_well(troubled, ships)


@pytest.mark.parametrize("name", TROUBLES)
async def test_trouble_with_everything_is_outlived(troubled: Troubled, name: str) -> None:
    async with fleet(troubled.trueup, SHIPS) as ships:
        trouble = TROUBLES[name](troubled.proxy, "/")
        troubled.proxy.cut_all()
        for what in EDITS:
            for ship in ships.names[: SHIPS // 2]:
                await ships.edit(ship, what)
        await wait_until(lambda: trouble.used >= HITS_MIN, TROUBLE_SECONDS_MAX, "the trouble is met again and again")
        troubled.proxy.lift(trouble)
        await _all_is_well(troubled, ships)


async def test_connections_that_are_reset_again_and_again_are_outlived(troubled: Troubled) -> None:
    async with fleet(troubled.trueup, SHIPS) as ships:
        for what in EDITS:
            for ship in ships.names:
                await ships.edit(ship, what)
            enough = troubled.proxy.watches() + len(GROUPS)
            troubled.proxy.cut_all()
            await wait_until(lambda least=enough: troubled.proxy.watches() >= least, TROUBLE_SECONDS_MAX, "back")
        await _all_is_well(troubled, ships)


async def test_a_connection_that_is_silent_and_open_is_given_up(troubled: Troubled) -> None:
    async with fleet(troubled.trueup, SHIPS) as ships:
        troubled.proxy.silence()
        for ship in ships.names:
            await ships.edit(ship, "mood")
        await _all_is_well(troubled, ships)


async def test_a_worker_that_is_refused_for_longer_than_its_patience_is_given_another_try(troubled: Troubled) -> None:
    """The watch has told of the edits and will not tell again, and no condition can be left."""
    parts = ("/configmaps/ship", "/applications/ship")
    async with fleet(troubled.trueup, SHIPS) as ships, Redis.from_url(troubled.trueup.redis_url) as redis:
        trouble = troubled.proxy.answer(lambda seen: any(part in seen.target for part in parts), 401)
        for ship in ships.names:
            await ships.edit(ship, "mood")

        async def all_are_dead() -> bool:
            return (await Queue(redis).depth()).dead == SHIPS

        await wait_until(all_are_dead, TROUBLE_SECONDS_MAX, "every job is given up")
        troubled.proxy.lift(trouble)
        await _all_is_well(troubled, ships)


async def _edits_are_healed(ships: Fleet) -> None:
    """Although what else there is may not be readable: by what is live."""

    async def are() -> bool:
        return not [name for name, how in (await ships.untrue()).items() if "Service" in how]

    await wait_until(are, HEALED_SECONDS_MAX, "the other kinds are healed meanwhile")


async def _all_is_well(troubled: Troubled, ships: Fleet) -> None:
    async def is_so() -> bool:
        return not await ships.untrue()

    try:
        await wait_until(is_so, HEALED_SECONDS_MAX, "all is as Git says, and every status says so")
    except AssertionError as error:
        raise AssertionError(f"{error}: {await ships.untrue()}") from None
    await ships.until_healed(ships.names, seconds_max=HEALED_SECONDS_MAX)
    assert await ships.replaced() == set(), "nothing was pruned or made anew"
    for name, half in troubled.trueup.children.items():
        assert half.returncode is None, f"{name} has ended: {troubled.trueup.log(name).read_text()[-2000:]}"
