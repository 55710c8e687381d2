"""Kustomizations of real repositories, built by Trueup and beside it by the bare tool."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.git import git
from tests.support.histories import URL, Node, Shelf
from trueup.clients.process import Completed, run
from trueup.domain.read_set import Entry
from trueup.domain.source import Kustomize, Source
from trueup.engine.render.directory import RenderBounds
from trueup.engine.render.jsonnet import Confined
from trueup.engine.render.kustomize import kustomize
from trueup.engine.render.kustomize_elsewhere import BaseFetch, NothingElsewhere
from trueup.engine.render.request import OWN, Files, Output, Request, Target
from trueup.engine.render.tools import Tool
from trueup.engine.tree import GitTree

#: A file is its text; a link has the mode `120000` and where it leads.
Written = Mapping[str, str | Node]


def link(target: str) -> Node:
    return ("120000", target)


def config_map(name: str, **data: str) -> str:
    lines = "".join(f'  {key}: "{value}"\n' for key, value in data.items())
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:{' {}' if not data else ''}\n{lines}"


def from_directory(root: Path) -> dict[str, str | Node]:
    """The files of a directory."""
    return {path.relative_to(root).as_posix(): path.read_text() for path in sorted(root.rglob("*")) if path.is_file()}


def concerned(entries: frozenset[Entry], *changed: str) -> bool:
    """Whether a change of these paths may change what was read."""
    return any(entry.concerns(path) for entry in entries for path in changed)


@dataclass
class Kustomizations:
    shelf: Shelf
    tool: Tool
    #: Where the bare tool gets its clones, and Trueup its private directories.
    root: Path
    runner: Confined
    bounds: RenderBounds = field(default_factory=RenderBounds)
    bases: BaseFetch = field(default_factory=NothingElsewhere)
    _clones: int = 0

    async def revision(self, written: Written) -> str:
        return (await self.revisions([written]))[0]

    async def revisions(self, written: Sequence[Written]) -> list[str]:
        """The commit of each, in order."""
        trees = [{p: n if isinstance(n, tuple) else ("100644", n) for p, n in tree.items()} for tree in written]
        return await self.shelf.commits(trees)

    async def tree(self, revision: str) -> GitTree:
        mirror = self.shelf.mirror
        return GitTree(mirror, await git(mirror.directory, "rev-parse", f"{revision}^{{tree}}"), said=revision)

    async def at(self, revision: str, path: str, options: Kustomize | None = None) -> Output:
        source = Source(URL, path, "main", kustomize=options)
        target = Target("web", "default", "shop")
        request = Request(source, Files(await self.tree(revision), path), target, revision)
        work = self.root / "private"
        try:
            return await kustomize(
                request, tool=self.tool, runner=self.runner, work=work, bases=self.bases, bounds=self.bounds
            )
        finally:
            assert not work.exists() or not list(work.iterdir()), "a private directory was left behind"

    async def render(self, written: Written, path: str, options: Kustomize | None = None) -> Output:
        return await self.at(await self.revision(written), path, options)

    async def reads(self, written: Written, path: str, options: Kustomize | None = None) -> frozenset[Entry]:
        return (await self.render(written, path, options)).reads[OWN]

    async def bare(self, written: Written, path: str, *edits: Sequence[str]) -> bytes:
        """What the tool makes of a clone, after these calls of `kustomize edit`."""
        clone = self.clone(written)
        for edit in edits:
            await self.tool_in(clone / path, "edit", *edit)
        return (await self.tool_in(clone / path, "build", ".")).stdout

    def clone(self, written: Written) -> Path:
        self._clones += 1
        clone = self.root / f"clone-{self._clones}"
        for place, node in written.items():
            file = clone / place
            file.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(node, tuple) and node[0] == "120000":
                file.symlink_to(node[1])
            else:
                file.write_text(node if isinstance(node, str) else node[1])
        return clone

    async def tool_in(self, directory: Path, *arguments: str) -> Completed:
        done = await run(
            [str(self.tool.path), *arguments], cwd=directory, env={}, timeout_seconds=60, output_bytes_max=16_000_000
        )
        assert done.returncode == 0, done.stderr.decode()
        return done


@asynccontextmanager
async def kustomizations(tools: Path, root: Path, runner: Confined) -> AsyncIterator[Kustomizations]:
    shelf = Shelf(root)
    shelf.mirror.directory.mkdir(parents=True)
    await git(shelf.mirror.directory, "init", "-q", "--bare", "-b", "main")
    try:
        yield Kustomizations(shelf, Tool("kustomize", tools / "kustomize", "v5.8.1"), root, runner)
    finally:
        await shelf.close()
