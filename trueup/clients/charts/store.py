"""Unpacked charts on this machine's disk, by the SHA-256 of their archives, shared by all processes on it.

A chart is handed out only to those who name a repository that it has come from: a digest that somebody
writes into an index of his own opens nothing that he may not fetch. What is there is whole at any time: it is made
beside and renamed into its place. Beside every chart stands the digest of each of its files; one that is not as it
was written is thrown away when it is asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import orjson
import structlog

from trueup.clients.charts.archive import Unpacked, unpack
from trueup.clients.charts.model import Chart, ChartBounds
from trueup.clients.git_lock import file_lock
from trueup.domain.errors import TransientError

#: Locks are shared by this many charts each, so that they need not be cleared away.
LOCKS = 256
#: What a killed process left in the making is removed after so long.
LEFT_OVER_SECONDS = 3_600.0
_CONTENT = "content"
_MANIFEST = "manifest.json"
#: How the name of a file ends that says where the chart has come from.
_SOURCE = ".source"

_log = structlog.get_logger(__name__)


class ChartStore:
    """The directories `charts/store/<digest>` below the data directory."""

    def __init__(self, data_dir: Path, bounds: ChartBounds) -> None:
        self._root = data_dir / "charts"
        self._bounds = bounds

    def prepare(self) -> None:
        """Make the directories, and clear away what a killed process left. Blocks."""
        for name in ("store", "making", "locks", "indexes"):
            (self._root / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        for entry in os.scandir(self._root / "making"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - entry.stat().st_mtime > LEFT_OVER_SECONDS:
                    _remove(Path(entry.path))

    @property
    def indexes(self) -> Path:
        return self._root / "indexes"

    @asynccontextmanager
    async def locked(self, key: str) -> AsyncIterator[None]:
        """The right to fetch what has this key, which one process has at a time."""
        number = int(hashlib.sha256(key.encode()).hexdigest(), 16) % LOCKS
        path = self._root / "locks" / f"{number:02x}.lock"
        async with file_lock(path, seconds_max=self._bounds.lock_seconds_max):
            yield

    async def get(self, digest: str, source: str) -> Chart | None:
        """The chart, verified; None where it is not there, not as it was written, or not from this source.

        `source` names a repository and a chart, in characters that a file's name may have.
        """
        return await asyncio.to_thread(self._get, digest, source)

    async def put(self, archive: Path, digest: str, source: str) -> Chart:
        """The chart of an archive whose digest was verified. ArchiveRefusedError; TransientError for a full disk."""
        try:
            return await asyncio.to_thread(self._put, archive, digest, source)
        except OSError as error:
            raise disk_error(error) from error

    def making(self) -> Path:
        """A new private directory on the same file system, for the caller to remove. Blocks."""
        return Path(tempfile.mkdtemp(dir=self._root / "making"))

    def _get(self, digest: str, source: str) -> Chart | None:
        place = self._root / "store" / digest
        return self._verified(place, digest) if (place / f"{source}{_SOURCE}").exists() else None

    def _verified(self, place: Path, digest: str) -> Chart | None:
        try:
            # Before it is looked at, so that whoever makes room meanwhile leaves it there.
            with self._in_order(fcntl.LOCK_SH):
                os.utime(place)
            said = orjson.loads((place / _MANIFEST).read_bytes())
            files, top = dict(said["files"]), str(said["top"])
            chart = Chart(str(said["name"]), str(said["version"]), digest, place / _CONTENT / top)
            is_sound = _hashed(place / _CONTENT) == files and f"{top}/Chart.yaml" in files
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError):
            is_sound = False
        if not is_sound:
            _log.warning("chart_thrown_away", digest=digest, why="its files are not as they were written")
            self._discard(place)
            return None
        return chart

    def _put(self, archive: Path, digest: str, source: str) -> Chart:
        place = self._root / "store" / digest
        if kept := self._verified(place, digest):
            (place / f"{source}{_SOURCE}").touch()
            return kept
        fresh = self.making()
        try:
            content = fresh / _CONTENT
            content.mkdir()
            with archive.open("rb") as file:
                unpacked = unpack(file, content, self._bounds)
            (fresh / _MANIFEST).write_bytes(_manifest(unpacked))
            (fresh / f"{unpacked.size}.bytes").touch()
            (fresh / f"{source}{_SOURCE}").touch()
            with self._in_order(fcntl.LOCK_EX):
                self._make_room(unpacked.size)
                self._discard(place)
                fresh.rename(place)
        finally:
            _remove(fresh)
        return Chart(unpacked.name, unpacked.version, digest, place / _CONTENT / unpacked.top)

    @contextmanager
    def _in_order(self, kind: int) -> Iterator[None]:
        """Nobody makes room while others say what they use."""
        descriptor = os.open(self._root / "locks" / "room.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, kind)
            yield
        finally:
            os.close(descriptor)

    def _discard(self, place: Path) -> None:
        """Out of its place in one step, so that nobody finds half of it."""
        aside = self.making()
        with contextlib.suppress(FileNotFoundError):
            place.rename(aside / "it")
        _remove(aside)

    def _make_room(self, size: int) -> None:
        """Throw away what was not used for longest, until as much fits in; TransientError where all are in use."""
        kept = sorted(_ages(self._root / "store"))
        total = size + sum(each for _, each, _ in kept)
        now = time.time()
        for used, each, place in kept:
            if total <= self._bounds.charts_bytes_max or now - used < self._bounds.in_use_seconds:
                break
            self._discard(place)
            total -= each
        if total > self._bounds.charts_bytes_max:
            raise TransientError(
                f"charts in use have all of the {self._bounds.charts_bytes_max} bytes that they may have on this "
                "machine; raise TRUEUP_CHARTS_BYTES_MAX",
                retry_after_seconds=self._bounds.in_use_seconds / 10,
            )


def disk_error(error: OSError) -> TransientError:
    """What is said of a disk that does not take a chart."""
    why = os.strerror(error.errno) if error.errno else type(error).__name__
    return TransientError(f"a chart cannot be written below TRUEUP_DATA_DIR: {why}", retry_after_seconds=30)


def _manifest(unpacked: Unpacked) -> bytes:
    said = {"name": unpacked.name, "version": unpacked.version, "top": unpacked.top, "files": unpacked.files}
    return orjson.dumps(said)


def _hashed(content: Path) -> dict[str, str]:
    """SHA-256 of every file below, by its path; a link or a special file has none and is never followed."""
    found = {}
    waiting = [""]
    while waiting:
        directory = waiting.pop()
        for entry in os.scandir(content / directory):
            path = f"{directory}/{entry.name}" if directory else entry.name
            if entry.is_dir(follow_symlinks=False):
                waiting.append(path)
            elif entry.is_file(follow_symlinks=False):
                with Path(entry.path).open("rb") as file:
                    found[path] = hashlib.file_digest(file, "sha256").hexdigest()
            else:
                found[path] = ""
    return found


def _ages(store: Path) -> list[tuple[float, int, Path]]:
    """When each chart was last used, its size in bytes and its place."""
    found = []
    for entry in os.scandir(store):
        with contextlib.suppress(FileNotFoundError):
            place = Path(entry.path)
            size = sum(int(path.stem) for path in place.glob("*.bytes"))
            found.append((entry.stat().st_mtime, size, place))
    return found


def _remove(directory: Path) -> None:
    """Delete a tree whose directories may be read-only; what is not there is no error."""
    for parent, names, _ in os.walk(directory):
        for name in names:
            path = Path(parent, name)
            if not path.is_symlink():
                path.chmod(0o700)
    shutil.rmtree(directory, ignore_errors=True)
