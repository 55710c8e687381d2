"""Whatever happens between the records, the channel and the process: each incident is one message, and a true one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

from tests.support.api_proxy import proxy_to, through
from tests.support.fixtures import in_own_task
from tests.support.sandbox import SandboxFacts
from tests.support.service import REPO, create_application
from tests.support.slack import slack
from tests.support.wait import wait_until
from trueup.clients.api_errors import ConflictError
from trueup.clients.cluster import Cluster
from trueup.clients.incident_records import GROUP, KIND
from trueup.clients.incidents import IncidentStore
from trueup.clients.slack import SlackChannel
from trueup.domain.application import ApplicationId
from trueup.domain.incident import DriftedObject, Incident
from trueup.domain.resource import ResourceKey
from trueup.sandbox import SlackServer, render_text
from workers.notify import Notifier, NotifyBounds

__all__ = ["slack"]

SECONDS = 30.0
PROMPT = NotifyBounds(settle_seconds=0.05, settle_seconds_max=0.5, record_retry_seconds=0.1, claim_seconds=5.0)


@asynccontextmanager
async def telling(
    cluster: Cluster, namespace: str, slack: SlackServer, *, bounds: NotifyBounds = PROMPT, public_url: str = ""
) -> AsyncIterator[tuple[IncidentStore, asyncio.Task[None]]]:
    """One worker's records and its notifier, as a worker process has them."""
    resource = await cluster.resource(GROUP, KIND)
    store = IncidentStore(cluster, resource, namespace=namespace, incidents_per_application_max=20)
    holder = f"worker of {public_url or id(store)}"
    async with SlackChannel(
        token=slack.token, channel=slack.channel, api_url=slack.url, request_seconds_max=5.0
    ) as channel:
        notifier = Notifier(store, channel, holder=holder, bounds=bounds, public_url=public_url)
        tasks = [asyncio.create_task(store.informer.run()), asyncio.create_task(notifier.run())]
        await store.informer.synced()
        try:
            yield store, tasks[1]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


async def drifted(cluster: Cluster, namespace: str, name: str) -> Incident:
    """A new incident of an application of that name, not on record yet."""
    raw = await create_application(cluster, namespace, name, REPO)
    now = datetime.now(UTC)
    return Incident(
        application=ApplicationId(namespace, name),
        application_uid=raw["metadata"]["uid"],
        cluster="in-cluster",
        cause="Drift",
        revision="c" * 40,
        opened_at=now,
        updated_at=now,
        objects=(DriftedObject(ResourceKey("", "Service", "default", name), "OutOfSync"),),
    )


def shown(slack: SlackServer) -> list[str]:
    return [render_text(message) for message in slack.messages.values()]


async def noted(store: IncidentStore, name: str) -> Incident:
    """The incident, once the record says that the channel knows this version of it."""

    async def holds() -> Incident | None:
        incident = store.get(name)
        if incident is None or incident.message is None:
            return None
        return incident if incident.message.updated_at == incident.updated_at else None

    return await wait_until(holds, SECONDS, "the channel was told, and the record says so")


async def test_a_message_that_slack_does_not_take_holds_up_no_other(
    cluster: Cluster, namespace: str, slack: SlackServer
) -> None:
    slack.taboo = "leviathan"
    async with telling(cluster, namespace, slack) as (store, _):
        bad = await store.save(await drifted(cluster, namespace, "leviathan"))
        await slack.until(lambda s: s.calls == 1, SECONDS)
        good = await store.save(await drifted(cluster, namespace, "minnow"))
        await noted(store, good.name)
        assert [text for text in shown(slack) if "minnow" in text]
        slack.taboo = ""
        current = store.get(bad.name)
        assert current is not None
        await store.save(replace(current, trouble="it moved", updated_at=datetime.now(UTC)))
        await noted(store, bad.name)
        assert len(slack.messages) == 2


async def test_workers_that_would_word_it_otherwise_do_not_outdo_each_other(
    cluster: Cluster, namespace: str, slack: SlackServer
) -> None:
    async with (
        telling(cluster, namespace, slack, public_url="https://one.example") as (one, _),
        telling(cluster, namespace, slack, public_url="https://two.example") as (two, _),
    ):
        first = await one.save(await drifted(cluster, namespace, "first"))
        for store in (one, two):
            await noted(store, first.name)
        second = await two.save(await drifted(cluster, namespace, "second"))
        for store in (one, two):
            await noted(store, second.name)
        assert [message.edits for message in slack.messages.values()] == [0, 0]
        assert slack.calls == 2


async def test_what_never_stops_changing_is_told_all_the_same(
    cluster: Cluster, namespace: str, slack: SlackServer
) -> None:
    bounds = replace(PROMPT, settle_seconds=60.0, settle_seconds_max=1.0)
    async with telling(cluster, namespace, slack, bounds=bounds) as (store, _):
        incident = await store.save(await drifted(cluster, namespace, "restless"))
        times = 1
        async with asyncio.timeout(SECONDS):
            while not slack.messages:
                times += 1
                current = store.get(incident.name) or incident
                with contextlib.suppress(ConflictError):
                    await store.save(replace(current, times=times, updated_at=datetime.now(UTC)))
        assert times > 2


async def test_a_record_that_goes_while_it_is_open_leaves_no_message_that_waits_for_ever(
    cluster: Cluster, namespace: str, slack: SlackServer
) -> None:
    async with telling(cluster, namespace, slack) as (store, _):
        incident = await store.save(await drifted(cluster, namespace, "sunk"))
        await noted(store, incident.name)
        resource = await cluster.resource("argoproj.io", "Application")
        uid = incident.application_uid
        await cluster.delete(resource, namespace, "sunk", uid=uid, propagation="Background")
        await slack.until(lambda s: [m.edits for m in s.messages.values()] == [1], SECONDS)
        (text,) = shown(slack)
        assert "puts it right" not in text


async def test_a_worker_that_stops_while_it_tells_finishes_and_notes_what_it_says(
    cluster: Cluster, namespace: str, slack: SlackServer
) -> None:
    slack.gate.clear()
    async with telling(cluster, namespace, slack) as (store, notifier):
        incident = await store.save(await drifted(cluster, namespace, "stopping"))
        await slack.until(lambda s: s.calls == 1, SECONDS)
        notifier.cancel()
        slack.gate.set()
        await asyncio.wait([notifier])
        assert notifier.cancelled()
    async with telling(cluster, namespace, slack) as (store, _):
        await noted(store, incident.name)
        other = await store.save(await drifted(cluster, namespace, "other"))
        await noted(store, other.name)
        assert len(slack.messages) == 2


async def test_what_was_said_and_could_not_be_noted_is_noted_later_and_not_said_again(
    cluster: Cluster, namespace: str, slack: SlackServer, sandbox: SandboxFacts
) -> None:
    slack.gate.clear()
    async with (
        in_own_task(proxy_to(sandbox)) as proxy,
        through(sandbox, proxy) as behind,
        telling(behind, namespace, slack) as (store, _),
    ):
        incident = await store.save(await drifted(cluster, namespace, "forgetful"))
        await slack.until(lambda s: s.calls == 1, SECONDS)
        away = proxy.answer(lambda seen: seen.method == "PATCH" and "/incidents/" in seen.target, 503)
        slack.gate.set()
        await wait_until(lambda: away.used >= 2, SECONDS, "the record cannot be written")
        proxy.lift(away)
        await noted(store, incident.name)
        assert (len(slack.messages), slack.calls) == (1, 1)
