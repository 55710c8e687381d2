"""A chart is rendered with what it depends on in real repositories: one with an index and a login, and a registry."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.charts import BASIC, ChartHost, chart_host, chart_secret, charts, helm, packaged, publish
from tests.support.fixtures import in_own_task
from tests.support.helming import CHART, Renderer, jailed, write
from tests.support.registry import registry
from trueup.domain.errors import StalledError
from trueup.engine.render.helm_fetch import RepositoryCharts


@pytest_asyncio.fixture(loop_scope="session")
async def host() -> AsyncIterator[ChartHost]:
    async with in_own_task(chart_host()) as it:
        yield it


def depending(tmp_path: Path, repository: str, version: str) -> Path:
    dependency = {"name": "shop", "version": version, "repository": repository}
    return write(tmp_path / "tree", {"web/Chart.yaml": CHART + f"dependencies: [{json.dumps(dependency)}]\n"})


async def test_a_dependency_comes_from_a_repository_with_the_login_for_it(
    host: ChartHost, tools: Path, tmp_path: Path
) -> None:
    publish(host, ("shop", "1.0.0"), ("shop", "1.2.0"))
    host.login = BASIC
    repository = host.url + "/charts"
    tree = depending(tmp_path, repository, "^1.0.0")
    async with charts(tmp_path) as door, jailed() as jail:
        renderer = await Renderer.make(tools, jail, tmp_path / "work")
        renderer.charts = RepositoryCharts(door, [], "default")
        with pytest.raises(StalledError, match="give a Secret"):
            await renderer.output(tree)
        renderer.charts = RepositoryCharts(door, [chart_secret(repository)], "default")
        output = await renderer.output(tree)
        assert b"name: it" in output.manifests
        assert output.is_unrepeatable
        assert [one.split(" ")[:2] for one in output.inputs] == [["shop", "1.2.0"]]
        # A Secret that is scoped to one project is for its Applications.
        renderer.charts = RepositoryCharts(door, [chart_secret(repository, project="theirs")], "default")
        with pytest.raises(StalledError, match="give a Secret"):
            await renderer.output(tree)


async def test_a_dependency_comes_from_a_registry(tools: Path, tmp_path: Path) -> None:
    async with in_own_task(registry(tools, tmp_path)) as it:
        package = await packaged(tools, tmp_path, "shop", "1.2.0")
        await helm(tools, tmp_path, "push", package, f"oci://{it.host}/team", "--plain-http")
        async with charts(tmp_path) as door, jailed() as jail:
            renderer = await Renderer.make(tools, jail, tmp_path / "work")
            renderer.charts = RepositoryCharts(door, [], "default")
            output = await renderer.output(depending(tmp_path, f"oci://{it.host}/team", "1.2.0"))
    assert b"# Source: web/charts/shop/templates/deployment.yaml" in output.manifests
    assert not output.is_unrepeatable
