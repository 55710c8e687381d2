"""Many kustomizations on a few bases: a push renders just whom it concerns, and a worker started anew nobody."""

from __future__ import annotations

import asyncio

from tests.support.product import AUTOMATED, Installation, config_map, is_synced

APPLICATIONS = 200
BASES = 10
REFRESH = {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}
RENDERS = "trueup_renders_total"


def overlay(number: int, mood: str = "calm") -> str:
    base, name = f"../../bases/{number % BASES}", f"app-{number:03}-"
    return f"resources: [{base}]\nnamePrefix: {name}\ncommonAnnotations: {{mood: {mood}}}\n"


async def test_a_push_to_one_renders_one_and_a_new_worker_finds_all_the_others_again(trueup: Installation) -> None:
    repository = await trueup.repository()
    numbers = range(APPLICATIONS)
    files: dict[str, str | None] = {}
    for base in range(BASES):
        files[f"bases/{base}/kustomization.yaml"] = "resources: [tides.yaml]\n"
        files[f"bases/{base}/tides.yaml"] = config_map("tides", at="noon")
    for number in numbers:
        files[f"overlays/app-{number:03}/kustomization.yaml"] = overlay(number)
    first = await repository.push(files)
    await trueup.start_both()
    slots = asyncio.Semaphore(16)

    async def create(number: int) -> None:
        async with slots:
            path = f"overlays/app-{number:03}"
            await trueup.apply(f"app-{number:03}", repository.url, path=path, syncPolicy=AUTOMATED)

    await asyncio.gather(*map(create, numbers))
    for number in numbers:
        await trueup.until(f"app-{number:03}", is_synced(first), "synced", seconds=180)
    await trueup.at_rest()
    before = await trueup.metrics("worker")
    assert before.total(RENDERS) == APPLICATIONS, "each once"

    second = await repository.push({"overlays/app-007/kustomization.yaml": overlay(7, "wild")})
    assert await trueup.webhook(repository.url) == 202
    await trueup.until("app-007", is_synced(second), "synced")
    await trueup.at_rest()
    spent = (await trueup.metrics("worker")).since(before)
    assert spent.total("trueup_git_fetches_total") == 1
    assert spent.total(RENDERS) == spent.total(RENDERS, outcome="ok") == 1

    await trueup.kill("worker")
    await trueup.start("worker")
    for number in numbers:
        await trueup.patch(f"app-{number:03}", REFRESH)
    for number in numbers:
        await trueup.until(
            f"app-{number:03}",
            lambda raw: not raw["metadata"].get("annotations") and is_synced(second)(raw),
            "looked at again",
        )
    await trueup.at_rest()
    assert (await trueup.metrics("worker")).total(RENDERS) == 0
