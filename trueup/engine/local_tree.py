"""A directory on this machine as a `Tree`: an unpacked chart, or what somebody has before them."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import stat
from collections.abc import Collection, Mapping
from pathlib import Path

from trueup.domain.errors import StalledError
from trueup.engine.tree import DEPTH_MAX, FILES_MAX, Found, TreeFile

#: Never a part of what is rendered.
_PASSED_OVER = frozenset({".git"})
#: How a system says that nothing is there; a name that is too long for it is the name of nothing.
_NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})


class LocalTree:
    """Links are followed inside the root, and refused where they lead out of it. What is read is read once.

    `digest` names the whole content where that is known: without it, directories that were changed look the same.
    """

    def __init__(self, root: Path, *, file_bytes_max: int, digest: str = "") -> None:
        self._root = root.resolve()
        self._digest = digest
        self._file_bytes_max = file_bytes_max
        self._contents: dict[str, bytes] = {}

    async def find(self, place: str) -> Found | None:
        return await asyncio.to_thread(self._find, place)

    async def files(self, place: str) -> list[TreeFile]:
        return await asyncio.to_thread(self._files, place)

    async def names(self, place: str, *, recurse: bool) -> list[tuple[str, bool]]:
        """The places of files in a directory, or below it as well, and whether each is a link.

        Nothing is read and no link is followed, as where a commit's tree is listed.
        """
        return await asyncio.to_thread(self._names, place, recurse)

    async def read(self, ids: Collection[str]) -> Mapping[str, bytes]:
        return {name: self._contents[name] for name in ids}

    def _find(self, place: str) -> Found | None:
        path = self._root / place
        try:
            real = Path(os.path.realpath(path))
            if not real.is_relative_to(self._root):
                raise StalledError(f"{place} leads out of {self._root.name}; point it to a file inside")
            mode = os.stat(real).st_mode  # noqa: PTH116 -- one look, where Path's own questions hide why there is none
        except OSError as error:
            self._refuse_mistake(place, error)
            return None
        except ValueError:
            # A zero byte, or half of a character: nothing is called so.
            return None
        inside = "" if real == self._root else real.relative_to(self._root).as_posix()
        asked = os.path.normpath(place) if place else ""
        linked = frozenset({inside}) if inside != asked else frozenset()
        if stat.S_ISDIR(mode):
            return Found("directory", f"directory-{self._digest}-{inside}", inside, linked)
        if stat.S_ISREG(mode):
            return Found("file", self._keep(real), inside, linked)
        return None

    def _refuse_mistake(self, place: str, error: OSError) -> None:
        """That nothing is found there is nobody's mistake, unless a link leads there or the system forbids it."""
        if error.errno == errno.ELOOP:
            raise StalledError(f"the link {place} leads in a ring") from error
        if error.errno not in _NOT_THERE:
            raise StalledError(f"{place or '.'} cannot be read: {error.strerror}") from error
        path = self._root / place
        if os.path.islink(path):  # noqa: PTH114 -- of a name that is too long too
            leads = os.path.relpath(os.path.realpath(path), self._root)
            raise StalledError(f"the link {place} leads to {leads}, which is not there") from error

    def _files(self, place: str) -> list[TreeFile]:
        found: list[TreeFile] = []
        pending = [place]
        while pending:
            directory = pending.pop()
            if directory.count("/") > DEPTH_MAX or len(found) > FILES_MAX:
                raise StalledError(f"{place or '.'} has too many files or directories within each other")
            top = self._find(directory)
            if top is None or top.kind != "directory":
                continue
            for name in sorted(os.listdir(self._root / directory)):  # noqa: PTH208 -- names are wanted
                here = f"{directory}/{name}" if directory else name
                if name in _PASSED_OVER or (end := self._find(here)) is None:
                    continue
                if end.kind == "directory":
                    pending.append(here)
                else:
                    found.append(TreeFile(here, end.id, os.access(self._root / here, os.X_OK), end.linked))
        return sorted(found, key=lambda file: file.place)

    def _names(self, place: str, recurse: bool) -> list[tuple[str, bool]]:
        found: list[tuple[str, bool]] = []
        pending = [place]
        while pending:
            directory = pending.pop()
            try:
                entries = list(os.scandir(self._root / directory))
            except OSError as error:
                raise StalledError(f"{directory or '.'} cannot be read: {error.strerror}") from error
            for entry in entries:
                here = f"{directory}/{entry.name}" if directory else entry.name
                if entry.name in _PASSED_OVER:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    pending += [here] if recurse else []
                elif entry.is_symlink() or entry.is_file():
                    found.append((here, entry.is_symlink()))
            if len(found) + len(pending) > FILES_MAX:
                raise StalledError(f"the directory {place or '.'} has more than {FILES_MAX} files")
        return sorted(found)

    def _keep(self, path: Path) -> str:
        with path.open("rb") as file:
            content = file.read(self._file_bytes_max + 1)
        if len(content) > self._file_bytes_max:
            raise StalledError(
                f"{path.relative_to(self._root)} has more than {self._file_bytes_max} bytes, the most that are read"
            )
        digest = hashlib.sha256(content).hexdigest()
        self._contents[digest] = content
        return digest
