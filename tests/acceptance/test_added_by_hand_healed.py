"""What people add to what Trueup delivers is healed, only shown or left alone, as the application says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from tests.support.admission import mutating
from tests.support.commands import said
from tests.support.drift import HEALING, incident, incidents
from tests.support.product import Installation, Raw, config_map, is_synced, sync_status
from trueup.domain.application import REFRESH_ANNOTATION

BY_HAND = "trueup.dev/added-by-hand"
COMPARE_OPTIONS = "argocd.argoproj.io/compare-options"


async def add(running: Installation, name: str, data: str) -> None:
    patch = '{"data":{"' + data + '":"by hand"}}'
    await running.kubectl("patch", "configmap", name, "-n", running.delivered_to, "-p", patch)


def is_looked_at(raw: Raw) -> bool:
    """Whether the refresh that was asked for is done."""
    return REFRESH_ANNOTATION not in (raw["metadata"].get("annotations") or {})


async def data_of(running: Installation, name: str) -> dict[str, Any]:
    found: dict[str, Any] = (await running.live("ConfigMap", name) or {})["data"]
    return found


async def test_an_addition_is_an_incident_and_healed_and_stays_so(running: Installation) -> None:
    repository = await running.repository()
    revision = await repository.push({"app/one.yaml": config_map("lantern", greeting="ahoy")})
    await running.apply("lantern", repository.url, syncPolicy=HEALING)
    await running.until("lantern", is_synced(revision), "delivered")
    await running.all_watched()
    await add(running, "lantern", "more")
    seen = await incident(running, "lantern", lambda one: not one.is_open, "closed again")
    assert seen.ending == "SelfHealed"
    (field,) = seen.objects[0].fields
    assert (field.path, field.kind, field.manager) == ("data.more", "extra", "kubectl-patch")
    assert await data_of(running, "lantern") == {"greeting": "ahoy"}
    await running.at_rest()
    assert said(await running.trueup("app", "diff", "lantern")) == ""
    assert len(await incidents(running, "lantern")) == 1


async def test_an_addition_may_be_only_shown_or_left_alone(running: Installation) -> None:
    repository = await running.repository()
    revision = await repository.push({"app/one.yaml": config_map("buoy", greeting="ahoy")})
    await running.apply("buoy", repository.url, syncPolicy=HEALING)
    await running.patch("buoy", {"metadata": {"annotations": {BY_HAND: "report"}}})
    await running.until("buoy", is_synced(revision), "delivered")
    await running.all_watched()
    await add(running, "buoy", "more")
    await running.patch("buoy", {"metadata": {"annotations": {REFRESH_ANNOTATION: "normal"}}})
    raw = await running.until("buoy", is_looked_at, "looked at")
    assert sync_status(raw) == "Synced"
    words = said(await running.trueup("app", "diff", "buoy"))
    (line,) = (line for line in words.splitlines() if line.startswith("-   more: "))
    assert line.endswith("; added by hand; only shown")
    why = said(await running.trueup("app", "diff", "buoy", "--why"))
    assert "data.more: reported: added by hand: a person put it there" in why

    # A sync for another reason does not take it away either.
    revision = await repository.push({"app/one.yaml": config_map("buoy", greeting="farewell")})
    assert await running.webhook(repository.url) == 202
    await running.until("buoy", is_synced(revision), "the next revision")
    assert await data_of(running, "buoy") == {"greeting": "farewell", "more": "by hand"}

    await running.patch("buoy", {"metadata": {"annotations": {BY_HAND: "ignore"}}})
    assert said(await running.trueup("app", "diff", "buoy")) == ""
    await running.patch("buoy", {"metadata": {"annotations": {BY_HAND: "maybe"}}})
    await running.patch("buoy", {"metadata": {"annotations": {REFRESH_ANNOTATION: "normal"}}})
    raw = await running.until("buoy", is_looked_at, "looked at")
    (condition,) = (one for one in raw["status"]["conditions"] if one["type"] == "CompareOptionWarning")
    assert all(word in condition["message"] for word in ("drift", "ignore", "report"))
    assert f"===== {condition['message']}" in said(await running.trueup("app", "diff", "buoy"))
    assert await incidents(running, "buoy") == []


async def test_what_says_that_it_may_stay_makes_nothing_out_of_sync(running: Installation) -> None:
    repository = await running.repository()
    stays = orjson.loads(config_map("stays"))
    stays["metadata"]["annotations"] = {COMPARE_OPTIONS: "IgnoreExtraneous"}
    first = await repository.push({"app/one.yaml": config_map("goes"), "app/two.yaml": orjson.dumps(stays).decode()})
    await running.apply("quay", repository.url)
    said(await running.trueup("app", "sync", "quay"))
    await running.until("quay", is_synced(first), "delivered")
    second = await repository.push({"app/two.yaml": None})
    assert await running.webhook(repository.url) == 202
    raw = await running.until("quay", is_synced(second), "looked at")
    entries = {entry["name"]: entry for entry in raw["status"]["resources"]}
    assert entries["stays"]["status"] == "OutOfSync", "as with Argo CD, the object's own status says it"
    assert entries["stays"]["requiresPruning"]
    assert said(await running.trueup("app", "diff", "quay")) == ""
    assert "IgnoreExtraneous" in said(await running.trueup("app", "diff", "quay", "--why"))
    assert await running.live("ConfigMap", "stays") is not None


async def test_a_webhook_that_rewrites_is_not_healed_for_ever(running: Installation, tmp_path: Path) -> None:
    def louder(body: dict[str, Any]) -> list[dict[str, Any]]:
        if "greeting" not in (body.get("data") or {}):
            return []
        return [{"op": "replace", "path": "/data/greeting", "value": body["data"]["greeting"].upper()}]

    repository = await running.repository()
    revision = await repository.push({"app/one.yaml": config_map("horn", greeting="ahoy")})
    async with mutating(running.cluster, running.delivered_to, tmp_path, louder, group="", plural="configmaps") as hook:
        await running.apply("horn", repository.url, syncPolicy=HEALING)
        await running.until("horn", is_synced(revision), "delivered")
        await running.all_watched()
        # It may be registered only after the first delivery; then an edit brings it in.
        await running.kubectl("label", "configmap", "horn", "-n", running.delivered_to, "tone=low")
        seen = await incident(running, "horn", lambda one: not one.is_open, "the label is healed")
        assert [field.path for item in seen.objects for field in item.fields] == ["metadata.labels.tone"]
        await running.at_rest()
        assert hook.asked, "the webhook had its say"
        assert await data_of(running, "horn") == {"greeting": "AHOY"}
        version = (await running.live("ConfigMap", "horn") or {})["metadata"]["resourceVersion"]
        await running.patch("horn", {"metadata": {"annotations": {REFRESH_ANNOTATION: "hard"}}})
        raw = await running.until(
            "horn",
            lambda raw: REFRESH_ANNOTATION not in (raw["metadata"].get("annotations") or {}),
            "looked at",
        )
        await running.at_rest()
        assert sync_status(raw) == "Synced"
        assert (await running.live("ConfigMap", "horn") or {})["metadata"]["resourceVersion"] == version
        why = said(await running.trueup("app", "diff", "horn", "--why"))
        assert "data.greeting: ignored: judged by the API server: the API server makes the same" in why
