"""Files as they are at one commit, found by object id; links are followed inside the tree, never out of it.

Places are paths relative to the tree's root, without slashes at their ends; the empty one is the root.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from trueup.clients.git_mirror import Mirror, TreeEntry
from trueup.clients.git_objects import MODE_LINK, MODE_SUBMODULE, MODE_TREE
from trueup.clients.git_trees import Entries
from trueup.domain.errors import StalledError

#: Links that may lead to links before it counts as a ring; the limit of Linux.
LINK_HOPS_MAX = 40
LINK_BYTES_MAX = 4_096
MODE_EXECUTABLE = "100755"
#: Directories within directories, links to directories counted, before it counts as a ring.
DEPTH_MAX = 100
FILES_MAX = 50_000


@dataclass(frozen=True, slots=True)
class Found:
    """What lies at a place in the end."""

    kind: Literal["file", "directory"]
    #: Names its content: the id of a blob or of a tree.
    id: str
    #: Where it really lies; another place than the one asked for where links led there.
    place: str
    #: The links on the way, and the end they lead to: without a change at one of them, and of the content,
    #: the place stands for the same.
    linked: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A file below a directory."""

    #: From the tree's root, by the way it was asked for: through a link, below that link's place.
    place: str
    id: str
    executable: bool = False
    linked: frozenset[str] = frozenset()


class Tree(Protocol):
    """Files that do not change: of a commit, of an unpacked chart, of a directory that was read."""

    async def find(self, place: str) -> Found | None:
        """What lies there, links followed; None for nothing. StalledError for a link that leads nowhere good."""
        ...

    async def files(self, place: str) -> list[TreeFile]:
        """Every file below a directory, links followed, in order of their places; none where there is no directory."""
        ...

    async def read(self, ids: Collection[str]) -> Mapping[str, bytes]:
        """The content of these files, by their ids."""
        ...


class GitTree:
    """A tree of a mirror. Directories that were looked into are kept: ask one instance as often as you like."""

    def __init__(self, mirror: Mirror, root: str, *, said: str, directory: tuple[str, str] = ("", "")) -> None:
        """`root` is the id of the root's tree; `said` names the commit in messages.

        `directory` is one that is known already, to be reached without a link: its place and its tree.
        """
        self._mirror = mirror
        self._root = root
        self._said = said
        self._directory = directory
        self._trees: dict[str, Entries] = {}

    async def find(self, place: str) -> Found | None:
        known, below = self._directory
        directory, _, name = place.rpartition("/")
        if known and directory == known and name not in {"", ".", ".."}:
            entry = (await self._entries(below)).get(name)
            if entry is None or entry.mode not in {MODE_LINK, MODE_SUBMODULE}:
                kind: Literal["file", "directory"] = "directory" if entry and entry.mode == MODE_TREE else "file"
                return Found(kind, entry.sha, place) if entry else None
        return await self._walked(place)

    async def _walked(self, place: str) -> Found | None:
        walk, tree = _Walk(place), self._root
        while walk.pending:
            part = walk.pending.pop(0)
            if part == "..":
                tree = walk.up(self._root)
                continue
            entry = (await self._entries(tree)).get(part)
            here = walk.at(part)
            if entry is not None and entry.mode == MODE_LINK:
                target = (await self._mirror.read_blobs([entry.sha]))[entry.sha]
                tree = walk.follow(here, target, self._root)
            elif entry is not None and entry.mode == MODE_TREE:
                walk.done.append((part, entry.sha))
                tree = entry.sha
            elif entry is not None and entry.mode != MODE_SUBMODULE and not walk.pending:
                return Found("file", entry.sha, here, walk.linked(here))
            else:
                self._refuse_loose_link(walk, here, entry)
                return None
        return Found("directory", tree, walk.place, walk.linked(walk.place))

    def _refuse_loose_link(self, walk: _Walk, here: str, entry: TreeEntry | None) -> None:
        """Where a link leads to nothing that is somebody's mistake."""
        if not walk.first_link:
            return
        if entry is not None and entry.mode == MODE_SUBMODULE:
            # Its commit is an object of another repository, which this mirror rightly lacks.
            leads = f"into the submodule {here}; only links inside are followed"
        else:
            leads = f"to {here}, which is not at {self._said}"
        raise StalledError(f"the link {walk.first_link} leads {leads}")

    async def files(self, place: str) -> list[TreeFile]:
        top = await self.find(place)
        if top is None or top.kind != "directory":
            return []
        found: list[TreeFile] = []
        pending = [(place, top.id, top.linked)]
        while pending:
            directory, tree, linked = pending.pop()
            for entry in (await self._entries(tree)).values():
                here = posixpath.join(directory, entry.path)
                if entry.mode == MODE_TREE:
                    pending.append((here, entry.sha, linked))
                elif entry.mode == MODE_LINK:
                    end = await self.find(here)
                    assert end is not None  # noqa: S101 -- for the type checker: a link to nothing was refused
                    if end.kind == "directory":
                        if here.count("/") > DEPTH_MAX:
                            raise StalledError(f"the link {here} leads in a ring")
                        pending.append((here, end.id, linked | end.linked))
                    else:
                        found.append(TreeFile(here, end.id, linked=linked | end.linked))
                elif entry.mode != MODE_SUBMODULE:
                    found.append(TreeFile(here, entry.sha, entry.mode == MODE_EXECUTABLE, linked))
            if len(found) + len(pending) > FILES_MAX:
                raise StalledError(f"the directory {place or '.'} has more than {FILES_MAX} files")
        return sorted(found, key=lambda file: file.place)

    async def read(self, ids: Collection[str]) -> Mapping[str, bytes]:
        return await self._mirror.read_blobs(ids)

    async def _entries(self, tree: str) -> Entries:
        known = self._trees.get(tree)
        if known is None:
            known = self._trees[tree] = await self._mirror.entries(tree)
        return known


class _Walk:
    """The way to a place, as far as it was gone."""

    def __init__(self, place: str) -> None:
        self.asked = place
        self.pending = _segments(place)
        #: The directories on the way: name and tree.
        self.done: list[tuple[str, str]] = []
        self.first_link = ""
        self._links: set[str] = set()
        self._hops = 0

    @property
    def place(self) -> str:
        return "/".join(name for name, _ in self.done)

    def at(self, part: str) -> str:
        return "/".join([*(name for name, _ in self.done), part])

    def linked(self, end: str) -> frozenset[str]:
        return frozenset({*self._links, end}) if self._links else frozenset()

    def up(self, root: str) -> str:
        if not self.done:
            what = f"the link {self.first_link}" if self.first_link else f"the path {self.asked}"
            raise StalledError(f"{what} leads out of the repository; point it to a file inside")
        self.done.pop()
        return self.done[-1][1] if self.done else root

    def follow(self, here: str, target: bytes, root: str) -> str:
        """Go on where the link leads; the tree to look in."""
        self.first_link = self.first_link or here
        self._links.add(here)
        self._hops += 1
        if self._hops > LINK_HOPS_MAX:
            raise StalledError(f"the link {self.first_link} leads in a ring")
        if target.startswith(b"/") or not target or len(target) > LINK_BYTES_MAX:
            raise StalledError(f"the link {self.first_link} is absolute; point it to a file inside the repository")
        self.pending = [*_segments(target.decode("utf-8", "surrogateescape")), *self.pending]
        return self.done[-1][1] if self.done else root


def _segments(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment not in {"", "."}]
