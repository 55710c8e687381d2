"""A checkout as the renderers want it: files by the name of their content, links already followed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from trueup.clients.git_objects import MODE_LINK
from trueup.engine.checkout import Checkout
from trueup.engine.render.directory import MANIFEST_SUFFIXES, SourceFile


class CheckoutTree:
    """Reads each blob once; what a link leads to counts by its content, wherever it lies."""

    def __init__(self, checkout: Checkout) -> None:
        self._checkout = checkout
        self._linked: dict[str, bytes] = {}

    async def files(self, *, recurse: bool) -> Sequence[SourceFile]:
        """Every file. StalledError for a link named like a manifest that leads nowhere good."""
        entries = await self._checkout.entries(recurse=recurse)
        links = [entry for entry in entries if entry.mode == MODE_LINK]
        # A link that is no manifest, to a directory perhaps, is nobody's business here.
        contents = await self._checkout.read([link for link in links if link.path.endswith(MANIFEST_SUFFIXES)])
        names = {link.path: link.sha for link in links}
        for path, content in contents.files.items():
            names[path] = f"linked-{hashlib.sha256(content).hexdigest()}"
            self._linked[names[path]] = content
        return [SourceFile(entry.path, names.get(entry.path, entry.sha)) for entry in entries]

    async def read(self, shas: Sequence[str]) -> Mapping[str, bytes]:
        """The content of each name that `files` gave."""
        blobs = await self._checkout.mirror.read_blobs(sha for sha in shas if sha not in self._linked)
        return {**blobs, **{sha: self._linked[sha] for sha in shas if sha in self._linked}}
