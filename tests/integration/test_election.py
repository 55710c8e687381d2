"""Of several that reach for a Lease one works at a time, and no stop, loss or lost answer leaves nobody at work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.api_proxy import proxy_to, through
from tests.support.sandbox import SandboxFacts
from tests.support.tcp_proxy import Seen
from tests.support.wait import wait_until
from trueup.clients.cluster import Cluster
from trueup.clients.election import Election, ElectionBounds

SECONDS = 30
NAME = "trueup-watch-test"
#: Nothing but a release hands this one over.
FOR_EVER = ElectionBounds(lease_seconds=3600, deadline_seconds=3000.0, renew_seconds=0.2)
BRIEF = ElectionBounds(lease_seconds=2, deadline_seconds=1.0, renew_seconds=0.2)


@dataclass
class Works:
    """Who is at work, and everybody who has been."""

    now: list[str] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)
    most: int = 0

    async def of(self, who: str) -> None:
        self.now.append(who)
        self.begun.append(who)
        self.most = max(self.most, len(self.now))
        try:
            await asyncio.Event().wait()
        finally:
            self.now.remove(who)

    async def somebody(self, times: int = 1) -> str:
        await wait_until(lambda: self.now and len(self.begun) >= times, SECONDS, "somebody is at work")
        return self.now[0]


@asynccontextmanager
async def standing(
    works: Works, cluster: Cluster, namespace: str, *who: str, bounds: ElectionBounds
) -> AsyncIterator[dict[str, asyncio.Task[None]]]:
    """Candidates, each in a task of its own."""

    async def stand(one: str) -> None:
        await Election(cluster, namespace, NAME, bounds=bounds).run(lambda: works.of(one))

    tasks = {one: asyncio.create_task(stand(one)) for one in who}
    try:
        yield tasks
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.wait(tasks.values())


async def lease(cluster: Cluster, namespace: str) -> dict[str, Any]:
    found = await cluster.get(await cluster.resource("coordination.k8s.io", "Lease"), namespace, NAME)
    assert found is not None
    return found


async def put_lease(cluster: Cluster, namespace: str, **spec: Any) -> None:
    body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": NAME}, "spec": spec}
    await cluster.create(await cluster.resource("coordination.k8s.io", "Lease"), namespace, body)


def writes(seen: Seen) -> bool:
    return seen.method == "PATCH" and NAME in seen.target


async def test_one_works_at_a_time_and_a_stop_hands_over_at_once(cluster: Cluster, namespace: str) -> None:
    works = Works()
    async with standing(works, cluster, namespace, "a", "b", "c", bounds=FOR_EVER) as tasks:
        for times in (1, 2, 3):
            holder = await works.somebody(times)
            spec = (await lease(cluster, namespace))["spec"]
            assert (spec["leaseDurationSeconds"], spec["leaseTransitions"]) == (3600, times - 1)
            tasks[holder].cancel()
            await asyncio.wait([tasks[holder]])
    assert sorted(works.begun) == ["a", "b", "c"]
    assert works.most == 1
    assert not (await lease(cluster, namespace))["spec"].get("holderIdentity")


async def test_of_two_that_reach_for_a_free_lease_at_once_one_gets_it(
    sandbox: SandboxFacts, cluster: Cluster, namespace: str
) -> None:
    works = Works()
    await put_lease(cluster, namespace, leaseTransitions=7)
    async with proxy_to(sandbox) as proxy, through(sandbox, proxy) as both:
        reach = proxy.hold(writes, times=2)
        async with standing(works, both, namespace, "a", "b", bounds=FOR_EVER):
            await wait_until(lambda: reach.used == 2, SECONDS, "both have seen that it is free")
            proxy.lift(reach)
            await wait_until(lambda: works.begun and proxy.watches(), SECONDS, "one works and the other waits")
            assert len(works.begun) == 1
            assert (await lease(cluster, namespace))["spec"]["leaseTransitions"] == 8


async def test_a_holder_that_cannot_renew_stops_before_another_begins(
    sandbox: SandboxFacts, cluster: Cluster, namespace: str
) -> None:
    works = Works()
    async with (
        proxy_to(sandbox) as proxy,
        through(sandbox, proxy) as cut_off,
        standing(works, cut_off, namespace, "cut off", bounds=BRIEF),
    ):
        await works.somebody()
        async with standing(works, cluster, namespace, "other", bounds=BRIEF):
            proxy.black_hole(lambda seen: NAME in seen.target)
            await works.somebody(2)
            assert works.begun == ["cut off", "other"]
            assert works.most == 1


async def test_the_times_in_a_lease_are_not_believed(sandbox: SandboxFacts, cluster: Cluster, namespace: str) -> None:
    """Another's clock may be anywhere: what counts is for how long the record was not seen to change."""
    works = Works()
    await put_lease(
        cluster, namespace, holderIdentity="x", leaseDurationSeconds=3600, renewTime="1999-01-01T00:00:00.000000Z"
    )
    async with (
        proxy_to(sandbox) as proxy,
        through(sandbox, proxy) as watched,
        standing(works, watched, namespace, "a", bounds=BRIEF),
    ):
        await wait_until(proxy.watches, SECONDS, "it waits for the holder")
        assert not works.begun
        resource = await cluster.resource("coordination.k8s.io", "Lease")
        ahead = {"spec": {"leaseDurationSeconds": 1, "renewTime": "2999-01-01T00:00:00.000000Z"}}
        await cluster.merge_patch(resource, namespace, NAME, ahead)
        await works.somebody()


async def test_a_renewal_whose_answer_is_lost_costs_the_holder_nothing(sandbox: SandboxFacts, namespace: str) -> None:
    works = Works()
    async with (
        proxy_to(sandbox) as proxy,
        through(sandbox, proxy) as cluster,
        standing(works, cluster, namespace, "a", bounds=FOR_EVER) as tasks,
    ):
        await works.somebody()
        lost = proxy.lose_answers(writes, times=2)
        await wait_until(lambda: lost.used == 2, SECONDS, "two answers are lost")
        enough = len(proxy.requests) + 6
        await wait_until(lambda: len(proxy.requests) >= enough, SECONDS, "it goes on renewing")
        assert (works.now, works.begun) == (["a"], ["a"])
        # And the one that would tell of the next version on its way to the end.
        proxy.lose_answers(writes, times=1)
        await wait_until(lambda: len(proxy.requests) > enough, SECONDS, "one more")
        tasks["a"].cancel()
        await asyncio.wait([tasks["a"]])
        assert not (await lease(cluster, namespace))["spec"].get("holderIdentity"), "given back all the same"


async def test_a_lease_that_is_taken_away_or_deleted_ends_the_work(cluster: Cluster, namespace: str) -> None:
    works = Works()
    async with standing(works, cluster, namespace, "a", bounds=BRIEF):
        await works.somebody()
        resource = await cluster.resource("coordination.k8s.io", "Lease")
        await cluster.merge_patch(resource, namespace, NAME, {"spec": {"holderIdentity": "a person"}})
        await wait_until(lambda: not works.now, SECONDS, "the work ends")
        await works.somebody(2)
        uid = (await lease(cluster, namespace))["metadata"]["uid"]
        await cluster.delete(resource, namespace, NAME, uid=uid)
        await works.somebody(3)
        assert (await lease(cluster, namespace))["metadata"]["uid"] != uid
    assert works.most == 1
