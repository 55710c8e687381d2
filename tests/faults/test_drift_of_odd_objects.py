"""Objects, kinds and servers that are not as one expects them: drift is found, nothing is pruned, the rest goes on."""

from __future__ import annotations

from contextlib import suppress

import orjson
from redis.asyncio import Redis

from tests.faults.conftest import Troubled
from tests.support.bad_input import fresh, told
from tests.support.custom_kind import custom_object, definition, new_kind, remove
from tests.support.drift import HEALING, edit, incident, is_healed
from tests.support.product import STEP_SECONDS, Installation, config_map, is_synced, sync_status
from tests.support.wait import wait_until
from trueup.clients.api_errors import NotServedError, UnknownKindError
from trueup.domain.resource import TRACKING_ANNOTATION

#: A ConfigMap may hold 1 MiB; with all else that is in it the object is larger.
NEARLY_ALL = 1_048_000
DEFINITION = ("apiextensions.k8s.io", "CustomResourceDefinition")


async def delivered(trueup: Installation, *manifests: str) -> tuple[str, str]:
    """An application that heals itself, with these files; its name and revision."""
    repository, name = await trueup.repository(), fresh("app")
    revision = await repository.push({f"app/{number}.json": text for number, text in enumerate(manifests)})
    await trueup.apply(name, repository.url, syncPolicy=HEALING)
    await trueup.until(name, is_synced(revision), "synced")
    await trueup.at_rest()
    return name, revision


async def test_an_object_without_managed_fields_is_healed_and_nobody_is_blamed(troubled: Troubled) -> None:
    trueup, one = troubled.trueup, fresh("one")
    name, revision = await delivered(trueup, config_map(one, mood="calm"))
    live = await edit(trueup, "ConfigMap", one, {"metadata": {"managedFields": [{}]}, "data": {"mood": "stormy"}})
    assert not live["metadata"].get("managedFields")
    await trueup.until(name, is_healed(revision), "healed")
    closed = await incident(trueup, name, lambda one: not one.is_open, "closed")
    (field,) = closed.objects[0].fields
    assert (field.path, field.live, field.manager, field.time) == ("data.mood", '"stormy"', "", "")


async def test_an_object_over_a_megabyte_is_healed_and_its_incident_stays_small(troubled: Troubled) -> None:
    trueup, one = troubled.trueup, fresh("one")
    name, revision = await delivered(trueup, config_map(one, log="a" * NEARLY_ALL, mood="calm"))
    live = await edit(trueup, "ConfigMap", one, {"data": {"log": "b" * NEARLY_ALL}})
    assert len(orjson.dumps(live)) > NEARLY_ALL
    await trueup.until(name, is_healed(revision), "healed")
    closed = await incident(trueup, name, lambda one: not one.is_open, "closed")
    assert [field.path for field in closed.objects[0].fields] == ["data.log"]
    assert len(str(closed)) < 10_000


async def test_a_copy_with_the_tracking_id_of_another_object_is_nobodys(troubled: Troubled) -> None:
    trueup, one, copy = troubled.trueup, fresh("one"), fresh("copy")
    name, _ = await delivered(trueup, config_map(one, mood="calm"))
    live = await trueup.live("ConfigMap", one)
    assert live is not None
    before = {half: await trueup.metrics(half) for half in trueup.children}
    resource = await trueup.cluster.resource("", "ConfigMap")
    annotations = {TRACKING_ANNOTATION: live["metadata"]["annotations"][TRACKING_ANNOTATION]}
    body = orjson.loads(config_map(copy, mood="calm")) | {"metadata": {"name": copy, "annotations": annotations}}
    await trueup.cluster.create(resource, trueup.delivered_to, body)

    async def seen(outcome: str) -> bool:
        counted = (await trueup.metrics("service")).since(before["service"])
        return counted.total("trueup_watch_events_total", outcome=outcome) > 0

    await wait_until(lambda: seen("nobody's"), STEP_SECONDS, "the watch has seen it")
    assert not await seen("enqueued")
    # One that names the application and itself is looked at, and left alone: it is in no inventory.
    own = annotations[TRACKING_ANNOTATION].replace(one, copy)
    await edit(trueup, "ConfigMap", copy, {"metadata": {"annotations": {TRACKING_ANNOTATION: own}}})
    await wait_until(lambda: seen("enqueued"), STEP_SECONDS, "a look")
    await trueup.at_rest()
    raw = await trueup.application(name)
    assert raw is not None
    assert sync_status(raw) == "Synced"
    assert await trueup.live("ConfigMap", copy) is not None


async def test_a_kind_that_vanishes_and_comes_back_is_said_and_healed(troubled: Troubled) -> None:
    trueup, one, neighbour = troubled.trueup, fresh("one"), fresh("neighbour")
    kind, group = new_kind()
    definitions = await trueup.cluster.resource(*DEFINITION)
    await trueup.cluster.create(definitions, "", orjson.loads(definition(kind, group)))
    name, revision = await delivered(trueup, custom_object(kind, group, one), config_map(one, mood="calm"))
    other, other_revision = await delivered(trueup, config_map(neighbour, mood="calm"))
    await edit(trueup, kind, one, {"spec": {"colour": "green"}}, group=group)
    await trueup.until(name, is_healed(revision), "the kind is watched")
    await remove(trueup, *DEFINITION, f"{kind.lower()}s.{group}")
    await told(trueup, name, "ComparisonError", kind, group)
    await edit(trueup, "ConfigMap", neighbour, {"data": {"mood": "stormy"}})
    await trueup.until(other, is_healed(other_revision), "the others go on")
    assert await trueup.live("ConfigMap", one) is not None
    await trueup.cluster.create(definitions, "", orjson.loads(definition(kind, group)))

    async def is_back() -> bool:
        with suppress(NotServedError):
            live = await trueup.live(kind, one, group=group)
            return live is not None and live["spec"] == {"colour": "red"}
        return False

    await wait_until(is_back, STEP_SECONDS, "made anew")
    await trueup.until(name, is_synced(revision), "synced")


async def test_a_kind_that_vanishes_while_its_watch_is_away_is_said(troubled: Troubled) -> None:
    trueup, one = troubled.trueup, fresh("one")
    kind, group = new_kind()
    definitions = await trueup.cluster.resource(*DEFINITION)
    await trueup.cluster.create(definitions, "", orjson.loads(definition(kind, group)))
    name, revision = await delivered(trueup, custom_object(kind, group, one))
    await edit(trueup, kind, one, {"spec": {"colour": "green"}}, group=group)
    await trueup.until(name, is_healed(revision), "the kind is watched")
    await trueup.at_rest()
    away = troubled.proxy.answer(lambda seen: f"/{kind.lower()}s?" in seen.target, 500)
    troubled.proxy.cut_all()
    await wait_until(lambda: away.used >= 1, STEP_SECONDS, "the watch is away")
    await remove(trueup, *DEFINITION, f"{kind.lower()}s.{group}")
    await gone(trueup, kind, group)
    troubled.proxy.lift(away)
    await told(trueup, name, "ComparisonError", kind, group)


async def gone(trueup: Installation, kind: str, group: str) -> None:
    """Wait until nobody serves the kind."""

    async def is_gone() -> bool:
        trueup.cluster.forget_kinds()
        try:
            await trueup.cluster.resource(group, kind)
        except UnknownKindError:
            return True
        return False

    await wait_until(is_gone, STEP_SECONDS, "nobody serves it")


async def test_a_kind_whose_versions_change_is_watched_on(troubled: Troubled) -> None:
    trueup, one = troubled.trueup, fresh("one")
    kind, group = new_kind()
    definitions = await trueup.cluster.resource(*DEFINITION)
    await trueup.cluster.create(definitions, "", orjson.loads(definition(kind, group)))
    repository, name = await trueup.repository(), fresh("app")
    revision = await repository.push({"app/one.json": custom_object(kind, group, one)})
    await trueup.apply(name, repository.url, syncPolicy=HEALING)
    await trueup.until(name, is_synced(revision), "synced")
    plural = f"{kind.lower()}s.{group}"
    for served in (("v1", "v2"), ("v2",)):
        spec = orjson.loads(definition(kind, group, *served))["spec"]
        await trueup.cluster.merge_patch(definitions, "", plural, {"spec": spec})
    revision = await repository.push({"app/one.json": custom_object(kind, group, one, version="v2")})
    assert await trueup.webhook(repository.url) == 202
    await trueup.until(name, is_synced(revision), "synced in the new version")
    trueup.cluster.forget_kinds()
    await edit(trueup, kind, one, {"spec": {"colour": "green"}}, group=group)
    await trueup.until(name, is_healed(revision), "healed in the new version")


async def test_a_redis_that_takes_no_writes_delays_healing_and_loses_nothing(troubled: Troubled) -> None:
    trueup, one = troubled.trueup, fresh("one")
    name, revision = await delivered(trueup, config_map(one, mood="calm"))
    async with Redis.from_url(trueup.redis_url) as redis:
        # A replica of nobody: it answers reads, and refuses writes.
        await redis.execute_command("REPLICAOF", "127.0.0.1", "1")
        await edit(trueup, "ConfigMap", one, {"data": {"mood": "stormy"}})

        async def is_kept() -> bool:
            return (await trueup.metrics("service")).total("trueup_dirty_jobs") > 0

        await wait_until(is_kept, STEP_SECONDS, "the service keeps it in mind")
        await redis.execute_command("REPLICAOF", "NO", "ONE")
    await trueup.until(name, is_healed(revision), "healed")
