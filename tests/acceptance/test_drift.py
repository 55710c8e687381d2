"""A live edit is OutOfSync by event, says who, is healed where that is wanted, and is on record once."""

from __future__ import annotations

import asyncio

from tests.support.bad_input import fresh
from tests.support.commands import said
from tests.support.drift import DEPLOYMENT, HEALING, SERVICE, edit, incident, incidents, is_healed
from tests.support.product import (
    AUTOMATED,
    STEP_SECONDS,
    Installation,
    Predicate,
    conditions,
    config_map,
    is_synced,
    sync_status,
)
from tests.support.wait import wait_until


async def delivered(running: Installation, manifests: dict[str, str], **spec: object) -> tuple[str, str]:
    """An application with these files, Synced; its name and revision."""
    repository, name = await running.repository(), fresh("app")
    revision = await repository.push({f"app/{file}": text for file, text in manifests.items()})
    await running.apply(name, repository.url, **spec)
    if "syncPolicy" not in spec:
        said(await running.trueup("app", "sync", name))
    await running.until(name, is_synced(revision), "synced")
    await running.at_rest()
    return name, revision


async def test_an_edited_service_is_out_of_sync_and_waits_for_a_person(running: Installation) -> None:
    web = fresh("web")
    name, revision = await delivered(running, {"service.yaml": SERVICE.format(name=web)}, syncPolicy=AUTOMATED)
    await edit(running, "Service", web, {"spec": {"selector": {"app": "other"}}})
    raw = await running.until(name, lambda raw: sync_status(raw) == "OutOfSync", "out of sync")
    assert raw["status"]["sync"]["revision"] == revision
    opened = await incident(running, name, lambda one: one.is_open, "opened")
    (item,) = opened.objects
    (field,) = item.fields
    assert (opened.cause, item.key.name, field.path) == ("Drift", web, "spec.selector.app")
    assert (field.desired, field.live, field.manager) == (f'"{web}"', '"other"', "kubectl-edit")
    assert field.time

    said(await running.trueup("app", "sync", name))
    closed = await incident(running, name, lambda one: not one.is_open, "closed")
    assert closed.ending == "Synced"
    assert len(await incidents(running, name)) == 1


async def test_an_edit_taken_back_by_hand_closes_its_incident(running: Installation) -> None:
    one = fresh("one")
    name, revision = await delivered(running, {"one.yaml": config_map(one, mood="calm")}, syncPolicy=AUTOMATED)
    await edit(running, "ConfigMap", one, {"data": {"mood": "stormy"}})
    await running.until(name, lambda raw: sync_status(raw) == "OutOfSync", "out of sync")
    await edit(running, "ConfigMap", one, {"data": {"mood": "calm"}})
    await running.until(name, is_synced(revision), "synced again")
    closed = await incident(running, name, lambda one: not one.is_open, "closed")
    assert closed.ending == "Reverted"


async def test_self_heal_puts_right_just_what_drifted_and_says_so(running: Installation) -> None:
    one, two = fresh("one"), fresh("two")
    files = {"one.yaml": config_map(one, mood="calm"), "two.yaml": config_map(two, mood="calm")}
    name, revision = await delivered(running, files, syncPolicy=HEALING)
    await running.at_rest()
    before = await running.metrics("worker")
    await edit(running, "ConfigMap", one, {"data": {"mood": "stormy"}})
    raw = await running.until(name, is_healed(revision), "healed")
    await running.at_rest()
    assert [entry["name"] for entry in raw["status"]["operationState"]["syncResult"]["resources"]] == [one]
    assert len(raw["status"]["history"]) == 1, "a heal is no deployment"
    live = await running.live("ConfigMap", one)
    assert live is not None
    assert live["data"] == {"mood": "calm"}
    closed = await incident(running, name, lambda one: not one.is_open, "closed")
    assert (closed.cause, closed.ending, closed.times) == ("Drift", "SelfHealed", 1)
    counted = (await running.metrics("worker")).since(before)
    assert counted.total("trueup_git_fetches_total") == 0
    assert counted.total("trueup_renders_total") == 0
    requests = "trueup_kubernetes_requests_total"
    assert counted.total(requests, verb="APPLY") == 2, "the judge's dry run, and the heal"
    assert counted.total(requests, verb="LIST") == 0
    assert counted.total(requests, verb="PATCH", resource="applications") == 2, "the fence says OutOfSync"
    assert counted.total(requests, verb="GET", resource="configmaps") == 1, "the edit; the heal's own event is known"


async def test_a_deleted_object_is_missing_and_comes_back(running: Installation) -> None:
    one = fresh("one")
    name, revision = await delivered(running, {"one.yaml": config_map(one, mood="calm")}, syncPolicy=HEALING)
    live = await running.live("ConfigMap", one)
    assert live is not None
    resource = await running.cluster.resource("", "ConfigMap")
    await running.cluster.delete(resource, running.delivered_to, one, uid=live["metadata"]["uid"])
    await running.until(name, is_healed(revision), "made anew")
    closed = await incident(running, name, lambda one: not one.is_open, "closed")
    assert [item.status for item in closed.objects] == ["Missing"]


async def test_lost_tracking_is_looked_at_and_given_back_by_the_next_sync(running: Installation) -> None:
    """It is no difference: objects that kubectl made are Synced before they are adopted, too."""
    one, annotation = fresh("one"), "argocd.argoproj.io/tracking-id"
    name, _ = await delivered(running, {"one.yaml": config_map(one, mood="calm")}, syncPolicy=HEALING)
    before = await running.metrics("worker")
    await edit(running, "ConfigMap", one, {"metadata": {"annotations": {annotation: None}}})

    async def is_looked_at() -> bool:
        after = (await running.metrics("worker")).since(before)
        return after.total("trueup_jobs_run_total", kind="application") >= 1

    await wait_until(is_looked_at, STEP_SECONDS, "a look")
    raw = await running.application(name)
    assert raw is not None
    assert sync_status(raw) == "Synced"
    said(await running.trueup("app", "sync", name))
    live = await running.live("ConfigMap", one)
    assert live is not None
    assert live["metadata"]["annotations"][annotation].startswith(f"{name}:")


async def test_repeated_edits_are_one_incident(running: Installation) -> None:
    one = fresh("one")
    name, revision = await delivered(running, {"one.yaml": config_map(one, mood="calm")}, syncPolicy=HEALING)
    await edit(running, "ConfigMap", one, {"data": {"mood": "stormy"}}, manager="first")
    await running.until(name, is_healed(revision), "healed")
    await edit(running, "ConfigMap", one, {"data": {"mood": "foggy"}}, manager="second")
    again = await incident(running, name, lambda one: one.times == 2, "drifted again")
    assert again.objects[0].fields[0].manager == "second"
    await running.until(name, is_healed(revision, 2), "healed again, two seconds later")
    await incident(running, name, lambda one: not one.is_open, "closed")
    assert len(await incidents(running, name)) == 1


async def test_a_deployment_without_a_sync_is_told_of_and_closed_by_the_sync(running: Installation) -> None:
    one = fresh("one")
    repository, name = await running.repository(), fresh("manual")
    await repository.push({"app/one.yaml": config_map(one, mood="calm")})
    await running.apply(name, repository.url)
    opened = await incident(running, name, lambda one: one.is_open, "opened")
    assert opened.cause == "Revision"
    said(await running.trueup("app", "sync", name))
    await incident(running, name, lambda one: one.ending == "Synced", "closed")
    revision = await repository.push({"app/one.yaml": config_map(one, mood="stormy")})
    assert await running.webhook(repository.url) == 202
    second = await incident(running, name, lambda one: one.is_open and one.revision == revision, "opened for the push")
    assert second.cause == "Revision"


async def test_a_push_that_is_delivered_at_once_is_no_incident(running: Installation) -> None:
    one = fresh("one")
    repository, name = await running.repository(), fresh("auto")
    await repository.push({"app/one.yaml": config_map(one, mood="calm")})
    await running.apply(name, repository.url, syncPolicy=HEALING)
    revision = await repository.push({"app/one.yaml": config_map(one, mood="stormy")})
    assert await running.webhook(repository.url) == 202
    await running.until(name, is_synced(revision), "synced")
    await running.at_rest()
    assert await incidents(running, name) == []


async def test_health_arrives_by_event_and_another_image_is_drift(running: Installation) -> None:
    web = fresh("web")
    manifest = DEPLOYMENT.format(name=web, replicas=1, tag="1")
    name, revision = await delivered(running, {"web.yaml": manifest}, syncPolicy=AUTOMATED)
    await running.until(name, lambda raw: raw["status"]["health"]["status"] == "Healthy", "healthy by event")
    container = {"name": "web", "image": "example.invalid/web:2"}
    await edit(running, "Deployment", web, {"spec": {"template": {"spec": {"containers": [container]}}}}, group="apps")
    await running.until(
        name,
        lambda raw: (
            sync_status(raw) == "OutOfSync" and raw["status"]["summary"].get("images") == ["example.invalid/web:2"]
        ),
        "its image is known",
    )
    said(await running.trueup("app", "sync", name))
    await running.until(
        name,
        lambda raw: is_synced(revision)(raw) and raw["status"]["summary"].get("images") == ["example.invalid/web:1"],
        "back",
    )


async def test_a_secret_that_drifts_is_never_written_down(running: Installation) -> None:
    hush = fresh("hush")
    manifest = (
        f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {hush}}}\nstringData: {{password: tide-and-time-0815}}\n"
    )
    name, _ = await delivered(running, {"hush.yaml": manifest}, syncPolicy=AUTOMATED)
    await edit(running, "Secret", hush, {"stringData": {"password": "another-one-4711"}})
    opened = await incident(running, name, lambda one: one.is_open, "opened")
    text = str(opened)
    for value in ("tide-and-time", "another-one", "dGlkZS1hbmQ", "YW5vdGhlci1v"):
        assert value not in text
    assert opened.objects[0].fields[0].live != opened.objects[0].fields[0].desired
    for half in ("service", "worker"):
        assert "another-one" not in running.log(half).read_text()


async def test_two_applications_that_claim_one_object_are_both_told_and_do_not_fight(running: Installation) -> None:
    one = fresh("one")
    first, revision = await delivered(running, {"one.yaml": config_map(one, mood="calm")}, syncPolicy=HEALING)
    repository, second = await running.repository(), fresh("second")
    await repository.push({"app/one.yaml": config_map(one, mood="stormy")})
    await running.apply(second, repository.url, syncPolicy=HEALING)

    def warned(other: str) -> Predicate:
        return lambda raw: any(other in message for message in conditions(raw, "SharedResourceWarning"))

    await asyncio.gather(
        running.until(first, warned(second), "told of the second"),
        running.until(second, warned(first), "told of the first"),
    )
    live = await running.live("ConfigMap", one)
    assert live is not None
    assert live["data"] == {"mood": "calm"}
    applications = await running.cluster.resource("argoproj.io", "Application")
    raw = await running.application(second)
    assert raw is not None
    await running.cluster.delete(applications, running.namespace, second, uid=raw["metadata"]["uid"])
    await running.until(first, lambda raw: not warned(second)(raw) and is_synced(revision)(raw), "no longer told")
