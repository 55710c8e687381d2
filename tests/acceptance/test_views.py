"""A view job, by the page that asks for it: it shows what is live now, changes nothing, and keeps secrets to itself."""

from __future__ import annotations

from datetime import UTC, datetime

import aiohttp
import pytest
from redis.asyncio import Redis

from tests.support.bad_input import fresh
from tests.support.canaries import new_canary, nothing_shows, secret
from tests.support.drift import DEPLOYMENT, HEALING, SERVICE, edit, incident
from tests.support.pages import Markup
from tests.support.product import AUTOMATED, STEP_SECONDS, Installation, config_map, is_synced, sync_status
from tests.support.wait import wait_until
from trueup.clients.queue import Queue
from trueup.domain.application import ApplicationId
from trueup.domain.job import view_job


def utc_second() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def page_of(trueup: Installation, path: str, status: int = 200) -> str:
    """The page as a browser without script reads it."""
    address = trueup.addresses("service")["listen"]
    async with (
        aiohttp.ClientSession(headers={"Accept": "text/html"}) as session,
        session.get(f"http://{address}{path}") as answer,
    ):
        text = await answer.text()
        assert answer.status == status, text
        return text


async def delivered(trueup: Installation, files: dict[str, str], **spec: object) -> str:
    repository, name = await trueup.repository(), fresh("app")
    revision = await repository.push({f"app/{file}": text for file, text in files.items()})
    await trueup.apply(name, repository.url, **{"syncPolicy": AUTOMATED, **spec})
    await trueup.until(name, is_synced(revision), "synced")
    await trueup.all_watched()
    return name


async def is_out(trueup: Installation, name: str) -> None:
    await trueup.until(name, lambda raw: sync_status(raw) == "OutOfSync", "out of sync")
    await incident(trueup, name, lambda one: one.is_open, "opened")
    await trueup.at_rest()


async def test_a_page_shows_what_is_live_now_at_the_revision_that_was_compared(running: Installation) -> None:
    web = fresh("web")
    name = await delivered(running, {"service.yaml": SERVICE.format(name=web)})
    assert "Live is what Git says." in await page_of(running, f"/applications/{name}")
    await edit(running, "Service", web, {"spec": {"selector": {"app": "other"}}})
    await is_out(running, name)
    text = Markup(await page_of(running, f"/applications/{name}")).text
    assert "app: other" in text
    assert "kubectl-edit" in text
    assert f"{name}.1" in text


async def test_a_page_names_the_person_whom_another_worker_has_heard_of(running: Installation) -> None:
    one = fresh("one")
    name = await delivered(running, {"one.yaml": config_map(one, mood="calm")})
    await edit(running, "ConfigMap", one, {"data": {"mood": "stormy"}})
    await is_out(running, name)
    records = await running.cluster.resource("trueup.dev", "Incident")
    record = await running.cluster.get(records, running.namespace, f"{name}.1")
    assert record is not None
    (item,) = record["status"]["objects"]
    named = {"objects": [{**item, "fields": [{**item["fields"][0], "user": "alice", "groups": ["sailors"]}]}]}
    await running.cluster.merge_patch(records, running.namespace, f"{name}.1", {"status": named})

    async def is_named() -> bool:
        text = Markup(await page_of(running, f"/applications/{name}")).text
        return "by alice with kubectl-edit" in text and "stormy" in text

    await wait_until(is_named, STEP_SECONDS, "the page names alice")


async def test_a_page_says_when_each_field_was_edited_as_the_record_does(running: Installation) -> None:
    one = fresh("one")
    name = await delivered(running, {"one.yaml": config_map(one, mood="calm", wind="none")})
    await edit(running, "ConfigMap", one, {"data": {"mood": "stormy"}})
    await is_out(running, name)
    first = (await incident(running, name, lambda one: one.is_open, "opened")).objects[0].fields[0].time
    # managedFields have one second for all that the program wrote.
    await wait_until(lambda: utc_second() > first, STEP_SECONDS, "the next second")
    await edit(running, "ConfigMap", one, {"data": {"wind": "west"}})
    both = await incident(running, name, lambda one: len(one.objects[0].fields) == 2, "both fields")
    mood, wind = (field.time for field in both.objects[0].fields)
    assert mood == first < wind

    async def is_told() -> bool:
        text = Markup(await page_of(running, f"/applications/{name}")).text
        return f"by manager kubectl-edit, {mood}" in text and f"by manager kubectl-edit, {wind}" in text

    await wait_until(is_told, STEP_SECONDS, "each field has its own time")


async def test_looking_writes_nothing(running: Installation) -> None:
    one = fresh("one")
    name = await delivered(running, {"one.yaml": config_map(one, mood="calm")})
    await edit(running, "ConfigMap", one, {"data": {"mood": "stormy"}})
    await is_out(running, name)
    before = (await running.application(name), await running.live("ConfigMap", one))
    metrics = await running.metrics("worker")
    assert "stormy" in await page_of(running, f"/applications/{name}")
    await running.at_rest()
    assert (await running.application(name), await running.live("ConfigMap", one)) == before
    looked = (await running.metrics("worker")).since(metrics)
    assert looked.total("trueup_jobs_run_total", kind="view") == 1
    assert looked.total("trueup_kubernetes_requests_total", verb="PATCH") <= looked.total(
        "trueup_kubernetes_requests_total", verb="PATCH", resource="configmaps"
    ), "no more than dry runs"


@pytest.mark.parametrize("status", ["Missing", "Unwanted"])
async def test_an_object_that_only_one_side_has_is_shown_as_a_whole(running: Installation, status: str) -> None:
    one, other = fresh("one"), fresh("other")
    repository, name = await running.repository(), fresh("app")
    revision = await repository.push(
        {"app/one.yaml": config_map(one, mood="calm"), "app/other.yaml": config_map(other, mood="fair")}
    )
    await running.apply(name, repository.url, syncPolicy={"automated": {}})
    await running.until(name, is_synced(revision), "synced")
    await running.all_watched()
    if status == "Missing":
        await running.kubectl("-n", running.delivered_to, "delete", "configmap", other)
    else:
        await repository.push({"app/other.yaml": None})
        assert await running.webhook(repository.url) == 202
    await is_out(running, name)
    text = Markup(await page_of(running, f"/applications/{name}")).text
    assert "mood: fair" in text
    assert ("is not in the cluster" if status == "Missing" else "is no longer in Git") in text


async def test_what_cannot_be_compared_is_said_and_the_record_is_shown(running: Installation) -> None:
    repository, name = await running.repository(), fresh("app")
    await repository.push({"app/one.yaml": config_map(fresh("one"), mood="calm")})
    await running.apply(name, repository.url, path="nowhere")
    await running.until(name, lambda raw: (raw.get("status") or {}).get("conditions"), "told")
    text = Markup(await page_of(running, f"/applications/{name}")).text
    assert "it was not compared yet" in text
    assert "nowhere" in text


async def test_no_value_of_a_secret_leaves_by_a_page_or_by_what_brings_it(running: Installation) -> None:
    canaries = {what: new_canary() for what in ("git", "live", "borrowed", "added", "annotation", "mapped")}
    key, one = fresh("key"), fresh("one")
    files = {
        "key.yaml": secret(key, stringData={"password": canaries["git"], "shared": canaries["borrowed"]}),
        "one.yaml": config_map(one, url="nothing yet"),
        "run.yaml": DEPLOYMENT.format(name=fresh("run"), replicas=1, tag="1"),
    }
    name = await delivered(running, files)
    await edit(running, "Secret", key, {"stringData": {"password": canaries["live"], "more": canaries["added"]}})
    await edit(running, "ConfigMap", one, {"data": {"url": f"it is {canaries['borrowed']} indeed"}})
    applied = {
        "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": canaries["annotation"]}}
    }
    await edit(running, "Secret", key, applied)
    await is_out(running, name)
    pages = [
        await page_of(running, path) for path in (f"/applications/{name}", f"/incidents/{name}.1", "/", "/incidents")
    ]
    assert "changed" in pages[0]
    assert key in pages[0]
    # What the page was made of is in Redis for a minute.
    async with Redis.from_url(running.redis_url) as redis:
        assert await redis.exists(f"{{trueup}}:view:{running.namespace}/{name}")
    await nothing_shows(running, canaries.values(), pages)


async def test_a_view_of_another_namespace_is_not_given(running: Installation) -> None:
    name = await delivered(running, {"one.yaml": config_map(fresh("one"), mood="calm")})
    raw = await running.application(name)
    assert raw is not None
    applications = await running.cluster.resource("argoproj.io", "Application")
    metadata = {"name": name, "namespace": running.delivered_to}
    body = {"apiVersion": raw["apiVersion"], "kind": raw["kind"], "metadata": metadata}
    await running.cluster.create(
        applications, running.delivered_to, {**body, "spec": raw["spec"], "status": raw["status"]}
    )
    looked_at = {"ours": running.namespace, "elsewhere": running.delivered_to}
    async with Redis.from_url(running.redis_url) as redis:
        await Queue(redis).enqueue([view_job(ApplicationId(each, name), "x") for each in looked_at.values()])
        await Queue(redis).enqueue([view_job(ApplicationId(running.namespace, "nobody"), "x")])
        await running.at_rest()
        answered = {what for what, each in looked_at.items() if await redis.exists(f"{{trueup}}:view:{each}/{name}")}
        assert answered == {"ours"}
        assert not await redis.zcard("{trueup}:dead_at")


async def test_an_answer_that_would_be_too_long_is_shortened_and_says_so(running: Installation) -> None:
    names = [fresh(f"long{number}") for number in range(8)]
    lines = "\n".join(f"line {number} of many that are long enough to count" for number in range(5_000))
    files = {f"{one}.yaml": config_map(one, text=lines) for one in names}
    name = await delivered(running, files)
    for one in names:
        await edit(running, "ConfigMap", one, {"data": {"text": lines.replace("long enough", "otherwise")}})
    await is_out(running, name)

    async def shows_all_that_it_can() -> bool:
        text = Markup(await page_of(running, f"/applications/{name}")).text
        return "more" in text and "OutOfSync" in text and len(text) < 8_000_000

    await wait_until(shows_all_that_it_can, STEP_SECONDS, "a page of bounded length")


async def test_healed_drift_is_shown_as_over(running: Installation) -> None:
    one = fresh("one")
    name = await delivered(running, {"one.yaml": config_map(one, mood="calm")}, syncPolicy=HEALING)
    await edit(running, "ConfigMap", one, {"data": {"mood": "stormy"}})
    await incident(running, name, lambda one: not one.is_open, "healed")
    text = Markup(await page_of(running, f"/applications/{name}")).text
    assert "Live is what Git says." in text
    assert "healed by itself" in text
