"""What tools made of sources, on the disk of a worker: found again by everything that went into it.

A *recipe* is the digest of all that a render is given besides files: options, tool, target. Under it
stand the last few renders of that recipe, each with the state of every place that it read, and the
digest of what came out. One whose places are all as they were then is that render: nothing is run.
Files are named by digests and held against them when they are read, so one that was damaged is not
there. Nothing of it passes through Redis.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import structlog

from trueup.clients.whole_file import write_whole
from trueup.domain.manifest import Parsed, RawObject
from trueup.domain.read_set import ReadSet, decode, encode

#: So many renders of one recipe are found again: what a branch goes back and forth between.
RENDERS_PER_RECIPE_MAX = 4
#: What is written before the bound is looked at again, as a part of the bound.
_WRITTEN_BETWEEN_LOOKS = 1 / 16
_DIGEST_CHARS = 64

#: The state of each place that was read, by the repository and the place.
States = Mapping[tuple[str, str], str]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Known:
    """One render that was made."""

    reads: Mapping[str, ReadSet]
    states: States
    #: Of what came out.
    output: str


class RenderStore:
    """Several processes may share the directory. Where the disk fails, nothing is found and nothing is kept."""

    def __init__(self, directory: Path, *, render_store_bytes_max: int) -> None:
        self._recipes = directory / "recipes"
        self._outputs = directory / "outputs"
        self._bytes_max = render_store_bytes_max
        self._unseen = float("inf")

    async def known(self, recipe: str) -> tuple[Known, ...]:
        """The renders of this recipe, the last one first."""
        return await asyncio.to_thread(self._known, recipe)

    async def output(self, digest: str) -> Parsed | None:
        """What came out of a render; None where it is gone or damaged."""
        return await asyncio.to_thread(self._output, digest)

    async def keep(self, recipe: str, reads: Mapping[str, ReadSet], states: States, parsed: Parsed) -> None:
        """Have this render found again."""
        try:
            await asyncio.to_thread(self._keep, recipe, reads, states, parsed)
        except OSError as error:
            _log.warning("render_not_kept", why=str(error)[:300])

    def _known(self, recipe: str) -> tuple[Known, ...]:
        rows = _opened(self._recipes / recipe)
        found = [_known(row) for row in rows] if isinstance(rows, list) else []
        return tuple(known for known in found if known is not None)

    def _output(self, digest: str) -> Parsed | None:
        path = self._outputs / digest
        try:
            content = zlib.decompress(path.read_bytes())
        except (OSError, zlib.error):
            return None
        if hashlib.sha256(content).hexdigest() != digest:
            path.unlink(missing_ok=True)
            return None
        with contextlib.suppress(OSError):
            # What is used stays longest.
            os.utime(path)
        objects, unrelated = orjson.loads(content)
        return Parsed(tuple(RawObject(body, origin) for body, origin in objects), tuple(unrelated))

    def _keep(self, recipe: str, reads: Mapping[str, ReadSet], states: States, parsed: Parsed) -> None:
        content = orjson.dumps([[[o.body, o.origin] for o in parsed.objects], parsed.unrelated])
        digest = hashlib.sha256(content).hexdigest()
        packed = zlib.compress(content, 1)
        if len(packed) > self._bytes_max:
            return
        self._make_room(len(packed))
        write_whole(self._outputs / digest, packed)
        row = [
            {name: encode(read_set) for name, read_set in reads.items()},
            [[*place, state] for place, state in sorted(states.items())],
            digest,
        ]
        others = [_row(known) for known in self._known(recipe) if known.states != states]
        rows = orjson.dumps([row, *others][:RENDERS_PER_RECIPE_MAX])
        write_whole(self._recipes / recipe, hashlib.sha256(rows).hexdigest().encode() + rows)

    def _make_room(self, size: int) -> None:
        self._unseen += size
        if self._unseen < self._bytes_max * _WRITTEN_BETWEEN_LOOKS:
            return
        self._unseen = 0.0
        kept: list[tuple[int, int, str]] = []
        for directory in (self._outputs, self._recipes):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for entry in os.scandir(directory):
                with contextlib.suppress(FileNotFoundError):
                    found = entry.stat()
                    kept.append((found.st_mtime_ns, found.st_size, entry.path))
        total = sum(bytes_ for _, bytes_, _ in kept)
        for _, bytes_, path in sorted(kept):
            if total <= self._bytes_max * (1 - _WRITTEN_BETWEEN_LOOKS):
                break
            Path(path).unlink(missing_ok=True)
            total -= bytes_


def _opened(path: Path) -> Any:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, rows = content[:_DIGEST_CHARS], content[_DIGEST_CHARS:]
    if hashlib.sha256(rows).hexdigest().encode() != digest:
        path.unlink(missing_ok=True)
        return None
    return orjson.loads(rows)


def _known(row: Sequence[Any]) -> Known | None:
    texts, states, digest = row
    reads = {name: decode(text) for name, text in texts.items()}
    sound = {name: read_set for name, read_set in reads.items() if read_set is not None}
    if len(sound) < len(reads):
        return None
    return Known(sound, {(name, place): state for name, place, state in states}, digest)


def _row(known: Known) -> list[Any]:
    texts = {name: encode(read_set) for name, read_set in known.reads.items()}
    return [texts, [[*place, state] for place, state in sorted(known.states.items())], known.output]
