"""Random histories of a repository, and what every commit of them renders to, found by rendering everything."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.support.git import git
from tests.support.rendering import toolkit
from trueup.clients.git import Git, GitBounds
from trueup.clients.git_mirror import Mirror
from trueup.domain.application import Application, ApplicationId, RetryPolicy, SyncOptions
from trueup.domain.errors import StalledError
from trueup.domain.followers import Followed
from trueup.domain.read_set import ReadKey, ReadSet, read_key
from trueup.domain.source import Directory, Source
from trueup.engine.readers import Readers
from trueup.engine.render.application import Renderer
from trueup.engine.render.fetch import Fetch
from trueup.engine.render.helm_fetch import RepositoryCharts
from trueup.engine.sources import at_commits

URL = "https://example.org/histories"
REVISION = "main"
FOLLOWED = Followed("example.org/histories", REVISION)
#: What fills a place of the tree: mode and content.
Node = tuple[str, str]
Tree = Mapping[str, Node]


def application(name: str, path: str, directory: Directory | None = None, annotation: str = "") -> Application:
    """One that follows the history and was never compared. Paths with `+` between them make a list of sources."""
    options = directory or Directory()
    explicit = None if options == Directory() else options
    chosen = [options.recurse, options.include, options.exclude]
    raw = [{"repoURL": URL, "path": each, "directory": chosen} for each in path.split("+")]
    spec: dict[str, Any] = {"sources": raw} if len(raw) > 1 else {"source": raw[0]}
    annotations = {"argocd.argoproj.io/manifest-generate-paths": annotation} if annotation else {}
    return Application(
        id=ApplicationId("argocd", name),
        uid=name,
        resource_version="1",
        project="default",
        sources=tuple(Source(URL, each, REVISION, explicit) for each in path.split("+")),
        server="",
        cluster="in-cluster",
        namespace=name,
        automated=None,
        options=SyncOptions(),
        retry=RetryPolicy(),
        history_limit=10,
        operation=None,
        refresh=None,
        deleting=False,
        finalizers=(),
        skip_reconcile=False,
        refusals=(),
        raw={"metadata": {"annotations": annotations}, "spec": spec},
    )


def compared_at(app: Application, revision: str) -> Application:
    said = {"revisions": [revision] * len(app.sources)} if app.has_many_sources else {"revision": revision}
    return replace(app, raw={**app.raw, "status": {"sync": said}})


def committed(trees: Sequence[Tree], merges: Collection[int] = ()) -> bytes:
    """A stream for git-fast-import(1): one commit for each tree, those numbered in `merges` with two parents."""
    lines: list[bytes] = []
    for number, tree in enumerate(trees, 1):
        lines.append(
            b"commit refs/heads/main\nmark :%d\ncommitter A <a@example.org> %d +0000\ndata 1\nx" % (number, number)
        )
        if number > 1:
            lines.append(b"from :%d" % (number - 1))
        if number - 1 in merges and number > 2:
            lines.append(b"merge :%d" % (number - 2))
        lines.append(b"deleteall")
        for path, (mode, content) in tree.items():
            if mode == "160000":
                lines.append(b"M 160000 %s %s" % (content.encode(), path.encode()))
            else:
                data = content.encode()
                lines.append(b"M %s inline %s\ndata %d\n%s" % (mode.encode(), path.encode(), len(data), data))
    lines.append(b"done\n")
    return b"\n".join(lines)


class Shelf:
    """One mirror on the disk that many histories are imported into."""

    def __init__(self, root: Path) -> None:
        home = root / "empty"
        home.mkdir()
        self.mirror = Mirror(Git(home, GitBounds(), frozenset()), root, URL)
        self._root = root
        self._marks = root / "marks"
        self._stack = AsyncExitStack()

    async def open(self) -> None:
        self.mirror.directory.mkdir(parents=True)
        await git(self.mirror.directory, "init", "-q", "--bare", "-b", "main")
        # So that nothing that was rendered once is believed.
        opened = toolkit(self._root / "rendering", render_cache_bytes_max=1)
        self.toolkit = await self._stack.enter_async_context(opened)

    async def close(self) -> None:
        await self.mirror.close()
        await self._stack.aclose()

    async def commits(self, trees: Sequence[Tree], merges: Collection[int] = ()) -> list[str]:
        """The SHA of the commit of each tree."""
        arguments = ["--quiet", "--done", "--force", f"--export-marks={self._marks}"]
        await git(self.mirror.directory, "fast-import", *arguments, stdin=committed(trees, merges))
        rows = (line.split() for line in self._marks.read_text().splitlines())
        marks = {int(mark[1:]): sha for mark, sha in rows}
        return [marks[number] for number in range(1, len(trees) + 1)]


@dataclass
class World:
    """Applications, what they were last compared at, and workers that each hear of it in their own time."""

    shelf: Shelf
    apps: dict[ApplicationId, Application]
    workers: int = 1
    kept: dict[ReadKey, ReadSet] = field(default_factory=dict)
    results: dict[tuple[ApplicationId, str], Any] = field(default_factory=dict)
    readers: list[Readers] = field(default_factory=list)
    examined: str | None = None

    def __post_init__(self) -> None:
        self.readers = [self.fresh() for _ in range(self.workers)]

    def fresh(self) -> Readers:
        """A worker that has just started."""
        readers = Readers(self._load)
        for name, app in self.apps.items():
            readers.observe(name, app)
        return readers

    async def _load(self, keys: Collection[ReadKey]) -> Mapping[ReadKey, ReadSet]:
        return {key: self.kept[key] for key in keys if key in self.kept}

    async def result(self, name: ApplicationId, commit: str) -> Any:
        """What the application renders to at this commit, or that it does not; no cache but this one."""
        if (name, commit) not in self.results:
            app = self.apps[name]
            try:
                at = await at_commits(app, [(self.shelf.mirror, commit)] * len(app.sources))
                fetch = Fetch(RepositoryCharts(self.shelf.toolkit.charts, (), "default"))
                found = await Renderer(self.shelf.toolkit).render(app, at, cluster=None, fetch=fetch)
            except StalledError:
                self.results[name, commit] = None
            else:
                self.results[name, commit] = [(o.body, o.origin) for o in found.objects], found.reads[FOLLOWED]
        return self.results[name, commit]

    async def objects(self, name: ApplicationId, commit: str) -> Any:
        result = await self.result(name, commit)
        return None if result is None else result[0]

    async def compare(self, name: ApplicationId, commit: str, *, heard_by: Collection[int], lost: bool = False) -> None:
        """The application's own run: it records what it read, and says which commit it was compared at."""
        result = await self.result(name, commit)
        self.apps[name] = compared_at(self.apps[name], commit)
        if result is not None and not lost:
            self.kept[read_key(self.apps[name], FOLLOWED, commit)] = result[1]
        for worker in heard_by:
            self.hear(worker, name)

    def hear(self, worker: int, name: ApplicationId) -> None:
        self.readers[worker].observe(name, self.apps[name])

    async def uncertain(self) -> set[ApplicationId]:
        """Whose last comparison failed: they look again whatever changes."""
        return {name for name, app in self.apps.items() if await self.objects(name, app.revisions[0]) is None}

    async def push(self, worker: int, tip: str, *, by_content: bool = False) -> frozenset[ApplicationId]:
        """The repository job of this worker: who is affected."""
        look = await self.readers[worker].look(self.shelf.mirror, FOLLOWED, self.examined, tip, by_content=by_content)
        look.settle()
        self.examined = tip
        return look.affected | await self.uncertain()
