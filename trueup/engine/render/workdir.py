"""Files of a tree written out where a tool can read them: a private directory that goes with its render.

There is never a link in it: what a link stands for is written in its place, so nothing leads out.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from trueup.domain.errors import StalledError
from trueup.engine.tree import Tree, TreeFile

_LOCKED = ".lock"


@asynccontextmanager
async def workplace(parent: Path) -> AsyncIterator[Path]:
    """A directory for the renders of this process alone, and for as long as it lives.

    What processes that were killed have left beside it is removed: a directory whose lock nobody holds.
    """
    directory, lock = await asyncio.to_thread(_move_in, parent)
    try:
        yield directory
    finally:
        await asyncio.shield(asyncio.to_thread(_move_out, directory, lock))


@asynccontextmanager
async def private_directory(parent: Path) -> AsyncIterator[Path]:
    """A directory with a name that nobody can guess, and what is in it, for as long as the context lasts."""
    directory = parent / f"render-{secrets.token_hex(8)}"
    making = asyncio.ensure_future(asyncio.to_thread(_make, directory))
    try:
        await asyncio.shield(making)
        yield directory
    finally:
        await asyncio.shield(_gone(making, directory))


async def _gone(making: asyncio.Future[None], directory: Path) -> None:
    # A thread cannot be cancelled: what it is about to make has to be there before it can go.
    await asyncio.wait([making])
    await asyncio.to_thread(_remove, directory)


async def write_out(tree: Tree, files: Iterable[TreeFile], target: Path, *, bytes_max: int) -> None:
    """Write the files below `target`, at the places they have from the tree's root.

    Raises StalledError where they are larger than `bytes_max` together.
    """
    wanted = list(files)
    contents = await tree.read({file.id for file in wanted})
    if sum(len(contents[file.id]) for file in wanted) > bytes_max:
        raise StalledError(f"the files that the render needs are larger than {bytes_max} bytes together")
    await asyncio.to_thread(_write, [(file, contents[file.id]) for file in wanted], target)


def _write(files: Iterable[tuple[TreeFile, bytes]], target: Path) -> None:
    made: set[str] = set()
    for file, content in files:
        path = os.path.join(os.fsencode(target), os.fsencode(file.place))  # noqa: PTH118 -- names may be no UTF-8
        directory = os.path.dirname(file.place)  # noqa: PTH120
        if directory not in made:
            os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
            made.add(directory)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)


def _move_in(parent: Path) -> tuple[Path, int]:
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in parent.glob(f"*{_LOCKED}"):
        with contextlib.suppress(OSError):
            lock = os.open(left, os.O_RDWR)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _move_out(left.with_suffix(""), lock)
            except BlockingIOError:
                os.close(lock)
    name = secrets.token_hex(8)
    # Locked before it has the name under which others look for it.
    fresh = parent / name
    lock = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    fresh.rename(parent / f"{name}{_LOCKED}")
    directory = parent / name
    directory.mkdir(mode=0o700)
    return directory, lock


def _move_out(directory: Path, lock: int) -> None:
    _remove(directory)
    directory.with_suffix(_LOCKED).unlink(missing_ok=True)
    os.close(lock)


def _make(directory: Path) -> None:
    directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.mkdir(mode=0o700)


def _remove(directory: Path) -> None:
    """All of it, whatever rights a tool has left there."""
    shutil.rmtree(directory, ignore_errors=True)
    if directory.exists():
        for folder, _, _ in os.walk(directory):
            os.chmod(folder, 0o700)  # noqa: PTH101 -- os.walk gives texts
        shutil.rmtree(directory, ignore_errors=True)
