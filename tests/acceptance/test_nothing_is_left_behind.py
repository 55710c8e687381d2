"""What could leave an application behind, or take an object from it, does not."""

from __future__ import annotations

import asyncio
from typing import Any

from redis.asyncio import Redis

from tests.support.product import AUTOMATED, Installation, conditions, config_map, is_synced, sync_status
from tests.support.wait import wait_until
from trueup.clients.queue import Queue
from trueup.domain.application import ApplicationId
from trueup.domain.job import Priority, application_job
from trueup.domain.resource import tracked_by


async def test_an_object_that_moves_to_another_application_stays(trueup: Installation) -> None:
    repository = await trueup.repository()
    first = await repository.push(
        {
            "a/moving.yaml": config_map("moving", at="sea"),
            "a/stays.yaml": config_map("stays-a", at="sea"),
            "b/stays.yaml": config_map("stays-b", at="sea"),
        }
    )
    await trueup.start_both()
    for name in ("a", "b"):
        await trueup.apply(name, repository.url, path=name, syncPolicy=AUTOMATED)
    for name in ("a", "b"):
        await trueup.until(name, is_synced(first), "synced")
    second = await repository.push({"a/moving.yaml": None, "b/moving.yaml": config_map("moving", at="sea")})
    assert await trueup.webhook(repository.url) == 202
    for name in ("a", "b"):
        await trueup.until(name, is_synced(second), "synced after the move")
    live = await trueup.live("ConfigMap", "moving")
    assert live is not None
    assert tracked_by(live) == "b"


async def test_a_dry_run_does_not_keep_a_commit_from_being_delivered(trueup: Installation) -> None:
    repository = await trueup.repository()
    first = await repository.push({"app/one.yaml": config_map("one", at="first")})
    await trueup.start_both()
    await trueup.apply("harbour", repository.url)
    await trueup.until("harbour", lambda raw: sync_status(raw) == "OutOfSync", "compared")
    done = await trueup.trueup("app", "sync", "harbour", "--dry-run", "--timeout", "60")
    assert done.returncode == 0, done.stderr.decode()
    raw = await trueup.application("harbour")
    assert raw is not None
    assert "dry run" in raw["status"]["operationState"]["message"]
    assert sync_status(raw) == "OutOfSync"
    assert not raw["status"].get("history")
    assert await trueup.live("ConfigMap", "one") is None
    await trueup.patch("harbour", {"spec": {"syncPolicy": AUTOMATED}})
    await trueup.until("harbour", is_synced(first), "delivered though it was tried dry")


async def test_an_object_that_is_on_its_way_out_is_made_anew_once_it_is_gone(trueup: Installation) -> None:
    repository = await trueup.repository()
    await repository.push({"app/one.yaml": config_map("one", at="first")})
    await trueup.start_both()
    await trueup.apply("harbour", repository.url, syncPolicy=AUTOMATED)
    await trueup.until("harbour", lambda raw: sync_status(raw) == "Synced", "synced")
    resource = await trueup.cluster.resource("", "ConfigMap")
    held = await trueup.cluster.merge_patch(
        resource, trueup.delivered_to, "one", {"metadata": {"finalizers": ["trueup.dev/test"]}}
    )
    await trueup.cluster.delete(resource, trueup.delivered_to, "one", uid=held["metadata"]["uid"])
    second = await repository.push({"app/one.yaml": config_map("one", at="second")})
    assert await trueup.webhook(repository.url) == 202
    raw = await trueup.until("harbour", lambda raw: conditions(raw, "SyncError"), "said that it is held")
    assert "being deleted" in conditions(raw, "SyncError")[0]
    assert len(raw["status"]["history"]) == 1
    await trueup.cluster.merge_patch(resource, trueup.delivered_to, "one", {"metadata": {"finalizers": None}})
    await trueup.until("harbour", is_synced(second), "made anew")


async def test_a_change_of_spec_during_a_run_does_not_wait_for_the_lease(trueup: Installation) -> None:
    repository = await trueup.repository()
    revision = await repository.push({"app/one.yaml": config_map("one", at="first")})
    await trueup.start_both()
    await trueup.apply("harbour", repository.url)
    await trueup.until("harbour", lambda raw: sync_status(raw) == "OutOfSync", "compared")
    stop = asyncio.Event()

    async def edit() -> None:
        limit = 5
        while not stop.is_set():
            limit = 6 if limit == 5 else 5
            await trueup.patch("harbour", {"spec": {"revisionHistoryLimit": limit}})

    editing = asyncio.create_task(edit())
    await trueup.until("harbour", lambda raw: raw["metadata"]["generation"] > 20, "edited while runs go on")
    stop.set()
    await editing
    await trueup.patch("harbour", {"spec": {"syncPolicy": AUTOMATED}})
    # Within less than the default lease of 30 s: a void run hands its job back.
    await trueup.until("harbour", is_synced(revision), "synced", seconds=20)


async def test_a_forged_job_reaches_no_application_of_another_namespace(trueup: Installation) -> None:
    repository = await trueup.repository()
    await repository.push({"app/one.yaml": config_map("one", at="first")})
    await trueup.start_both()
    applications = await trueup.cluster.resource("argoproj.io", "Application")
    body: dict[str, Any] = await trueup.apply("harbour", repository.url)
    forged = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "evil", "namespace": trueup.delivered_to},
        "spec": {**body["spec"], "syncPolicy": AUTOMATED},
    }
    await trueup.cluster.create(applications, trueup.delivered_to, forged)
    async with Redis.from_url(trueup.redis_url) as redis:
        await Queue(redis).enqueue([application_job(ApplicationId(trueup.delivered_to, "evil"), Priority.MANUAL)])
    await trueup.at_rest()
    assert "another namespace" in trueup.log("worker").read_text()
    assert await trueup.live("ConfigMap", "one") is None
    evil = await trueup.cluster.get(applications, trueup.delivered_to, "evil")
    assert evil is not None
    assert "status" not in evil


async def test_an_operation_on_a_repository_that_is_not_there_ends_in_error(trueup: Installation) -> None:
    trueup.settings |= {
        "TRUEUP_ATTEMPTS_MAX": "3",
        "TRUEUP_RETRY_SECONDS_MIN": "0.1",
        "TRUEUP_RETRY_SECONDS_MAX": "0.2",
    }
    await trueup.start_both()
    await trueup.apply("harbour", f"{trueup.sandbox.git_url}/nowhere.git")
    await trueup.until("harbour", lambda raw: conditions(raw, "ComparisonError"), "said so")
    await trueup.patch("harbour", {"operation": {"sync": {}}, "metadata": {"annotations": REFRESH}})
    raw = await trueup.until("harbour", lambda raw: "operation" not in raw, "the operation has ended")
    assert raw["status"]["operationState"]["phase"] == "Error"
    assert not raw["metadata"].get("annotations")


async def test_a_sync_is_over_when_a_person_terminates_it_or_takes_it_away(trueup: Installation) -> None:
    repository = await trueup.repository()
    await repository.push({"app/one.yaml": config_map("one").replace('"data":{}', '"data":{"a b":"x"}')})
    await trueup.start_both()
    await trueup.apply("harbour", repository.url)
    await trueup.until("harbour", lambda raw: sync_status(raw) == "OutOfSync", "compared")
    retry = {"limit": -1, "backoff": {"duration": "1s", "factor": 1}}
    for way_out, message in (
        ({"operation": None}, "taken away"),
        ({"status": {"operationState": {"phase": "Terminating"}}}, "terminated"),
    ):
        await trueup.patch("harbour", {"operation": {"sync": {}, "retry": retry}})
        await trueup.until("harbour", lambda raw: phase_of(raw) == "Running" and retries_of(raw) > 0, "retrying")
        await trueup.patch("harbour", way_out)
        raw = await trueup.until("harbour", lambda raw: phase_of(raw) == "Failed", "over")
        assert message in raw["status"]["operationState"]["message"]
        assert "operation" not in raw


async def test_health_is_followed_after_a_sync_however_long_it_had_been_well(trueup: Installation) -> None:
    repository = await trueup.repository()
    await repository.push({"app/web.yaml": deployment(replicas=1)})
    await trueup.start_both()
    await trueup.apply("harbour", repository.url, syncPolicy=AUTOMATED)
    await trueup.until("harbour", is_healthy, "healthy")
    await trueup.at_rest()
    long_ago = {"status": {"health": {"lastTransitionTime": "2020-01-01T00:00:00Z"}}}
    await trueup.patch("harbour", long_ago)
    second = await repository.push({"app/web.yaml": deployment(replicas=3)})
    assert await trueup.webhook(repository.url) == 202
    await trueup.until("harbour", is_synced(second), "synced")
    await trueup.until("harbour", is_healthy, "healthy again")
    ready = await wait_until(lambda: trueup.live("Deployment", "web", group="apps"), 10, "there")
    assert ready["status"]["readyReplicas"] == 3


REFRESH = {"argocd.argoproj.io/refresh": "normal"}


def phase_of(raw: Any) -> str | None:
    found: str | None = ((raw.get("status") or {}).get("operationState") or {}).get("phase")
    return found


def retries_of(raw: Any) -> int:
    return int(raw["status"]["operationState"].get("retryCount") or 0)


def is_healthy(raw: Any) -> bool:
    status = raw.get("status") or {}
    return sync_status(raw) == "Synced" and (status.get("health") or {}).get("status") == "Healthy"


def deployment(*, replicas: int) -> str:
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec: {{containers: [{{name: web, image: "example.invalid/web:1"}}]}}
"""
