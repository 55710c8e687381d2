"""A checkout as the renderers want it: files by the name of their content, links already followed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

from trueup.clients.git_objects import MODE_LINK
from trueup.domain.errors import StalledError
from trueup.engine.checkout import Checkout
from trueup.engine.local_tree import LocalTree
from trueup.engine.render.directory import SourceFile


class LocalFiles:
    """A directory on this machine: of its files just those are read that a worker would read of a commit's."""

    def __init__(self, tree: LocalTree, path: str) -> None:
        self._tree = tree
        self._path = path

    async def files(self, *, recurse: bool, wanted: Callable[[str], bool]) -> Sequence[SourceFile]:
        """The wanted files. StalledError for one that is a link and leads nowhere good."""
        start = len(self._path) + 1 if self._path else 0
        found = []
        for place, is_link in await self._tree.names(self._path, recurse=recurse):
            if not wanted(place[start:]):
                continue
            end = await self._tree.find(place)
            if end is not None and end.kind == "file":
                found.append(SourceFile(place[start:], end.id, end.linked))
            elif is_link:
                raise StalledError(f"the link {place} leads to a directory; only links to files are followed")
        return found

    async def read(self, shas: Sequence[str]) -> Mapping[str, bytes]:
        """The content of each name that `files` gave."""
        return await self._tree.read(shas)


class CheckoutTree:
    """Reads each blob once; what a link leads to counts by its content, wherever it lies."""

    def __init__(self, checkout: Checkout) -> None:
        self._checkout = checkout
        self._linked: dict[str, bytes] = {}

    async def files(self, *, recurse: bool, wanted: Callable[[str], bool]) -> Sequence[SourceFile]:
        """Every file. StalledError for a wanted one that is a link and leads nowhere good."""
        entries = await self._checkout.entries(recurse=recurse)
        # A link that is not wanted, to a directory perhaps, is nobody's business here.
        links = [entry for entry in entries if entry.mode == MODE_LINK and wanted(entry.path)]
        contents = await self._checkout.read(links)
        names: dict[str, str] = {}
        for path, content in contents.files.items():
            names[path] = f"linked-{hashlib.sha256(content).hexdigest()}"
            self._linked[names[path]] = content
        nothing = frozenset[str]()
        return [
            SourceFile(entry.path, names.get(entry.path, entry.sha), contents.linked.get(entry.path, nothing))
            for entry in entries
        ]

    async def read(self, shas: Sequence[str]) -> Mapping[str, bytes]:
        """The content of each name that `files` gave."""
        blobs = await self._checkout.mirror.read_blobs(sha for sha in shas if sha not in self._linked)
        return {**blobs, **{sha: self._linked[sha] for sha in shas if sha in self._linked}}
