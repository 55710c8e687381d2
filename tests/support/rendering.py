"""What renders are made with in tests: the real tools, in the real jail."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trueup.clients.process import Completed
from trueup.engine.render.equip import equipped
from trueup.engine.render.jsonnet import Confined
from trueup.engine.render.toolkit import Toolkit
from trueup.settings import Settings


@asynccontextmanager
async def toolkit(root: Path, tools: Path | None = None, **settings: Any) -> AsyncIterator[Toolkit]:
    """With `tools`, the folder that holds them; without, for what needs none."""
    named = {name: str(tools / name) for name in ("helm", "kustomize", "jsonnet")} if tools else {}
    async with equipped(Settings(data_dir=root, **{**named, **settings}), root) as opened:
        yield opened


@dataclass
class Counting:
    """The jail, and how often something ran in it."""

    jail: Confined
    runs: int = 0

    async def run(self, argv: Sequence[str], **options: Any) -> Completed:
        self.runs += 1
        return await self.jail.run(argv, **options)


class Counted:
    """Files to render, and a toolkit that counts what it runs."""

    def __init__(self, root: Path, opened: Toolkit) -> None:
        self.root = root
        self.jail = Counting(opened.jail)
        self.toolkit = replace(opened, jail=self.jail)

    def write(self, files: Mapping[str, str]) -> None:
        for name, content in files.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(content)
