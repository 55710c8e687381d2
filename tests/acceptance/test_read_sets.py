"""What lies outside of the source path and is read all the same counts, and `trueup explain` says so."""

from __future__ import annotations

import orjson

from tests.support.commands import refused, said
from tests.support.product import AUTOMATED, Installation, config_map, is_synced


async def test_a_push_to_the_far_end_of_a_link_is_delivered_and_explained(trueup: Installation) -> None:
    repository = await trueup.repository()
    (repository.work / "app").mkdir()
    (repository.work / "app/link.yaml").symlink_to("../shared/tides.yaml")
    first = await repository.push(
        {"app/one.yaml": config_map("one", at="first"), "shared/tides.yaml": config_map("tides", at="noon")}
    )
    await trueup.start_both()
    await trueup.apply("harbour", repository.url, path="app", syncPolicy=AUTOMATED)
    await trueup.until("harbour", is_synced(first), "synced")
    await trueup.at_rest()

    async def explain(path: str, code: int) -> str:
        return said(await trueup.trueup("explain", "harbour", "--path", path), code=code)

    assert "linked /shared/tides.yaml" in await explain("shared/tides.yaml", 1)
    assert "listed /app" in await explain("/app/new.yaml", 1)
    assert "missed /app/Chart.yaml" in await explain("app/Chart.yaml", 1)
    for path in ("app/README.md", "shared/other.yaml", "app/sub/x.yaml"):
        words = await explain(path, 0)
        assert "Affected:       no" in words, words
    done = await trueup.trueup("explain", "harbour", "--path", "shared/tides.yaml", "-o", "json")
    document = orjson.loads(said(done, code=1))
    assert document["affected"] is True
    assert document["file"] == "shared/tides.yaml"
    assert [reason["rule"] for reason in document["reasons"]] == ["linked /shared/tides.yaml"]
    assert "no Application nobody" in refused(await trueup.trueup("explain", "nobody", "--path", "x"), code=2)

    spared = await repository.push({"app/README.md": "words", "shared/other.yaml": config_map("other")})
    assert await trueup.webhook(repository.url) == 202
    await trueup.at_rest()
    raw = await trueup.application("harbour")
    assert raw is not None
    assert raw["status"]["sync"]["revision"] == first != spared
    second = await repository.push({"shared/tides.yaml": config_map("tides", at="midnight")})
    assert await trueup.webhook(repository.url) == 202
    await trueup.until("harbour", is_synced(second), "synced with what the link leads to")
    live = await trueup.live("ConfigMap", "tides")
    assert live is not None
    assert live["data"] == {"at": "midnight"}
