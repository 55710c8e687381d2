"""Nothing is deleted that somebody did not clearly ask to have deleted."""

from __future__ import annotations

from typing import Any

import orjson

from tests.support.bad_input import fresh, gone, healed, owned, phase, results, told
from tests.support.product import AUTOMATED, Installation, conditions, config_map, is_synced, sync_status
from trueup.domain.resource import TRACKING_ANNOTATION, tracked_by


async def test_without_pruning_a_removed_file_is_shown_and_kept(running: Installation) -> None:
    repository, name, stays, leaves = await running.repository(), fresh("keeps"), fresh("stays"), fresh("leaves")
    first = await repository.push({"app/a.yaml": config_map(stays), "app/b.yaml": config_map(leaves)})
    await running.apply(name, repository.url, syncPolicy={"automated": {}})
    await healed(running, name, first)
    second = await repository.push({"app/b.yaml": None})
    assert await running.webhook(repository.url) == 202
    raw = await running.until(name, lambda raw: raw["status"]["sync"].get("revision") == second, "compared")
    assert sync_status(raw) == "OutOfSync"
    entries = {entry["name"]: entry for entry in raw["status"]["resources"]}
    assert entries[leaves]["requiresPruning"] is True
    assert entries[leaves]["status"] == "OutOfSync"
    assert entries[stays]["status"] == "Synced"
    await running.at_rest()
    assert await running.live("ConfigMap", leaves) is not None

    third = await repository.push({"app/a.yaml": config_map(stays, at="third")})
    assert await running.webhook(repository.url) == 202
    raw = await running.until(name, lambda raw: _succeeded(raw, third), "synced the rest")
    assert results(raw)[leaves][0] == "PruneSkipped"
    assert "pruning is not enabled" in results(raw)[leaves][1]
    assert sync_status(raw) == "OutOfSync"
    assert await running.live("ConfigMap", leaves) is not None

    done = await running.trueup("app", "sync", name, "--prune", "--timeout", "60")
    assert done.returncode == 0, done.stderr.decode()
    await gone(running, "ConfigMap", leaves)
    raw = await healed(running, name, third)
    assert owned(raw) == {stays}


async def test_an_object_that_was_made_anew_meanwhile_is_not_the_one_to_prune(running: Installation) -> None:
    """The delete carries the uid that was decided upon; without our tracking id nothing goes at all."""
    repository, name, stays, leaves = await running.repository(), fresh("anew"), fresh("stays"), fresh("leaves")
    first = await repository.push({"app/a.yaml": config_map(stays), "app/b.yaml": config_map(leaves)})
    await running.apply(name, repository.url, syncPolicy=AUTOMATED)
    await healed(running, name, first)
    await running.kubectl("delete", "configmap", leaves, "-n", running.delivered_to)
    await running.kubectl("create", "configmap", leaves, "-n", running.delivered_to)
    second = await repository.push({"app/b.yaml": None})
    assert await running.webhook(repository.url) == 202
    raw = await healed(running, name, second)
    assert owned(raw) == {stays}
    live = await running.live("ConfigMap", leaves)
    assert live is not None
    assert "deletionTimestamp" not in live["metadata"]


async def test_an_object_whose_tracking_somebody_removed_is_kept(running: Installation) -> None:
    repository, name, stays, leaves = await running.repository(), fresh("untracked"), fresh("stays"), fresh("leaves")
    first = await repository.push({"app/a.yaml": config_map(stays), "app/b.yaml": config_map(leaves)})
    await running.apply(name, repository.url, syncPolicy=AUTOMATED)
    await healed(running, name, first)
    await running.kubectl("annotate", "configmap", leaves, "-n", running.delivered_to, f"{TRACKING_ANNOTATION}-")
    second = await repository.push({"app/a.yaml": config_map(stays, at="second"), "app/b.yaml": None})
    assert await running.webhook(repository.url) == 202
    await running.until(name, is_synced(second), "synced")
    live = await running.live("ConfigMap", leaves)
    assert live is not None
    assert "deletionTimestamp" not in live["metadata"]


async def test_everything_is_pruned_only_where_allow_empty_says_so(running: Installation) -> None:
    repository, name, one, two = await running.repository(), fresh("empty"), fresh("one"), fresh("two")
    first = await repository.push(
        {"app/a.yaml": config_map(one), "app/b.yaml": config_map(two), "app/README.md": "keeps the directory"}
    )
    await running.apply(name, repository.url, syncPolicy=AUTOMATED)
    await healed(running, name, first)
    second = await repository.push({"app/a.yaml": None, "app/b.yaml": None})
    assert await running.webhook(repository.url) == 202
    raw = await told(running, name, "SyncError", second, "delete every object", "allowEmpty")
    assert sync_status(raw) == "OutOfSync"
    assert owned(raw) == {one, two}
    await running.at_rest()
    for kept in (one, two):
        assert await running.live("ConfigMap", kept) is not None

    await running.patch(name, {"spec": {"syncPolicy": {"automated": {"prune": True, "allowEmpty": True}}}})
    await gone(running, "ConfigMap", one)
    await gone(running, "ConfigMap", two)
    raw = await healed(running, name, second)
    assert owned(raw) == set()


async def test_a_person_who_syncs_does_not_prune_everything_either(running: Installation) -> None:
    repository, name, one = await running.repository(), fresh("by-hand"), fresh("one")
    first = await repository.push({"app/a.yaml": config_map(one), "app/README.md": "keeps the directory"})
    await running.apply(name, repository.url, syncPolicy=AUTOMATED)
    await healed(running, name, first)
    await repository.push({"app/a.yaml": None})
    assert await running.webhook(repository.url) == 202
    await told(running, name, "SyncError", "allowEmpty")
    done = await running.trueup("app", "sync", name, "--prune", "--timeout", "60")
    assert "allowEmpty" in (done.stdout + done.stderr).decode()
    raw = await running.application(name)
    assert raw is not None
    assert results(raw)[one][0] == "PruneSkipped"
    assert owned(raw) == {one}
    assert await running.live("ConfigMap", one) is not None


async def test_an_object_that_says_prune_false_is_kept(running: Installation) -> None:
    repository, name, stays, precious = await running.repository(), fresh("spares"), fresh("stays"), fresh("precious")
    body = orjson.loads(config_map(precious))
    body["metadata"]["annotations"] = {"argocd.argoproj.io/sync-options": "Prune=false"}
    first = await repository.push({"app/a.yaml": config_map(stays), "app/b.yaml": orjson.dumps(body).decode()})
    await running.apply(name, repository.url, syncPolicy=AUTOMATED)
    await healed(running, name, first)
    second = await repository.push({"app/b.yaml": None, "app/a.yaml": config_map(stays, at="second")})
    assert await running.webhook(repository.url) == 202
    raw = await running.until(name, lambda raw: _succeeded(raw, second), "synced")
    assert results(raw)[precious][0] == "PruneSkipped"
    assert "Prune=false" in results(raw)[precious][1]
    assert precious in owned(raw)
    assert await running.live("ConfigMap", precious) is not None


async def test_two_applications_that_want_one_object_do_not_fight_over_it(running: Installation) -> None:
    repository, shared = await running.repository(), fresh("shared")
    first_name, second_name = fresh("earlier"), fresh("later")
    revision = await repository.push(
        {
            "one/shared.yaml": config_map(shared, owner="one"),
            "one/README.md": "keeps the directory",
            "two/shared.yaml": config_map(shared, owner="two"),
            "two/own.yaml": config_map(fresh("own")),
        }
    )
    retry = {"limit": 1, "backoff": {"duration": "1s"}}
    healing = {"automated": {"prune": True, "selfHeal": True, "allowEmpty": True}, "retry": retry}
    await running.apply(first_name, repository.url, path="one", syncPolicy=healing)
    await healed(running, first_name, revision)
    await running.apply(second_name, repository.url, path="two", syncPolicy=healing)
    key = f"ConfigMap {running.delivered_to}/{shared}"
    await told(running, second_name, "SharedResourceWarning", key, first_name, "take it out of all but one")
    await told(running, first_name, "SharedResourceWarning", key, second_name)
    await running.at_rest()
    before = await running.live("ConfigMap", shared)
    assert before is not None
    assert before["data"] == {"owner": "one"}
    for name in (first_name, second_name):
        await running.patch(name, {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "hard"}}})
        await running.until(name, _is_refreshed, "looked at once more")
    await running.at_rest()
    after = await running.live("ConfigMap", shared)
    assert after is not None
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"], "nobody wrote it again"
    raw = await running.until(first_name, is_synced(revision), "the one that has it is true to Git")
    (warning,) = conditions(raw)
    assert second_name in warning

    # Who does not own it may drop it, and nothing happens to it.
    second = await repository.push({"two/shared.yaml": None})
    assert await running.webhook(repository.url) == 202
    await healed(running, second_name, second)
    await running.until(first_name, lambda raw: not conditions(raw), "nobody else claims it any more")
    live = await running.live("ConfigMap", shared)
    assert live is not None
    assert tracked_by(live) == first_name
    assert "deletionTimestamp" not in live["metadata"]


def _succeeded(raw: Any, revision: str) -> bool:
    result = (raw["status"].get("operationState") or {}).get("syncResult") or {}
    return phase(raw) == "Succeeded" and bool(result.get("revision") == revision)


def _is_refreshed(raw: Any) -> bool:
    return "argocd.argoproj.io/refresh" not in (raw["metadata"].get("annotations") or {})
