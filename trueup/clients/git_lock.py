"""A lock between processes on one disk, which the kernel lets go of when its holder dies."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from trueup.domain.errors import TransientError

RETRY_SECONDS_MIN = 0.005
RETRY_SECONDS_MAX = 0.1


@asynccontextmanager
async def file_lock(path: Path, *, seconds_max: float) -> AsyncIterator[None]:
    """Hold the lock on this file. Raises TransientError when another holds it for longer than `seconds_max`.

    flock(2) cannot be awaited, so a taken lock is tried again, ever less often; one that is free is
    taken at once.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            async with asyncio.timeout(seconds_max):
                await _acquire(descriptor)
        except TimeoutError as e:
            raise TransientError(f"another process has held {path.name} for {seconds_max:g} s") from e
        yield
    finally:
        os.close(descriptor)


def try_file_lock(path: Path) -> int | None:
    """The descriptor that holds the lock, to be closed; None where another holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


async def _acquire(descriptor: int) -> None:
    pause = RETRY_SECONDS_MIN
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await asyncio.sleep(pause)
            pause = min(2 * pause, RETRY_SECONDS_MAX)
        else:
            return
