"""Charts rendered as Trueup does it, and by the bare tool."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trueup.clients.jail import Jail
from trueup.clients.process import base_environment, run
from trueup.domain.kubeyaml import YamlBounds, read_documents
from trueup.domain.source import Helm, Source
from trueup.engine.bounds import jail_bounds
from trueup.engine.local_tree import LocalTree
from trueup.engine.render.directory import RenderBounds
from trueup.engine.render.helm import helm
from trueup.engine.render.helm_dependencies import ChartFetch
from trueup.engine.render.jsonnet import Confined
from trueup.engine.render.request import Files, Output, Request, Target
from trueup.engine.render.tools import Tool, Tools
from trueup.engine.tree import Tree
from trueup.settings import Settings

FILE_BYTES_MAX = 200 * 1024 * 1024
TARGET = Target("web", "default", "shop", "v1.36.3", ("v1", "apps/v1"))
NO_OPTIONS = Helm()
#: What every chart here has where a test says nothing else.
CHART = "apiVersion: v2\nname: web\nversion: 0.1.0\n"


def config_map(data: str, name: str = "{{ .Release.Name }}") -> str:
    """A template with this as the one entry of its data."""
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  it: {data}\n"


def write(root: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


@asynccontextmanager
async def jailed(**settings: Any) -> AsyncIterator[Jail]:
    async with Jail(jail_bounds(Settings(**settings))) as jail:
        yield jail


@dataclass(slots=True)
class Charts:
    """Charts on this machine, by name and version, in the place of those of a repository."""

    known: Mapping[tuple[str, str], Path] = field(default_factory=dict)
    asked: list[tuple[str, str, str, bool]] = field(default_factory=list)

    async def fetch(self, repo_url: str, name: str, version: str, *, pass_credentials: bool) -> Fetched:
        self.asked.append((repo_url, name, version, pass_credentials))
        digest = hashlib.sha256(f"{name} {version}".encode()).hexdigest()
        return Fetched(name, version, digest, self.known[name, version])


@dataclass(frozen=True, slots=True)
class Fetched:
    name: str
    version: str
    digest: str
    directory: Path


@dataclass(slots=True)
class Renderer:
    """Renders for the Application `web`, in a directory of its own."""

    tool: Tool
    runner: Confined
    work: Path
    charts: ChartFetch | None = None
    target: Target = TARGET
    bounds: RenderBounds = field(default_factory=RenderBounds)

    @classmethod
    async def make(cls, tools: Path, runner: Confined, work: Path) -> Renderer:
        return cls(await Tools(helm=str(tools / "helm")).helm(), runner, work)

    def request(
        self, tree: Tree | Path, path: str, options: Helm, refs: Mapping[str, Tree], revision: str = "1" * 40
    ) -> Request:
        own = LocalTree(tree, file_bytes_max=FILE_BYTES_MAX) if isinstance(tree, Path) else tree
        source = Source("https://git.example.org/deploy.git", path, "main", helm=options)
        return Request(source, Files(own, path, refs), self.target, revision)

    async def output(
        self,
        tree: Tree | Path,
        path: str = "web",
        options: Helm = NO_OPTIONS,
        *,
        refs: Mapping[str, Tree] | None = None,
        revision: str = "1" * 40,
    ) -> Output:
        request = self.request(tree, path, options, refs or {}, revision)
        return await helm(
            request, tool=self.tool, runner=self.runner, work=self.work, charts=self.charts, bounds=self.bounds
        )

    async def objects(self, tree: Tree | Path, path: str = "web", options: Helm = NO_OPTIONS, **more: Any) -> list[Any]:
        return parsed((await self.output(tree, path, options, **more)).manifests)

    async def data(self, tree: Tree | Path, path: str = "web", options: Helm = NO_OPTIONS, **more: Any) -> Any:
        """The data of the one ConfigMap."""
        (found,) = await self.objects(tree, path, options, **more)
        return found["data"]


def parsed(manifests: bytes) -> list[Any]:
    found = [document.value for document in read_documents("output", manifests, YamlBounds())]
    return sorted(found, key=lambda one: (one["kind"], one["metadata"]["name"]))


async def bare(program: Path, directory: Path, *arguments: str) -> bytes:
    """What the tool writes when somebody runs it by hand. Raises AssertionError where it fails."""
    done = await run(
        [program, *arguments],
        cwd=directory,
        env=base_environment() | {"HOME": str(directory)},
        timeout_seconds=60,
        output_bytes_max=16 * 1024 * 1024,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


async def packed(program: Path, root: Path, files: Mapping[str, str | bytes], into: Path) -> Path:
    """The chart as `helm package` makes a file of it."""
    chart = await asyncio.to_thread(write, root, files)
    said = await bare(program, chart, "package", ".", "--destination", str(into))
    return Path(said.decode().rpartition(": ")[2].strip())
