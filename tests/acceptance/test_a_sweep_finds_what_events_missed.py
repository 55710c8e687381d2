"""No webhook ever comes, or a push joins the sweep: nothing is left behind, and the catch is counted."""

from __future__ import annotations

from tests.support.git import git
from tests.support.product import AUTOMATED, STEP_SECONDS, Installation, config_map, is_synced
from tests.support.wait import wait_until


async def test_a_push_without_a_webhook_is_found_by_the_sweep_and_counted(trueup: Installation) -> None:
    trueup.settings["TRUEUP_SWEEP_INTERVAL_SECONDS"] = "1"
    repository = await trueup.repository()
    first = await repository.push({"app/one.yaml": config_map("one", at="first")})
    await trueup.start_both()
    await trueup.apply("harbour", repository.url, syncPolicy=AUTOMATED)
    await trueup.until("harbour", is_synced(first), "synced")
    # A sweep may have been first; what the new Application asked for must be over, or it finds the push.
    await trueup.at_rest()
    before = await trueup.metrics("worker")
    second = await repository.push({"app/one.yaml": config_map("one", at="second")})
    await trueup.until("harbour", is_synced(second), "synced without a webhook")
    assert (await trueup.metrics("worker")).since(before).total("trueup_sweep_catches_total") == 1

    async def missed(count: int) -> bool:
        return (await trueup.metrics("service")).total("trueup_repositories_without_webhook") == count

    await wait_until(lambda: missed(1), STEP_SECONDS, "the repository is counted as one without a webhook")
    assert await trueup.webhook(repository.url) == 202
    await wait_until(lambda: missed(0), STEP_SECONDS, "a webhook came")


async def test_an_application_left_behind_is_found_by_content_though_the_ref_did_not_move(
    trueup: Installation,
) -> None:
    repository = await trueup.repository()
    first = await repository.push({"app/one.yaml": config_map("one", at="first")})
    await trueup.start_both()
    await trueup.apply("harbour", repository.url, syncPolicy=AUTOMATED)
    await trueup.until("harbour", is_synced(first), "synced")
    second = await repository.push({"app/one.yaml": config_map("one", at="second")})
    assert await trueup.webhook(repository.url) == 202
    raw = await trueup.until("harbour", is_synced(second), "synced")
    # As if the run of the second commit had been lost after its tip was counted as examined.
    await trueup.patch("harbour", {"status": {"sync": {**raw["status"]["sync"], "revision": first}}})
    assert await trueup.webhook(repository.url) == 202
    await trueup.at_rest()
    left_behind = await trueup.application("harbour")
    assert left_behind is not None
    assert left_behind["status"]["sync"]["revision"] == first, "the tip has not moved, so a push finds nothing"
    await trueup.stop()
    trueup.settings["TRUEUP_SWEEP_INTERVAL_SECONDS"] = "1"
    await trueup.start_both()
    await trueup.until("harbour", is_synced(second), "found by content")


async def test_a_webhook_that_comes_before_the_remote_shows_its_commit_is_looked_for_again(
    trueup: Installation,
) -> None:
    repository = await trueup.repository()
    first = await repository.push({"app/one.yaml": config_map("one", at="first")})
    await trueup.start_both()
    await trueup.apply("harbour", repository.url, syncPolicy=AUTOMATED)
    await trueup.until("harbour", is_synced(first), "synced")
    second = await repository.push({"app/one.yaml": config_map("one", at="second")})
    await git(repository.work, "push", "-q", "--force", "origin", f"{first}:refs/heads/main")
    before = await trueup.metrics("worker")
    assert await trueup.webhook(repository.url, after=second) == 202

    async def looked() -> bool:
        return (await trueup.metrics("worker")).since(before).total("trueup_git_fetches_total") >= 1

    await wait_until(looked, STEP_SECONDS, "the remote was asked, and did not show it")
    await git(repository.work, "push", "-q", "origin", f"{second}:refs/heads/main")
    await trueup.until("harbour", is_synced(second), "found without another webhook")
