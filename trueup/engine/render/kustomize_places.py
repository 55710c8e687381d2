"""Where kustomize comes to when it opens a path: step by step, through links as the file system goes through them."""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from trueup.domain.read_set import Entry
from trueup.engine.tree import Found, Tree, TreeFile

#: Then whatever else waits has its turn.
LOOKS_AT_A_TIME_MAX = 100


@dataclass(slots=True)
class Places:
    """Looks places of a tree up, and keeps what it has come by: the links, and what a later look depends on."""

    tree: Tree
    #: Each link that was gone through, and the place where it leads in the end.
    links: dict[str, str] = field(default_factory=dict)
    entries: set[Entry] = field(default_factory=set)
    _known: dict[str, Found | None] = field(default_factory=dict)
    _looks: int = 0

    async def look(self, place: str) -> Found | None:
        """What lies at a place without `..` in it; None for nothing.

        StalledError for a link that leads nowhere good.
        """
        self._looks += 1
        if self._looks % LOOKS_AT_A_TIME_MAX == 0:
            # What the tree knows already is found without waiting for anything.
            await asyncio.sleep(0)
        found = await self._find("")
        for part in place.split("/") if place else ():
            if found is None or found.kind != "directory":
                return None
            found = await self._find(posixpath.join(found.place, part))
        return found

    async def _find(self, place: str) -> Found | None:
        if place in self._known:
            return self._known[place]
        found = await self.tree.find(place)
        if found is not None and found.place != place:
            self.links[place] = found.place
            # What lies at the end is kept where it is read.
            self.entries.update(Entry("linked", linked) for linked in (found.linked | {place}) - {found.place})
        self._known[place] = found
        return found


class Remembering:
    """A tree of which no file is read twice: for as long as one render."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._contents: dict[str, bytes] = {}

    async def find(self, place: str) -> Found | None:
        return await self._tree.find(place)

    async def files(self, place: str) -> list[TreeFile]:
        return await self._tree.files(place)

    async def read(self, ids: Collection[str]) -> Mapping[str, bytes]:
        unknown = {name for name in ids if name not in self._contents}
        if unknown:
            self._contents.update(await self._tree.read(unknown))
        return {name: self._contents[name] for name in ids}


def joined(directory: str, text: str) -> str | None:
    """The place that a text names from a directory, as kustomize cleans it up; None where it is not in the tree."""
    place = posixpath.normpath(posixpath.join(directory, text))
    if text.startswith("/") or place == ".." or place.startswith("../"):
        return None
    return "" if place == "." else place
