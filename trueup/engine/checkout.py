"""What an Application's source is at a revision: found by object id, never in a working tree."""

from __future__ import annotations

import posixpath
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from trueup.clients.git import Git, GitBounds
from trueup.clients.git_mirror import Mirror, Missing, TreeEntry
from trueup.clients.git_objects import MODE_LINK, MODE_SUBMODULE
from trueup.domain.application import Application
from trueup.domain.credentials import RepositoryCredentials
from trueup.domain.errors import InvalidSpecError, StalledError
from trueup.domain.repository import check_url, is_full_sha, normalize_url, redact_url

#: Links that may lead to links before it counts as a ring; the limit of Linux.
LINK_HOPS_MAX = 40
LINK_BYTES_MAX = 4_096
READING_MIRRORS_MAX = 64


class MirrorPool:
    """One `Mirror` per repository, whatever the spelling of its URL.

    At most `reading_max` mirrors hold a child process for reading; those least recently asked for
    give theirs up. Use as an async context manager.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        schemes: Collection[str] = (),
        bounds: GitBounds | None = None,
        reading_max: int = READING_MIRRORS_MAX,
    ) -> None:
        self._data_dir = data_dir
        self._git = Git(data_dir / "empty", bounds or GitBounds(), frozenset(schemes))
        self._reading_max = reading_max
        self._mirrors: OrderedDict[str, Mirror] = OrderedDict()

    async def __aenter__(self) -> Self:
        self._git.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        await self._git.check_version()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def trust(self, known_hosts: str) -> None:
        """Trust these SSH hosts (lines of an OpenSSH known_hosts file) too, for mirrors asked for from now on."""
        self._git = replace(self._git, known_hosts=known_hosts)

    async def mirror(self, url: str) -> Mirror:
        """The mirror of this repository. Raises InvalidSpecError for a URL that is not handed to git."""
        check_url(url, self._git.schemes)
        key = normalize_url(url)
        if key not in self._mirrors:
            self._mirrors[key] = Mirror(self._git, self._data_dir, url)
        self._mirrors.move_to_end(key)
        reading = [mirror for mirror in self._mirrors.values() if mirror.is_reading]
        for mirror in reading[: max(0, len(reading) - self._reading_max)]:
            await mirror.release()
        return self._mirrors[key]

    async def close(self) -> None:
        """End every child process."""
        while self._mirrors:
            _, mirror = self._mirrors.popitem()
            await mirror.close()


@dataclass(frozen=True, slots=True)
class Contents:
    """Files that were read, and what else they depend on."""

    #: By path relative to the source's directory.
    files: Mapping[str, bytes]
    #: For each that is a link, the paths from the repository's root of all links on the way and of the file
    #: at its end: without a change at one of them it stands for the same file.
    linked: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Checkout:
    """An Application's source at one commit."""

    mirror: Mirror
    #: The full SHA that the target revision stands for.
    revision: str
    #: From the repository's root, without slashes at its ends; empty is the root.
    path: str
    #: The tree at that path: two checkouts with the same one have the same files.
    tree: str

    async def entries(self, *, recurse: bool = True) -> list[TreeEntry]:
        """Files and links below the path, in order of their paths; submodules are left out."""
        return sorted(await self.mirror.list_tree(self.tree, recurse=recurse), key=lambda entry: entry.path)

    async def read(self, entries: Collection[TreeEntry]) -> Contents:
        """The bytes of these entries of `entries()`; a link is followed inside the repository.

        Raises StalledError for a link that is absolute, leads out of the repository, into nothing,
        to a directory or in a ring: a file that is left out would be pruned.
        """
        linked: dict[str, frozenset[str]] = {}
        blobs = {entry.path: entry.sha for entry in entries if entry.mode != MODE_LINK}
        for entry in entries:
            if entry.mode == MODE_LINK:
                blobs[entry.path], linked[entry.path] = await self._follow(entry)
        data = await self.mirror.read_blobs(blobs.values())
        return Contents({path: data[sha] for path, sha in blobs.items()}, linked)

    async def _follow(self, link: TreeEntry) -> tuple[str, frozenset[str]]:
        """The blob that a link stands for in the end, and what the way there depends on.

        A directory on the way needs no mention: if it went, so would the file at the end.
        """
        name = posixpath.join(self.path, link.path)
        pending = await self._target(name, name, link.sha)
        done: list[str] = []
        hops = 1
        on_the_way: set[str] = set()
        while pending:
            part = pending.pop(0)
            if part in {"", "."}:
                continue
            if part == "..":
                if not done:
                    raise StalledError(f"the link {name} leads out of the repository; point it to a file inside")
                done.pop()
                continue
            done.append(part)
            place = "/".join(done)
            mode, sha = await self._look(place)
            if mode == MODE_LINK:
                on_the_way.add(place)
                hops += 1
                if hops > LINK_HOPS_MAX:
                    raise StalledError(f"the link {name} leads in a ring")
                pending = await self._target(name, place, sha) + pending
                done = []
            elif mode == MODE_SUBMODULE:
                # Its commit is an object of another repository, which this mirror rightly lacks.
                raise StalledError(f"the link {name} leads into the submodule {place}; only links inside are followed")
            elif not mode or (mode != "40000" and pending):
                raise StalledError(f"the link {name} leads to {place}, which is not at {self.revision}")
            elif not pending and mode != "40000":
                return sha, frozenset({*on_the_way, place})
        raise StalledError(f"the link {name} leads to a directory; only links to files are followed")

    async def _target(self, name: str, place: str, sha: str) -> list[str]:
        """Where the link at `place` points, as path segments from the repository's root."""
        target = (await self.mirror.read_blobs([sha]))[sha]
        if target.startswith(b"/") or not target or len(target) > LINK_BYTES_MAX:
            raise StalledError(f"the link {name} is absolute; point it to a file inside the repository")
        directory = posixpath.dirname(place)
        return [*directory.split("/"), *target.decode("utf-8", "surrogateescape").split("/")]

    async def _look(self, place: str) -> tuple[str, str]:
        """Mode and SHA of the entry at a path from the repository's root; empty where there is none."""
        tree = await self.mirror.tree_id(self.revision, posixpath.dirname(place))
        if tree is None:
            return "", ""
        entry = await self.mirror.entry(tree, posixpath.basename(place))
        return (entry.mode, entry.sha) if entry is not None else ("", "")


async def resolve(
    application: Application, pool: MirrorPool, *, credentials: RepositoryCredentials | None, tip: str = ""
) -> Checkout:
    """The source of an Application at what its target revision stands for now.

    The remote is asked, unless the mirror already has the target revision at `tip`, a SHA that it
    was seen to have reached, or the target revision is a SHA that the mirror has. That the mirror
    is *ahead* of `tip` is no reason not to ask: the remote may have gone back.

    Raises StalledError for a revision or a path that does not exist, and what `Mirror.fetch` raises.
    """
    source = application.source
    target = source.target_revision
    mirror = await pool.mirror(source.repo_url)
    known = await mirror.resolve(target) if is_full_sha(target) or tip else None
    if known is not None and (is_full_sha(target) or known == tip.lower()):
        revision: str | Missing = known
    else:
        revision = (await mirror.fetch([target], credentials=credentials, url=source.repo_url))[target]
    if isinstance(revision, Missing):
        raise StalledError(revision.reason)
    return await at(mirror, revision, source.path)


async def recorded(application: Application, pool: MirrorPool) -> Checkout | None:
    """The source at the revision it was last compared at; None where the mirror does not have it.

    The remote is not asked. Raises StalledError for a path that does not exist there.
    """
    mirror = await pool.mirror(application.source.repo_url)
    known = await mirror.resolve(application.revision)
    return await at(mirror, known, application.source.path) if known == application.revision else None


async def at(mirror: Mirror, revision: str, path: str) -> Checkout:
    """The directory `path` at a commit that the mirror has. Raises StalledError where there is none."""
    if path.startswith("/") or ".." in path.split("/") or "\0" in path:
        raise InvalidSpecError(f"spec.source.path {path[:200]!r} leads out of the repository")
    plain = "/".join(segment for segment in path.split("/") if segment not in {"", "."})
    (found,) = await mirror.objects([(revision, plain)])
    if found is None or found.type != "tree":
        what = "is not a directory" if found is not None else "does not exist"
        where = f"at revision {revision} of {redact_url(mirror.url)}; correct spec.source.path"
        raise StalledError(f"path {plain[:200]!r} {what} {where}, or push the directory")
    return Checkout(mirror, revision, plain, found.sha)
