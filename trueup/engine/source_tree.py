"""A checkout as the renderers want it: files by the name of their content, links already followed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

from trueup.clients.git_objects import MODE_LINK
from trueup.engine.checkout import Checkout
from trueup.engine.render.directory import SourceFile


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
