"""A repository with Jsonnet files, and what the real jsonnet makes of them in a real jail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.fixtures import in_own_task
from trueup.clients.jail import Jail
from trueup.domain.manifest import RawObject
from trueup.domain.source import Jsonnet
from trueup.engine.bounds import jail_bounds
from trueup.engine.local_tree import LocalTree
from trueup.engine.render.jsonnet import Confined, evaluate
from trueup.engine.render.jsonnet_program import Program, load
from trueup.engine.render.tools import Tool
from trueup.settings import Settings

BYTES_MAX = 10 * 1024 * 1024
MAIN = "apps/web/main.jsonnet"


def config_map(name: str, **data: str) -> str:
    members = ", ".join(f"{key}: {value}" for key, value in data.items())
    return f"{{ apiVersion: 'v1', kind: 'ConfigMap', metadata: {{ name: '{name}' }}, data: {{ {members} }} }}"


class Place:
    """A repository's files, and what is made of them."""

    def __init__(self, directory: Path, tools: Path, jail: Confined) -> None:
        self.root = directory / "repository"
        self.work = directory / "work"
        self.tool = Tool("jsonnet", tools / "jsonnet", "v0.22.0")
        self.jail = jail

    def write(self, files: Mapping[str, str | bytes | None]) -> None:
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                path.unlink()
            else:
                path.write_bytes(content if isinstance(content, bytes) else content.encode())

    async def load(
        self, *mains: str, path: str = "apps/web", environment: Mapping[str, str] | None = None, **options: Any
    ) -> Program:
        self.tree = LocalTree(self.root, file_bytes_max=BYTES_MAX)
        return await load(
            self.tree,
            mains or (MAIN,),
            path=path,
            options=Jsonnet(**options),
            environment=environment or {},
            bytes_max=BYTES_MAX,
        )

    async def evaluate(self, *mains: str, **more: Any) -> dict[str, tuple[RawObject, ...]]:
        return await self.run(await self.load(*mains, **more))

    async def run(self, program: Program, **more: Any) -> dict[str, tuple[RawObject, ...]]:
        options = {"tool": self.tool, "jail": self.jail, "directory": self.work, "bytes_max": BYTES_MAX}
        made = await evaluate(program, self.tree, **(options | more))
        return {main: file.parsed.objects for main, file in made.items()}

    async def one(self, **more: Any) -> Mapping[str, Any]:
        """The `data` of the one object that the one file comes to."""
        (item,) = (await self.evaluate(**more))[MAIN]
        found: Mapping[str, Any] = item.body["data"]
        return found


@asynccontextmanager
async def jailed(**bounds: Any) -> AsyncIterator[Jail]:
    """A jail with the bounds of a worker, but for these."""
    async with Jail(replace(jail_bounds(Settings()), **bounds)) as jail:
        yield jail


@pytest.fixture
async def place(tmp_path: Path, tools: Path) -> AsyncIterator[Place]:
    async with in_own_task(jailed()) as jail:
        yield Place(tmp_path, tools, jail)
