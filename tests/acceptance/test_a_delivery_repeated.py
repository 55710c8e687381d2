"""A Git host, or somebody who recorded one delivery, that sends it ten thousand times."""

from __future__ import annotations

import asyncio
from collections import Counter

import aiohttp
from redis.asyncio import Redis

from tests.support.github import delivery, push_of
from tests.support.product import STEP_SECONDS, Installation
from tests.support.ships import Ship
from trueup.clients.queue import Queue

DELIVERIES = 10_000
IN_FLIGHT = 16


async def test_a_delivery_repeated_ten_thousand_times_is_answered_and_costs_one_look(trueup: Installation) -> None:
    await trueup.start_both()
    ship = await Ship.make(trueup, "repeated")
    await ship.sail()
    await trueup.all_watched()
    await trueup.children.pop("worker").terminate(grace_seconds=STEP_SECONDS)
    revision = await ship.second()
    answers = await _flood(trueup, push_of(ship.url))
    async with Redis.from_url(trueup.redis_url) as redis:
        depth = await Queue(redis).depth()
    assert answers == {202: DELIVERIES}
    assert (depth.ready, depth.delayed, depth.held, depth.running, depth.dead) == (1, 0, 0, 0, 0)

    await trueup.start("worker")
    await ship.is_as_at_second(revision)
    await trueup.at_rest()
    spent = await trueup.metrics("worker")
    assert spent.total("trueup_git_fetches_total") == 1
    assert spent.total("trueup_jobs_run_total", kind="repository") == 1
    assert spent.total("trueup_renders_total") == 1


async def _flood(trueup: Installation, body: bytes) -> Counter[int]:
    """The same bytes again and again, so many at a time; how often each status was the answer."""
    address = f"http://{trueup.addresses('service')['listen']}/api/webhook"
    headers = delivery(body)
    left = iter(range(DELIVERIES))
    answers: Counter[int] = Counter()

    async def send(session: aiohttp.ClientSession) -> None:
        for _ in left:
            async with session.post(address, data=body, headers=headers) as answer:
                answers[answer.status] += 1

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        for _ in range(IN_FLIGHT):
            group.create_task(send(session))
    return answers
