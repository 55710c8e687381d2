"""Rendered manifests by content, in memory and within a bound."""

from __future__ import annotations

from collections import OrderedDict

import orjson

from trueup.domain.manifest import Parsed, RawObject


class RenderCache:
    """What was rendered last, the least recently used dropped first.

    A key is a digest of everything that the render read, so an entry is never wrong, only unused.
    Entries are kept encoded: their size is exact, and nobody can change what another will get.
    """

    def __init__(self, *, render_cache_bytes_max: int) -> None:
        self._bytes_max = render_cache_bytes_max
        self._bytes = 0
        self._entries: OrderedDict[str, bytes] = OrderedDict()

    @property
    def entries(self) -> int:
        """How many renders it holds."""
        return len(self._entries)

    @property
    def bytes(self) -> int:
        """What the entries hold; never above the bound."""
        return self._bytes

    def get(self, key: str) -> Parsed | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        objects, unrelated = orjson.loads(entry)
        return Parsed(tuple(RawObject(body, origin) for body, origin in objects), tuple(unrelated))

    def put(self, key: str, parsed: Parsed) -> None:
        """Keep it, unless it alone is larger than the bound."""
        entry = orjson.dumps([[[o.body, o.origin] for o in parsed.objects], parsed.unrelated])
        self._bytes -= len(self._entries.pop(key, b""))
        if len(entry) > self._bytes_max:
            return
        self._entries[key] = entry
        self._bytes += len(entry)
        while self._bytes > self._bytes_max:
            _, dropped = self._entries.popitem(last=False)
            self._bytes -= len(dropped)
