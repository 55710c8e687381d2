"""Looks: one job for all who look, an answer that is newer than the question, and nobody's word but a worker's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import orjson
import pytest_asyncio
from redis.asyncio import Redis

from service.dispatch import Dispatcher
from service.web.looks import AWAY, BUSY, NO_KEY, NOT_OURS, LookBounds, Looks, Unanswered
from tests.support.pages import application
from tests.support.queues import client_of
from trueup.clients.applications import parse_application
from trueup.clients.queue import Queue
from trueup.clients.redis import connect
from trueup.clients.seal import Sealer
from trueup.clients.view_shelf import ViewShelf, sealed_for
from trueup.domain.application import Application
from trueup.domain.application_view import ApplicationView, view_as_json
from trueup.domain.job import Job

SHOP = parse_application(application("shop"))
KEY, OTHER_KEY = b"k" * 32, b"o" * 32
SECONDS = 10.0


@dataclass
class Scene:
    """A service's looks, and the test in place of a worker."""

    client: Redis
    queue: Queue
    shelf: ViewShelf
    key: bytes | None = KEY
    bounds: LookBounds = field(default_factory=lambda: LookBounds(view_seconds_max=SECONDS))

    def looks(self, **changed: float) -> Looks:
        dispatcher = Dispatcher(self.queue, lambda _: ())
        return Looks(dispatcher, self.shelf, self.find_sealer, bounds=replace(self.bounds, **changed))

    def find_sealer(self) -> Sealer | None:
        return None if self.key is None else Sealer(self.key)

    async def claimed(self) -> Job:
        """The next job, claimed and settled."""
        claim = await self.queue.claim(wait_seconds_max=SECONDS)
        assert claim is not None
        await self.queue.settle(claim)
        return claim.job

    async def answer(self, job: Job, *, of: Application = SHOP, key: bytes = KEY, trouble: str = "") -> None:
        view = ApplicationView(job.scope.members, "c" * 40, datetime.now(UTC), trouble=trouble)
        text = orjson.dumps(view_as_json(view)).decode()
        await self.shelf.put(SHOP.id, sealed_for(Sealer(key), of.id, of.uid, text))


@pytest_asyncio.fixture(loop_scope="session")
async def scene(valkey_url: str) -> AsyncIterator[Scene]:
    async with client_of(valkey_url) as client:
        queue = Queue(client)
        await queue.open_epoch(1)
        yield Scene(client, queue, ViewShelf(client))


async def test_all_who_look_at_the_same_thing_share_one_job(scene: Scene) -> None:
    looks = scene.looks()
    async with asyncio.TaskGroup() as group:
        seen = [group.create_task(looks.at(SHOP, "7")) for _ in range(50)]
        job = await scene.claimed()
        assert (job.kind, job.subject) == ("view", "argocd/shop")
        await scene.answer(job)
    views = {task.result() for task in seen}
    assert len(views) == 1
    assert isinstance(views.pop(), ApplicationView)
    assert (await scene.queue.depth()).ready == 0
    # A moment later the same question has the same answer.
    assert await looks.at(SHOP, "7") in {task.result() for task in seen}
    assert (await scene.queue.depth()).ready == 0


async def test_who_sees_a_newer_version_gets_a_newer_look(scene: Scene) -> None:
    looks = scene.looks()
    newer = replace(SHOP, resource_version="2")
    async with asyncio.TaskGroup() as group:
        first = group.create_task(looks.at(SHOP, ""))
        job = await scene.claimed()
        second = group.create_task(looks.at(newer, ""))
        later = await scene.claimed()
        # An answer to the first alone must not satisfy the second, though it comes after the question.
        await scene.answer(job, trouble="older")
        await asyncio.wait({first})
        assert not second.done()
        await scene.answer(later, trouble="newer")
    assert [task.result().trouble for task in (first, second)] == ["older", "newer"]  # type: ignore[union-attr]


async def test_two_replicas_share_an_answer_of_one_job(scene: Scene) -> None:
    async with asyncio.TaskGroup() as group:
        seen = [group.create_task(scene.looks().at(SHOP, "")) for _ in range(2)]

        async def both_wait() -> Job:
            while True:
                job = await scene.claimed()
                if len(job.scope.members or ()) == 2:
                    return job
                await scene.queue.enqueue([job])

        await scene.answer(await both_wait())
    assert all(isinstance(task.result(), ApplicationView) for task in seen)


async def test_nobody_waits_for_longer_than_the_bound(scene: Scene) -> None:
    look = await scene.looks(view_seconds_max=0.05).at(SHOP, "")
    assert look == Unanswered("No worker answered within 0.05 s.")


async def test_what_is_not_sealed_for_this_very_application_is_no_answer(scene: Scene) -> None:
    recreated = replace(SHOP, uid="another-uid")
    elsewhere = parse_application(application("dock"))
    for forged in ({"of": recreated}, {"of": elsewhere}, {"key": OTHER_KEY}):
        async with asyncio.TaskGroup() as group:
            look = group.create_task(scene.looks().at(SHOP, ""))
            await scene.answer(await scene.claimed(), **forged)  # type: ignore[arg-type]
        assert look.result() == Unanswered(NOT_OURS)


async def test_rubbish_in_redis_is_no_answer(scene: Scene) -> None:
    async with asyncio.TaskGroup() as group:
        look = group.create_task(scene.looks().at(SHOP, ""))
        await scene.claimed()
        await scene.client.xadd("{trueup}:view:argocd/shop", {"view": "<script>"})
    assert look.result() == Unanswered(NOT_OURS)


async def test_an_answer_of_another_version_is_passed_over(scene: Scene) -> None:
    async with asyncio.TaskGroup() as group:
        look = group.create_task(scene.looks().at(SHOP, ""))
        job = await scene.claimed()
        for text in ("[]", "{}", '{"answers": 7}', "not json"):
            await scene.shelf.put(SHOP.id, sealed_for(Sealer(KEY), SHOP.id, SHOP.uid, text))
        await asyncio.sleep(0)
        await scene.answer(job)
    assert isinstance(look.result(), ApplicationView)


async def test_the_key_of_now_counts(scene: Scene) -> None:
    looks = scene.looks()
    for number, key in enumerate((KEY, OTHER_KEY)):
        scene.key = key
        async with asyncio.TaskGroup() as group:
            look = group.create_task(looks.at(SHOP, str(number)))
            await scene.answer(await scene.claimed(), key=key)
        assert isinstance(look.result(), ApplicationView)


async def test_before_there_is_a_key_nobody_is_believed(scene: Scene) -> None:
    scene.key = None
    async with asyncio.TaskGroup() as group:
        look = group.create_task(scene.looks().at(SHOP, ""))
        await scene.answer(await scene.claimed())
    assert look.result() == Unanswered(NO_KEY)


async def test_no_more_looks_at_a_time_than_there_may_be(scene: Scene) -> None:
    looks = scene.looks(views_in_flight_max=1)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(looks.at(SHOP, ""))
        job = await scene.claimed()
        assert await looks.at(parse_application(application("dock")), "") == Unanswered(BUSY)
        await scene.answer(job)
    assert isinstance(first.result(), ApplicationView)


async def test_who_shares_a_look_gets_its_answer_though_the_first_has_left(scene: Scene) -> None:
    looks = scene.looks()
    first = asyncio.create_task(looks.at(SHOP, ""))
    await scene.claimed()
    second = asyncio.create_task(looks.at(SHOP, ""))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == Unanswered(AWAY)


async def test_who_leaves_takes_the_answer_from_nobody(scene: Scene) -> None:
    looks = scene.looks()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(looks.at(SHOP, ""))
        job = await scene.claimed()
        second = asyncio.create_task(looks.at(SHOP, ""))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        await scene.answer(job)
    assert isinstance(first.result(), ApplicationView)


async def test_an_answer_is_gone_after_its_time_and_never_without_an_end(scene: Scene) -> None:
    for _ in range(5):
        await scene.shelf.put(SHOP.id, "sealed")
    milliseconds = await scene.client.pttl("{trueup}:view:argocd/shop")
    assert 0 < milliseconds <= scene.shelf.bounds.kept_seconds * 1000
    assert await scene.client.xlen("{trueup}:view:argocd/shop") == 2


async def test_redis_away_is_a_sentence_without_an_address() -> None:
    client = connect("redis://ada:canary@127.0.0.1:1/0")
    scene = Scene(client, Queue(client), ViewShelf(client))
    assert await scene.looks().at(SHOP, "") == Unanswered(AWAY)
    await client.aclose()
