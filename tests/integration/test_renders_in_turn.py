"""A host that keeps one render waiting keeps no other one waiting, however few tools may run at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path

import pytest

from tests.support.jsonnet import BYTES_MAX
from tests.support.kustomizations import config_map
from tests.support.rendering import toolkit
from trueup.clients.charts import Chart
from trueup.domain.errors import TransientError
from trueup.domain.source import Source
from trueup.engine.local_tree import LocalTree
from trueup.engine.render.fetch import Fetch
from trueup.engine.render.request import Files, Request, Target
from trueup.engine.render.tooled import tooled

FILES = {
    "waits/Chart.yaml": "apiVersion: v2\nname: waits\nversion: 1.0.0\ndependencies:\n"
    "- {name: far, version: 1.0.0, repository: 'https://charts.example.org'}\n",
    "app/kustomization.yaml": "resources: [a.yaml]\n",
    "app/a.yaml": config_map("a"),
}


class Away:
    """A host of charts that says nothing until it is told to, and then that it is away."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.answers = asyncio.Event()

    async def fetch(self, repo_url: str, name: str, version: str, *, pass_credentials: bool) -> Chart:
        self.asked.set()
        await self.answers.wait()
        raise TransientError(f"{name} {version} of {repo_url} is away, {pass_credentials}")


async def failed(render: Awaitable[object]) -> str:
    with pytest.raises(TransientError) as caught:
        await render
    return str(caught.value)


async def test_a_host_that_says_nothing_holds_up_its_own_application_alone(tools: Path, tmp_path: Path) -> None:
    for name, content in FILES.items():
        (tmp_path / "r" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "r" / name).write_text(content)
    tree, host = LocalTree(tmp_path / "r", file_bytes_max=BYTES_MAX), Away()

    def request(path: str) -> Request:
        source, target = Source("https://example.org/r", path, "main"), Target("x", "default", "web")
        return Request(source, Files(tree, path), target, "1" * 40)

    fetch = Fetch(host)
    async with toolkit(tmp_path / "data", tools, renders_running_max=1) as opened, asyncio.TaskGroup() as group:
        render = tooled(opened, "Helm", request("waits"), fetch=fetch, chart="", fresh=False)
        waiting = group.create_task(failed(render))
        await host.asked.wait()
        parsed, _ = await tooled(opened, "Kustomize", request("app"), fetch=fetch, chart="", fresh=False)
        assert [item.name for item in parsed.objects] == ["a"]
        assert not waiting.done()
        host.answers.set()
    assert "is away" in waiting.result()
