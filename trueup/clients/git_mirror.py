"""One repository as Trueup holds it: a bare mirror of just the refs that are followed."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from trueup.clients import process
from trueup.clients.git import Git
from trueup.clients.git_commit import Workbench
from trueup.clients.git_diff import TreeDiff
from trueup.clients.git_errors import CorruptMirrorError
from trueup.clients.git_fetch import Fetcher, Missing, Resolved
from trueup.clients.git_objects import (
    MODE_SUBMODULE,
    MODE_TREE,
    CommitInfo,
    ObjectInfo,
    parse_commit,
    parse_tree,
)
from trueup.clients.git_refs import RemoteRef
from trueup.clients.git_store import Store
from trueup.clients.git_trees import Entries, TreeEntry
from trueup.domain.credentials import RepositoryCredentials
from trueup.domain.errors import StalledError, TransientError
from trueup.domain.repository import check_revision, check_url, is_full_sha, normalize_url, redact_url

__all__ = ["CommitInfo", "Mirror", "Missing", "ObjectInfo", "Resolved", "TreeEntry"]

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Batch:
    """Callers that share one fetch, which has not begun."""

    url: str
    credentials: RepositoryCredentials | None
    revisions: set[str] = field(default_factory=set)
    waiters: int = 0
    task: asyncio.Task[Resolved] | None = None


class Mirror:
    """A bare mirror under `data_dir/mirrors`, in a directory named after the hash of the normalised URL.

    At most one fetch is under way, also among processes that share the directory. Objects are read
    through one long-lived child process. Close it when done.
    """

    def __init__(self, git: Git, data_dir: Path, url: str) -> None:
        self.url = url
        self.key = normalize_url(url)
        root = data_dir / "mirrors" / hashlib.sha256(self.key.encode()).hexdigest()[:40]
        self._git = git
        self._store = Store(git, root)
        self._reader = self._store.reader
        self._diff = TreeDiff(git, self._store.directory)
        self._fetcher = Fetcher(git, self._store)
        self._turn = asyncio.Lock()
        self._waiting: dict[tuple[str, RepositoryCredentials | None], _Batch] = {}
        self._tasks: set[asyncio.Task[Resolved]] = set()
        self._upkeep: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"Mirror({redact_url(self.url)})"

    @property
    def directory(self) -> Path:
        """Where the bare repository lies, once something was fetched."""
        return self._store.directory

    @property
    def workbench(self) -> Workbench:
        """Where commits are made on top of those that were fetched."""
        return Workbench(self._git, self._store.directory)

    @property
    def is_reading(self) -> bool:
        """Whether child processes are held open for reading."""
        return self._reader.is_open or self._diff.is_open

    async def close(self) -> None:
        """End every child process. The mirror may be used again."""
        tasks = [*self._tasks, *([self._upkeep] if self._upkeep else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.release()

    async def release(self) -> None:
        """End the processes for reading, which the next read starts again."""
        await self._reader.close()
        await self._diff.close()

    async def fetch(
        self, revisions: Collection[str], *, credentials: RepositoryCredentials | None, url: str | None = None
    ) -> Resolved:
        """Ask the remote for these target revisions, and say which commit each stands for.

        A revision is empty or `HEAD` (the default branch), a branch, a tag (peeled), a full SHA or
        `refs/…`; a branch wins over a tag of the same name. One that the remote does not have is
        `Missing`, and the others are fetched all the same. Only these refs are fetched. `url` is
        the spelling to use where it differs from the mirror's own.

        Callers share a fetch that has not begun; who comes later waits for the next one, so that
        what a caller gets was asked of the remote after the call. Costs one `git fetch` where all
        are branches known here, else one listing first. Raises InvalidSpecError for what must not
        be handed to git, TransientError and StalledError for what the remote or the disk says.
        """
        address = self.url if url is None else url
        # Here, so that one caller's fault is not the fault of those who share the fetch.
        check_url(address, self._git.schemes)
        for revision in revisions:
            check_revision(revision)
        key = (address, credentials)
        batch = self._waiting.get(key)
        if batch is None:
            batch = self._waiting[key] = _Batch(address, credentials)
            batch.task = asyncio.create_task(self._run(key, batch))
            self._tasks.add(batch.task)
            batch.task.add_done_callback(self._tasks.discard)
        assert batch.task is not None  # noqa: S101 -- for the type checker: set above
        batch.revisions.update(revisions)
        batch.waiters += 1
        try:
            resolved = await asyncio.shield(batch.task)
        finally:
            batch.waiters -= 1
            if batch.waiters == 0 and not batch.task.done():
                self._forget(key, batch)
                batch.task.cancel()
                await asyncio.gather(batch.task, return_exceptions=True)
        return {revision: resolved[revision] for revision in revisions}

    def _forget(self, key: tuple[str, RepositoryCredentials | None], batch: _Batch) -> None:
        if self._waiting.get(key) is batch:
            del self._waiting[key]

    async def _run(self, key: tuple[str, RepositoryCredentials | None], batch: _Batch) -> Resolved:
        try:
            async with self._turn:
                self._forget(key, batch)
                async with self._reading():
                    resolved = await self._fetcher.fetch(batch.url, batch.revisions, batch.credentials)
                self._tend()
                return resolved
        finally:
            self._forget(key, batch)

    async def resolve(self, revision: str) -> str | None:
        """The commit that a target revision stood for when last fetched; None where that is unknown."""
        async with self._reading():
            return (await self._store.resolve([revision]))[revision]

    async def ls_remote(
        self, refs: Collection[str], *, credentials: RepositoryCredentials | None, url: str | None = None
    ) -> Mapping[str, RemoteRef]:
        """The remote's present value of each full ref name, or `HEAD`; those that do not exist are left out.

        One child process, and only refs with these names as prefixes are sent. Fetches nothing.
        """
        address = self.url if url is None else url
        return await self._fetcher.ls_remote(address, refs, credentials)

    async def forget_others(self, tracked: Collection[str]) -> None:
        """Forget every ref but those of the tracked revisions, so that their history can go."""
        async with self._reading():
            await self._store.forget_others(tracked)

    def _tend(self) -> None:
        """Repack beside the work where packs have piled up; `close` ends it."""
        if self._upkeep is None and self._store.is_littered:
            self._upkeep = asyncio.create_task(self._repack())

    async def _repack(self) -> None:
        try:
            await self._store.repack()
        except (process.ProcessError, OSError) as e:
            _log.warning("mirror_not_packed", repository=redact_url(self.url), why=str(e)[:300])
        finally:
            self._upkeep = None

    async def changed_paths(self, old: str, new: str) -> list[str] | None:
        """The paths of files that differ between two commits; a rename is both its paths.

        None where that is unknown: a commit that is no longer here, or more than the bounds allow.
        Unknown means that everything may have changed.
        """
        if not (is_full_sha(old) and is_full_sha(new)):
            return None
        trees = await self.objects([(old, ""), (new, "")])
        if None in trees:
            return None
        before, after = (tree.sha for tree in trees if tree is not None)
        try:
            async with self._reading():
                return await self._diff.paths(before, after)
        except TransientError:
            return None

    async def objects(self, places: Sequence[tuple[str, str | None]]) -> list[ObjectInfo | None]:
        """What lies at each (commit, path): a tree, a blob, or None. The path `""` is the root's tree.

        With None for a path the commit itself is looked for. One exchange with the reading process.
        """
        asked = [(index, name) for index, place in enumerate(places) if (name := _object_name(*place)) is not None]
        found: list[ObjectInfo | None] = [None] * len(places)
        if not self._store.exists:
            return found
        async with self._reading():
            infos = await self._reader.info([name for _, name in asked])
        for (index, _), info in zip(asked, infos, strict=True):
            found[index] = info
        return found

    async def tree_ids(self, places: Sequence[tuple[str, str]]) -> list[str | None]:
        """The tree at each (commit, directory), None where there is no such directory."""
        infos = await self.objects(places)
        return [info.sha if info is not None and info.type == "tree" else None for info in infos]

    async def tree_id(self, commit: str, path: str) -> str | None:
        """The tree of one directory, see `tree_ids`."""
        return (await self.tree_ids([(commit, path)]))[0]

    async def list_tree(self, tree: str, *, recurse: bool = True) -> list[TreeEntry]:
        """The files and links in a tree, by path relative to it, in no particular order.

        Submodules are left out: they are other repositories. Without `recurse` the directories
        are left out too. Raises StalledError for more than `objects_max` entries.
        """
        found: list[TreeEntry] = []
        level = [("", tree)]
        async with self._reading():
            while level:
                trees = await self._trees({sha: prefix for prefix, sha in level})
                below: list[tuple[str, str]] = []
                for prefix, sha in level:
                    for entry in trees[sha].values():
                        if entry.mode == MODE_TREE:
                            below.append((prefix + entry.path + "/", entry.sha))
                        elif entry.mode != MODE_SUBMODULE:
                            found.append(replace(entry, path=prefix + entry.path) if prefix else entry)
                    if len(found) + len(below) > self._git.bounds.objects_max:
                        raise StalledError(f"a directory has more than {self._git.bounds.objects_max} files")
                level = below if recurse else []
        return found

    async def entries(self, tree: str) -> Entries:
        """Everything in one tree: files, links, directories and submodules, by their names."""
        async with self._reading():
            return (await self._trees({tree: ""}))[tree]

    async def _trees(self, wanted: Mapping[str, str]) -> Mapping[str, Entries]:
        """These trees, by their ids, with what sentences call them. Costs nothing where all were read before."""
        kept = self._git.trees
        found = {sha: entries for sha in wanted if (entries := kept.get(self.key, sha)) is not None}
        missing = [sha for sha in wanted if sha not in found]
        for sha, data in (await self._reader.contents(missing, kind="tree")).items() if missing else ():
            listed = parse_tree(data, sha_chars=len(sha), said=wanted[sha])
            found[sha] = {entry.path: entry for entry in listed}
            kept.put(self.key, sha, found[sha])
        return found

    async def read_blobs(self, shas: Iterable[str]) -> dict[str, bytes]:
        """The bytes of each file, by its SHA, verified. Raises StalledError over the bounds."""
        async with self._reading():
            return await self._reader.contents(list(shas), kind="blob")

    async def commit_info(self, sha: str) -> CommitInfo:
        """Author, date and subject of a commit that the mirror has."""
        async with self._reading():
            return parse_commit(sha, (await self._reader.contents([sha], kind="commit"))[sha])

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[None]:
        """Puts a damaged mirror aside: the next fetch makes it anew."""
        identity = self._reader.identity()
        try:
            yield
        except CorruptMirrorError as e:
            await self._store.discard(self.url, identity, str(e))
            raise TransientError(
                f"repository {redact_url(self.url)}: its mirror was damaged ({e}); it is cloned anew"
            ) from e


def _object_name(commit: str, path: str | None) -> str | None:
    if not is_full_sha(commit):
        return None
    if path is None:
        return f"{commit}^{{commit}}"
    if not path:
        return f"{commit}^{{tree}}"
    # Git gives `./` and `../` a meaning of its own.
    if "\0" in path or any(segment in {"", ".", ".."} for segment in path.split("/")):
        return None
    return f"{commit}:{path}"
