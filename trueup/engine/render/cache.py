"""What files came to, by their content, in memory and within a bound."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import orjson

from trueup.domain.manifest import Parsed, RawObject


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """One file, read."""

    parsed: Parsed
    #: Of the file, in bytes.
    size: int


class RenderCache:
    """The files that were parsed last, the least recently used dropped first.

    A key is a digest of everything that went into an entry, so one is never wrong, only unused.
    Entries are kept encoded: their size is exact, and nobody can change what another will get.
    """

    def __init__(self, *, render_cache_bytes_max: int) -> None:
        self._bytes_max = render_cache_bytes_max
        self._bytes = 0
        self._entries: OrderedDict[str, bytes] = OrderedDict()

    @property
    def entries(self) -> int:
        """How many files it holds."""
        return len(self._entries)

    @property
    def bytes(self) -> int:
        """What the entries hold; never above the bound."""
        return self._bytes

    def get(self, key: str) -> ParsedFile | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        size, objects, unrelated = orjson.loads(entry)
        return ParsedFile(Parsed(tuple(RawObject(body, origin) for body, origin in objects), tuple(unrelated)), size)

    def put(self, key: str, file: ParsedFile) -> None:
        """Keep it, unless it alone is larger than the bound."""
        parsed = file.parsed
        encoded = orjson.dumps([file.size, [[o.body, o.origin] for o in parsed.objects], parsed.unrelated])
        # What orjson gives keeps the room that it was written in, four kilobytes at the least.
        entry = bytes(memoryview(encoded))
        self._bytes -= len(self._entries.pop(key, b""))
        if len(entry) > self._bytes_max:
            return
        self._entries[key] = entry
        self._bytes += len(entry)
        while self._bytes > self._bytes_max:
            _, dropped = self._entries.popitem(last=False)
            self._bytes -= len(dropped)
