"""What `argocd-cm` says of resources holds for every Application, from the moment that it says so."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.bad_input import fresh, owned, told
from tests.support.commands import said
from tests.support.drift import DEPLOYMENT, edit, is_healed
from tests.support.ignoring import kept, looked_at, settings
from tests.support.product import AUTOMATED, Installation, conditions, config_map, is_synced, sync_status
from tests.support.wait import wait_until
from trueup.domain.application import RESOURCES_FINALIZER

DIFFERENCES = "resource.customizations.ignoreDifferences"
UPDATES = "resource.customizations.ignoreResourceUpdates"
SECONDS = 30.0


@pytest_asyncio.fixture(loop_scope="session")
async def place(trueup: Installation) -> AsyncIterator[Installation]:
    """An installation of the test's own, both halves started: its settings are everybody's."""
    await trueup.start_both()
    yield trueup


async def test_a_change_of_it_takes_effect_without_a_restart_and_looks_at_whom_it_concerns(
    place: Installation,
) -> None:
    one, web = fresh("one"), fresh("web")
    files = {"one.yaml": config_map(one, mood="calm", pace="slow")}
    concerned, revision, _ = await kept(place, files, syncPolicy=AUTOMATED)
    other, _, _ = await kept(place, {"web.yaml": DEPLOYMENT.format(name=web, replicas=1, tag=1)})
    await edit(place, "ConfigMap", one, {"data": {"mood": "stormy"}})
    await place.until(concerned, lambda raw: sync_status(raw) == "OutOfSync", "drifted")
    await place.all_watched()
    before = await place.metrics("worker")

    await settings(place, {f"{DIFFERENCES}.ConfigMap": "jsonPointers: [/data/mood]\n"})
    await place.until(concerned, is_synced(revision), "what is ignored is no drift any more")
    assert said(await place.trueup("app", "diff", concerned)) == ""
    await place.at_rest()
    after = (await place.metrics("worker")).since(before)
    jobs = after.total("trueup_kubernetes_requests_total", resource="deployments", verb="get")
    assert jobs == 0, f"{other} has nothing that the rule concerns"

    await settings(place, {f"{DIFFERENCES}.ConfigMap": None, "resource.customizations": None})
    await place.until(concerned, lambda raw: sync_status(raw) == "OutOfSync", "and is again")
    older = "ConfigMap:\n  ignoreDifferences: |\n    jqPathExpressions: ['.data.mood']\n"
    await settings(place, {"resource.customizations": older})
    await place.until(concerned, is_synced(revision), "the older form holds as well")
    await settings(
        place, {"resource.customizations": None, f"{DIFFERENCES}.all": "managedFieldsManagers: ['kubectl*']"}
    )
    raw = await looked_at(place, concerned)
    assert sync_status(raw) == "Synced"


async def test_settings_that_make_no_sense_cost_the_verdict_on_what_they_concern_alone(place: Installation) -> None:
    one, web = fresh("one"), fresh("web")
    files = {
        "one.yaml": config_map(one, mood="calm"),
        "web.yaml": DEPLOYMENT.format(name=web, replicas=1, tag=1),
    }
    name, revision, _ = await kept(place, files)
    key = f"{DIFFERENCES}.apps_Deployment"
    await settings(place, {key: "jsonPointers: [/spec/replicas\n"})
    raw = await told(place, name, "ComparisonError", web, f"argocd-cm {key}", "correct it")
    assert sync_status(raw) == "Unknown"
    await edit(place, "ConfigMap", one, {"data": {"mood": "stormy"}})

    async def is_calm() -> bool:
        found = await place.live("ConfigMap", one)
        return found is not None and found["data"] == {"mood": "calm"}

    await wait_until(is_calm, SECONDS, "the other object is healed")
    await settings(place, {key: None})
    await place.until(name, lambda raw: is_synced(revision)(raw) and not conditions(raw), "mended")

    await settings(place, {"resource.exclusions": "- {kinds: [ConfigMap"})
    await told(place, name, "ComparisonError", "argocd-cm resource.exclusions", "correct it")
    await settings(place, {"resource.exclusions": None})
    await place.until(name, lambda raw: is_synced(revision)(raw) and not conditions(raw), "mended again")


async def test_excluded_kinds_are_neither_read_nor_written_nor_pruned(place: Installation) -> None:
    one, web, late = fresh("one"), fresh("web"), fresh("late")
    files = {"one.yaml": config_map(one, mood="calm"), "web.yaml": DEPLOYMENT.format(name=web, replicas=1, tag=1)}
    name, revision, repository = await kept(place, files)
    await settings(place, {"resource.exclusions": "- apiGroups: ['']\n  kinds: [Config*]\n  clusters: ['https://*']\n"})
    raw = await told(place, name, "ExcludedResourceWarning", one, "argocd-cm")
    assert sync_status(raw) == "Synced"
    await place.until(name, lambda raw: owned(raw) == {web}, "it is out of the inventory")
    await edit(place, "ConfigMap", one, {"data": {"mood": "stormy"}})
    before = await place.metrics("worker")
    revision = await repository.push({"app/one.yaml": None, "app/late.yaml": config_map(late, mood="calm")})
    assert await place.webhook(repository.url) == 202
    await place.until(name, is_synced(revision), "synced without it")
    await place.at_rest()
    found = await place.live("ConfigMap", one)
    assert found is not None
    assert found["data"] == {"mood": "stormy"}
    assert await place.live("ConfigMap", late) is None
    after = (await place.metrics("worker")).since(before)
    assert after.total("trueup_kubernetes_requests_total", resource="configmaps", verb="get") == 0
    await settings(place, {"resource.exclusions": None, "resource.inclusions": "- apiGroups: ['*']\n  kinds: ['*']\n"})
    await place.until(name, lambda raw: owned(raw) == {web, late}, "what Git wants is delivered again")
    found = await place.live("ConfigMap", one)
    assert found is not None, "what Git dropped meanwhile is nobody's now"
    await settings(place, {"resource.inclusions": "- apiGroups: [apps]\n  kinds: [Deployment]\n"})
    await told(place, name, "ExcludedResourceWarning", late)

    await settings(place, {"resource.inclusions": None})
    await place.until(name, lambda raw: owned(raw) == {web, late}, "it is delivered")
    await place.at_rest()
    await place.stop()
    await settings(place, {"resource.exclusions": "- kinds: [ConfigMap]\n"})
    revision = await repository.push(
        {"app/late.yaml": None, "app/web.yaml": DEPLOYMENT.format(name=web, replicas=1, tag=2)}
    )
    await place.start_both()
    raw = await place.until(name, is_synced(revision), "synced, with an object in the inventory that is left alone")
    assert [result["name"] for result in raw["status"]["operationState"]["syncResult"]["resources"]] == [web]
    assert await place.live("ConfigMap", late) is not None


async def test_a_deletion_takes_nothing_along_that_is_left_alone(place: Installation) -> None:
    one, web = fresh("one"), fresh("web")
    files = {"one.yaml": config_map(one, mood="calm"), "web.yaml": DEPLOYMENT.format(name=web, replicas=1, tag=1)}
    name, _, _ = await kept(place, files)
    await place.stop()
    await settings(place, {"resource.exclusions": "- {apiGroups: [''], kinds: [ConfigMap]}\n"})
    await place.patch(name, {"metadata": {"finalizers": [RESOURCES_FINALIZER]}})
    await place.delete(name)
    await place.start_both()
    await wait_until(lambda: place.is_gone(name), SECONDS, "it is let go")
    assert await place.live("ConfigMap", one) is not None
    assert await place.live("Deployment", web, group="apps") is None


async def test_an_update_of_ignored_fields_wakes_no_worker_and_any_other_still_does(place: Installation) -> None:
    one = fresh("one")
    beats = {"kind": "ConfigMap", "jsonPointers": ["/data/beat"]}
    name, revision, _ = await kept(place, {"one.yaml": config_map(one, mood="calm", beat="0")}, beats)
    await place.all_watched()
    await settings(place, {f"{UPDATES}.ConfigMap": "jsonPointers: [/data/beat]\n"})
    before = await place.metrics("service")
    beat = 0

    async def is_passed_over() -> bool:
        nonlocal beat
        beat += 1
        await edit(place, "ConfigMap", one, {"data": {"beat": str(beat)}}, manager="heart")
        return (await place.metrics("service")).since(before).total("trueup_watch_events_total", outcome="ignored") > 0

    await wait_until(is_passed_over, SECONDS, "the contents are watched from now on")
    await looked_at(place, name)
    before = await place.metrics("service")

    async def events(outcome: str) -> float:
        return (await place.metrics("service")).since(before).total("trueup_watch_events_total", outcome=outcome)

    async def is_ignored() -> bool:
        return await events("ignored") == 1

    await edit(place, "ConfigMap", one, {"data": {"beat": "last"}}, manager="heart")
    await wait_until(is_ignored, SECONDS, "the event is seen")
    assert await events("enqueued") == 0, "nobody is woken"
    await edit(place, "ConfigMap", one, {"data": {"mood": "stormy"}})
    await place.until(name, is_healed(revision), "healed")
    await settings(place, {f"{UPDATES}.ConfigMap": None})
    await place.all_watched()
    before = await place.metrics("service")
    await edit(place, "ConfigMap", one, {"data": {"beat": "another"}}, manager="heart")

    async def is_enqueued() -> bool:
        return await events("enqueued") > 0

    await wait_until(is_enqueued, SECONDS, "without the rule the event wakes somebody")
