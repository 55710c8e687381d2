"""The main job: a push, its webhook, and a cluster that is as Git says."""

from __future__ import annotations

from tests.support.product import AUTOMATED, Installation, config_map, is_synced
from trueup.domain.resource import tracked_by


async def test_a_push_becomes_a_synced_cluster(trueup: Installation) -> None:
    repository = await trueup.repository()
    first = await repository.push({"app/one.yaml": config_map("one", greeting="ahoy")})
    await trueup.start_both()
    await trueup.apply("harbour", repository.url, syncPolicy=AUTOMATED)
    await trueup.until("harbour", is_synced(first), "synced at the first commit")
    second = await repository.push({"app/one.yaml": config_map("one", greeting="high water")})
    assert await trueup.webhook(repository.url) == 202
    raw = await trueup.until("harbour", is_synced(second), "synced at the second commit")

    live = await trueup.live("ConfigMap", "one")
    assert live is not None
    assert live["data"] == {"greeting": "high water"}
    assert tracked_by(live) == "harbour"
    status = raw["status"]
    assert status["operationState"]["phase"] == "Succeeded"
    assert status["operationState"]["syncResult"]["revision"] == second
    assert [entry["revision"] for entry in status["history"]] == [first, second]
    assert status["health"]["status"] == "Healthy"
    assert [(r["kind"], r["name"], r["status"]) for r in status["resources"]] == [("ConfigMap", "one", "Synced")]


async def test_without_automation_a_push_is_out_of_sync_until_somebody_syncs(trueup: Installation) -> None:
    repository = await trueup.repository()
    revision = await repository.push({"app/one.yaml": config_map("one", greeting="ahoy")})
    await trueup.start_both()
    await trueup.apply("harbour", repository.url)
    raw = await trueup.until("harbour", lambda raw: raw.get("status", {}).get("sync"), "compared")
    assert raw["status"]["sync"]["status"] == "OutOfSync"
    assert await trueup.live("ConfigMap", "one") is None
    done = await trueup.trueup("app", "sync", "harbour", "--timeout", "60")
    assert done.returncode == 0, done.stderr.decode()
    raw = await trueup.until("harbour", is_synced(revision), "synced")
    assert raw["status"]["history"][0]["initiatedBy"]["username"]
    assert await trueup.live("ConfigMap", "one") is not None
