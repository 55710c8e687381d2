"""The charts that a chart depends on are there when it is rendered, and Helm has fetched none of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.git import http_server
from tests.support.helming import CHART, Charts, Renderer, bare, config_map, jailed, packed, write
from trueup.domain.errors import InvalidSpecError, StalledError
from trueup.domain.read_set import Entry
from trueup.domain.source import Helm

REPOSITORY = "https://charts.example.org"
SUBCHART = {
    "Chart.yaml": "apiVersion: v2\nname: cache\nversion: 2.1.0\n",
    "values.yaml": "size: 1\n",
    "templates/configmap.yaml": config_map('"{{ .Values.size }}"', "{{ .Chart.Name }}"),
}


@pytest.fixture
async def renderer(tools: Path, tmp_path: Path) -> AsyncIterator[Renderer]:
    async with jailed() as jail:
        yield await Renderer.make(tools, jail, tmp_path / "work")


def depends(*dependencies: Mapping[str, Any]) -> str:
    return CHART + f"dependencies: {json.dumps(dependencies)}\n"


def cache(repository: str, version: str = "^2.0.0", **more: Any) -> dict[str, Any]:
    return {"name": "cache", "version": version, "repository": repository, **more}


def names(objects: list[Any]) -> list[str]:
    return [one["metadata"]["name"] for one in objects]


def chart(tmp_path: Path, *dependencies: Mapping[str, Any], **files: str | bytes) -> Path:
    return write(tmp_path / "tree", {"web/Chart.yaml": depends(*dependencies), **files})


def beside(where: str = "cache") -> dict[str, str | bytes]:
    return {f"{where}/{name}": content for name, content in SUBCHART.items()}


async def test_a_chart_of_a_repository_is_fetched_by_us(renderer: Renderer, tmp_path: Path) -> None:
    charts = renderer.charts = Charts({("cache", "^2.0.0"): write(tmp_path / "store", SUBCHART)})
    tree = chart(tmp_path, cache(REPOSITORY))
    output = await renderer.output(tree, options=Helm(pass_credentials=True))
    assert charts.asked == [(REPOSITORY, "cache", "^2.0.0", True)]
    assert output.manifests.count(b"kind: ConfigMap") == 1
    (fetched,) = output.inputs
    assert fetched.startswith("cache ^2.0.0 ")
    assert output.is_unrepeatable


async def test_an_exact_version_can_be_repeated(renderer: Renderer, tmp_path: Path) -> None:
    renderer.charts = Charts({("cache", "2.1.0"): write(tmp_path / "store", SUBCHART)})
    assert not (await renderer.output(chart(tmp_path, cache(REPOSITORY, "2.1.0")))).is_unrepeatable


async def locked(tmp_path: Path, tools: Path) -> tuple[Path, str]:
    """A chart with the lock that the real helm has made, of a repository that is there while it does."""
    file = await packed(tools / "helm", tmp_path / "cache", SUBCHART, tmp_path / "repository")
    await bare(tools / "helm", tmp_path / "repository", "repo", "index", ".")

    async def answer(request: Any) -> Any:
        from aiohttp import web

        path = tmp_path / "repository" / Path(request.path).name
        return web.Response(body=await asyncio.to_thread(path.read_bytes))

    async with http_server(answer) as url:
        tree = chart(tmp_path, cache(url, tags=["<a&b>"], condition="cache.on", **{"import-values": ["x"]}))
        await bare(tools / "helm", tree / "web", "dependency", "update")
    (tree / "web" / "charts" / file.name).unlink()
    return tree, url


async def test_the_lock_says_which_version(renderer: Renderer, tools: Path, tmp_path: Path) -> None:
    tree, url = await locked(tmp_path, tools)
    charts = renderer.charts = Charts({("cache", "2.1.0"): write(tmp_path / "store", SUBCHART)})
    output = await renderer.output(tree)
    assert charts.asked == [(url, "cache", "2.1.0", False)]
    assert not output.is_unrepeatable


async def test_a_lock_of_other_dependencies_is_refused(renderer: Renderer, tools: Path, tmp_path: Path) -> None:
    tree, url = await locked(tmp_path, tools)
    write(tree, {"web/Chart.yaml": depends(cache(url, "^3.0.0"))})
    renderer.charts = Charts()
    with pytest.raises(StalledError, match=r"web/Chart.yaml was made from other dependencies.*helm dependency update"):
        await renderer.output(tree)


async def test_what_lies_in_charts_is_asked_for_nowhere(renderer: Renderer, tools: Path, tmp_path: Path) -> None:
    tree = chart(tmp_path, cache(REPOSITORY), **beside("web/charts/another-name"))
    assert names(await renderer.objects(tree)) == ["cache"]
    await packed(tools / "helm", tmp_path / "cache", SUBCHART, tmp_path / "packed" / "web" / "charts")
    write(tmp_path / "packed", {"web/Chart.yaml": depends(cache(REPOSITORY))})
    (tmp_path / "packed/web/charts/cache-2.1.0.tgz").rename(tmp_path / "packed/web/charts/renamed.tgz")
    assert names(await renderer.objects(tmp_path / "packed")) == ["cache"]


async def test_one_chart_may_stand_under_several_names(renderer: Renderer, tmp_path: Path) -> None:
    charts = renderer.charts = Charts({("cache", "2.1.0"): write(tmp_path / "store", SUBCHART)})
    tree = chart(tmp_path, cache(REPOSITORY, "2.1.0", alias="a"), cache(REPOSITORY, "2.1.0", alias="b"))
    write(tree, {"web/values.yaml": "a: {size: 5}\nb: {size: 6}\n"})
    found = await renderer.objects(tree)
    assert sorted(one["data"]["it"] for one in found) == ["5", "6"]
    assert len(charts.asked) == 1


async def test_a_chart_of_the_repository_is_packed_with_its_own(renderer: Renderer, tmp_path: Path) -> None:
    inner = {"name": "inner", "version": "0.1.0", "repository": "file://../inner"}
    tree = chart(tmp_path, cache("file://../libs/cache"), **beside("libs/cache"))
    write(tree, {"libs/cache/Chart.yaml": SUBCHART["Chart.yaml"] + f"dependencies: {json.dumps([inner])}\n"})
    write(tree, {"libs/inner/Chart.yaml": CHART.replace("web", "inner")})
    write(tree, {"libs/inner/templates/a.yaml": config_map("x", "inner")})
    output = await renderer.output(tree)
    assert output.manifests.count(b"kind: ConfigMap") == 2
    assert output.reads[""] == {Entry("listed", "web"), Entry("listed", "libs/cache"), Entry("listed", "libs/inner")}


async def test_charts_that_depend_on_each_other_in_a_ring_are_refused(renderer: Renderer, tmp_path: Path) -> None:
    tree = chart(tmp_path, cache("file://../cache"))
    back = {"name": "web", "version": "0.1.0", "repository": "file://../web"}
    write(tree, {"cache/Chart.yaml": SUBCHART["Chart.yaml"] + f"dependencies: {json.dumps([back])}\n"})
    with pytest.raises(StalledError, match=r"in a ring, web → cache → web; take one out"):
        await renderer.output(tree)


@pytest.mark.parametrize(
    ("dependency", "said"),
    [
        (cache("file://../../../etc"), "outside of the repository"),
        (cache("file:///etc"), "outside of the repository"),
        (cache("file://../nowhere"), "there is no chart at nowhere"),
        (cache("file://../cache", "^3.0.0"), "in the version .*3.0.0, and file://../cache has 2.1.0"),
        (cache("file://../cache", "2.0.0"), "in the version 2.0.0, and file://../cache has 2.1.0"),
        (cache("@stable"), "known on one machine only"),
        (cache("alias:stable"), "known on one machine only"),
        (cache("s3://bucket"), "Trueup takes charts from https"),
        (cache(""), "names no repository; commit the chart there"),
        (cache(REPOSITORY), "nothing is fetched here; commit the chart there"),
        (cache(REPOSITORY) | {"name": "../cache"}, "no name of a chart"),
        (cache(REPOSITORY) | {"name": "--post-renderer=x"}, "no name of a chart"),
    ],
)
async def test_a_dependency_that_is_not_to_be_had_is_named(
    dependency: dict[str, Any], said: str, renderer: Renderer, tmp_path: Path
) -> None:
    with pytest.raises(StalledError, match=said) as caught:
        await renderer.output(chart(tmp_path, dependency, **beside()))
    assert str(caught.value).startswith("spec.source: web/Chart.yaml depends on ")
    assert isinstance(caught.value, InvalidSpecError) == ("outside" in said or "machine" in said or "Trueup" in said)


async def test_a_subchart_that_is_missing_at_both_places_is_helms_to_name(renderer: Renderer, tmp_path: Path) -> None:
    write(tmp_path / "store", {"Chart.yaml": CHART.replace("web", "another")})
    renderer.charts = Charts({("cache", "2.1.0"): tmp_path / "store"})
    with pytest.raises(StalledError, match=r"missing in charts/ directory: cache.*helm dependency update"):
        await renderer.output(chart(tmp_path, cache(REPOSITORY, "2.1.0")))


async def test_a_fetched_chart_may_ask_for_apis(renderer: Renderer, tmp_path: Path) -> None:
    asking = {**SUBCHART, "templates/configmap.yaml": config_map('{{ .Capabilities.APIVersions.Has "x/v1" | quote }}')}
    renderer.charts = Charts({("cache", "2.1.0"): write(tmp_path / "store", asking)})
    renderer.target = renderer.target.__class__("web", "default", "shop", "v1.36.3", ("x/v1",))
    tree = chart(tmp_path, cache(REPOSITORY, "2.1.0"))
    assert await renderer.data(tree) == {"it": "true"}
