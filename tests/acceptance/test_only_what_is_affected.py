"""One push to one of many: the work is counted, not believed."""

from __future__ import annotations

import asyncio

from tests.support.product import AUTOMATED, Installation, config_map, is_synced

APPLICATIONS = 200


async def test_a_push_to_one_of_200_applications_costs_one_fetch_one_render_and_its_own_patches(
    trueup: Installation,
) -> None:
    repository = await trueup.repository()
    names = [f"app-{number:03}" for number in range(APPLICATIONS)]
    files: dict[str, str | None] = {}
    for name in names:
        files[f"{name}/settings.yaml"] = config_map(f"{name}-settings", mood="calm")
        files[f"{name}/tides.yaml"] = config_map(f"{name}-tides", at="noon")
    first = await repository.push(files)
    await trueup.start_both()
    slots = asyncio.Semaphore(16)

    async def create(name: str) -> None:
        async with slots:
            await trueup.apply(name, repository.url, path=name, syncPolicy=AUTOMATED)

    await asyncio.gather(*(create(name) for name in names))
    for name in names:
        await trueup.until(name, is_synced(first), "synced", seconds=120)
    await trueup.at_rest()
    before = {half: await trueup.metrics(half) for half in ("service", "worker")}

    second = await repository.push({"app-007/tides.yaml": config_map("app-007-tides", at="midnight")})
    assert await trueup.webhook(repository.url) == 202
    await trueup.until("app-007", is_synced(second), "synced")
    await trueup.at_rest()
    after = {half: (await trueup.metrics(half)).since(before[half]) for half in ("service", "worker")}

    worker, requests = after["worker"], "trueup_kubernetes_requests_total"
    assert worker.total("trueup_git_fetches_total") == 1
    assert worker.total("trueup_renders_total") == 1
    assert worker.total(requests, verb="APPLY") == 1, "only the changed object"
    assert worker.total(requests, verb="APPLY", resource="configmaps") == 1
    assert worker.total(requests, verb="PATCH", resource="applications") == 2, "the fence and the outcome"
    assert worker.total(requests, verb="PATCH") == 2
    own = worker.total(requests, verb="GET", resource="configmaps")
    assert own == 2, "only the application's own objects; the change that comes back is known"
    assert worker.total(requests, verb="GET") == 3, "these, and the Application"
    assert worker.total("trueup_jobs_run_total", kind="application") == 2
    for half in after.values():
        assert half.total(requests, verb="LIST") == 0
    untouched = await trueup.application("app-008")
    assert untouched is not None
    assert untouched["status"]["sync"]["revision"] == first
