"""Where read-sets are kept: on this machine's disk, and in Redis so that workers share them.

Both hold the same sealed text, one for each Application and source, of the revision rendered last; a
later one takes its place. What does not open, in either, is not there: unknown, and unknown means affected.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog
from redis.asyncio import Redis

from trueup.clients.redis import redis_errors, send
from trueup.clients.seal import Sealer
from trueup.clients.whole_file import write_whole
from trueup.domain.errors import TrueupError
from trueup.domain.read_set import ReadKey, ReadSet, decode, encode

KIND = "reads"
#: So many are asked of Redis in one call.
ASKED_AT_ONCE_MAX = 1_000

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReadSetBounds:
    #: A larger one is not kept: its application is affected by every push.
    read_set_bytes_max: int = 256 * 1024
    #: On the disk; the oldest go first.
    read_sets_kept_max: int = 100_000
    #: In Redis. One that was not renewed for so long costs one comparison, unless the disk has it.
    read_set_seconds_max: float = 30 * 86_400.0


DEFAULT_BOUNDS = ReadSetBounds()


class ReadSetStore:
    """Read-sets by what they belong to. `client` None keeps them on the disk alone."""

    def __init__(
        self,
        data_dir: Path,
        client: Redis | None,
        sealer: Sealer,
        *,
        bounds: ReadSetBounds = DEFAULT_BOUNDS,
        prefix: str = "{trueup}:",
    ) -> None:
        self._directory = data_dir / "read-sets"
        self._client = client
        self._sealer = sealer
        self._bounds = bounds
        self._prefix = prefix
        self._written = 0

    async def put(self, key: ReadKey, read_set: ReadSet) -> None:
        """Keep it. Where that cannot be, it is left: all that is lost is knowing what need not be looked at."""
        text = encode(read_set)
        if len(text) > self._bounds.read_set_bytes_max:
            return
        sealed = self._sealer.seal(KIND, _subject(key), text)
        try:
            await asyncio.to_thread(self._write, _name(key), sealed.encode())
        except OSError as error:
            _log.warning("read_set_not_on_disk", why=str(error)[:300])
        if self._client is None:
            return
        seconds = max(1, round(self._bounds.read_set_seconds_max))
        try:
            with redis_errors(self._client):
                await send(self._client, "read_set", "SET", self._key(key), sealed, "EX", seconds)
        except TrueupError as error:
            _log.warning("read_set_not_shared", why=str(error))

    async def get(self, keys: Collection[ReadKey]) -> dict[ReadKey, ReadSet]:
        """Those that are kept and sound: from the disk, and the rest in one call of Redis for each thousand.

        Raises TransientError or StalledError where Redis does not answer.
        """
        texts = await asyncio.to_thread(self._read, [_name(key) for key in keys])
        found = self._opened(zip(keys, texts, strict=True))
        missing = [key for key in keys if key not in found]
        for start in range(0, len(missing) if self._client is not None else 0, ASKED_AT_ONCE_MAX):
            found |= await self._shared(missing[start : start + ASKED_AT_ONCE_MAX])
        return found

    async def _shared(self, keys: list[ReadKey]) -> Mapping[ReadKey, ReadSet]:
        assert self._client is not None  # noqa: S101 -- for the type checker: asked before
        with redis_errors(self._client):
            texts = await send(self._client, "read_sets", "MGET", *map(self._key, keys))
        return self._opened(zip(keys, texts, strict=True))

    def _opened(self, texts: Iterable[tuple[ReadKey, bytes | None]]) -> dict[ReadKey, ReadSet]:
        found = {}
        for key, text in texts:
            if text is None or len(text) > 2 * self._bounds.read_set_bytes_max:
                continue
            opened = self._sealer.open(KIND, _subject(key), text.decode("utf-8", "replace"))
            read_set = decode(opened) if opened is not None else None
            if read_set is not None:
                found[key] = read_set
        return found

    def _key(self, key: ReadKey) -> str:
        return f"{self._prefix}reads:{_name(key)}"

    def _read(self, names: Iterable[str]) -> list[bytes | None]:
        found: list[bytes | None] = []
        for name in names:
            try:
                found.append((self._directory / name).read_bytes())
            except OSError:
                found.append(None)
        return found

    def _write(self, name: str, content: bytes) -> None:
        write_whole(self._directory / name, content)
        if self._written % max(1, self._bounds.read_sets_kept_max // 10) == 0:
            self._drop_oldest()
        self._written += 1

    def _drop_oldest(self) -> None:
        ages = []
        for entry in os.scandir(self._directory):
            with contextlib.suppress(FileNotFoundError):
                ages.append((entry.stat().st_mtime_ns, entry.path))
        for _, path in sorted(ages)[: max(0, len(ages) - self._bounds.read_sets_kept_max)]:
            Path(path).unlink(missing_ok=True)


def _subject(key: ReadKey) -> str:
    return f"{key.uid} {key.source} {key.revision}"


def _name(key: ReadKey) -> str:
    return hashlib.sha256(f"{key.uid} {key.source}".encode("utf-8", "surrogatepass")).hexdigest()[:40]
