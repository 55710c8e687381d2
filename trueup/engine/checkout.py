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
from trueup.clients.git_mirror import Mirror, TreeEntry
from trueup.clients.git_objects import MODE_LINK
from trueup.domain.errors import InvalidSpecError, StalledError
from trueup.domain.repository import check_url, normalize_url, redact_url
from trueup.engine.tree import GitTree

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
    #: From the repository's root, links followed, without slashes at its ends; empty is the root.
    path: str
    #: The tree at that path: two checkouts with the same one have the same files.
    tree: str
    #: All files of that commit.
    repository: GitTree
    #: The links that the path goes through.
    linked: frozenset[str] = frozenset()

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
                place = posixpath.join(self.path, entry.path)
                found = await self.repository.find(place)
                if found is None or found.kind != "file":
                    raise StalledError(f"the link {place} leads to a directory; only links to files are followed")
                blobs[entry.path], linked[entry.path] = found.id, found.linked
        data = await self.mirror.read_blobs(blobs.values())
        return Contents({path: data[sha] for path, sha in blobs.items()}, linked)


async def at(mirror: Mirror, revision: str, path: str, *, said: str = "spec.source") -> Checkout:
    """The directory `path` at a commit that the mirror has. Raises StalledError where there is none.

    `said` is how sentences name the source.
    """
    if path.startswith("/") or ".." in path.split("/") or "\0" in path:
        raise InvalidSpecError(f"{said}.path {path[:200]!r} leads out of the repository")
    plain = "/".join(segment for segment in path.split("/") if segment not in {"", "."})
    found, root = await mirror.objects([(revision, plain), (revision, "")])
    if found is not None and root is not None and found.type == "tree":
        tree = GitTree(mirror, root.sha, said=revision, directory=(plain, found.sha))
        return Checkout(mirror, revision, plain, found.sha, tree)
    tree = GitTree(mirror, root.sha if root is not None else "", said=revision)
    # A link is a file to the question above.
    end = await tree.find(plain) if root is not None else None
    if end is None or end.kind != "directory":
        what = "is not a directory" if end is not None else "does not exist"
        where = f"at revision {revision} of {redact_url(mirror.url)}; correct {said}.path"
        raise StalledError(f"path {plain[:200]!r} {what} {where}, or push the directory")
    return Checkout(mirror, revision, end.place, end.id, tree, end.linked - {end.place})
