"""What a run uses, read from outside of it: processes, memory and processor time from /proc, files from where they are.

Limits of the kernel hold for one process or one file; these hold for a run. What is gone while it is looked at counts
for nothing.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from trueup.clients.jailer import wire
from trueup.clients.jailer.wire import Bounds

#: Threads of each process that may be there; Go starts a few more than there are processors.
THREADS_PER_PROCESS_MAX = 256

_BLOCK_BYTES = 512
# For a name in a directory, and for what a file system keeps of a file however short.
_ENTRY_BYTES = 4096
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_DELETED = " (deleted)"
# How shared memory is shown. It is counted as memory.
_SHARED_MEMORY = "/dev/zero (deleted)"
# Address, rights, offset, device and inode stand before the name.
_MAPS_FIELDS = 5


class Used(NamedTuple):
    """What some processes use at this moment; processor time is all they ever had."""

    processes: int
    threads: int
    memory_bytes: int
    cpu_seconds: float


class Stored(NamedTuple):
    """What files take up: all of them, and the length of the longest."""

    disk_bytes: int
    longest_bytes: int


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, that these have started, and so on."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        children = _children(waiting.pop())
        found += children
        waiting += children
    return found


def used(pids: Iterable[int]) -> Used:
    """What these processes use together. Pages that two of them share count twice."""
    processes = threads = memory = 0
    seconds = 0.0
    for pid in pids:
        text = _text(f"/proc/{pid}/stat")
        if not text:
            continue
        # The second field is a name in parentheses, and may hold anything. The third is the first one here.
        fields = text[text.rindex(b")") + 2 :].split()
        processes += 1
        seconds += (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND
        threads += int(fields[17])
        memory += int(fields[21]) * _PAGE_BYTES
    return Used(processes, threads, memory, seconds)


def stored(directories: Iterable[str], *, enough_bytes: int) -> Stored:
    """What lies beneath these directories. No longer looked for once it is more than `enough_bytes`.

    A directory that cannot be looked into, such as one too deep for a path, hides what it holds: it counts as more.
    """
    disk = longest = 0
    try:
        for directory in directories:
            for found in _entries(directory):
                disk += found.st_blocks * _BLOCK_BYTES + _ENTRY_BYTES
                longest = max(longest, found.st_size if stat.S_ISREG(found.st_mode) else 0)
                if disk > enough_bytes:
                    return Stored(disk, longest)
    except OSError:
        return Stored(enough_bytes + 1, longest)
    return Stored(disk, longest)


def deleted(pids: Iterable[int]) -> int:
    """Bytes of files that these processes have deleted and still keep."""
    kept: dict[tuple[int, int], int] = {}
    mapped = 0
    for pid in pids:
        for number in _names(f"/proc/{pid}/fd"):
            try:
                found = os.stat(f"/proc/{pid}/fd/{number}")  # noqa: PTH116 -- pathlib would double this process
            except OSError:
                continue
            if found.st_nlink == 0 and stat.S_ISREG(found.st_mode):
                kept[found.st_dev, found.st_ino] = found.st_blocks * _BLOCK_BYTES
        mapped += sum(deleted_mappings(_text(f"/proc/{pid}/maps").decode(errors="replace")))
    return sum(kept.values()) + mapped


def deleted_mappings(maps: str) -> Iterator[int]:
    """Bytes of each mapping of a deleted file, out of /proc/PID/maps."""
    for line in maps.splitlines():
        fields = line.split(maxsplit=_MAPS_FIELDS)
        name = fields[_MAPS_FIELDS] if len(fields) > _MAPS_FIELDS else ""
        if name.endswith(_DELETED) and name != _SHARED_MEMORY:
            start, _, end = fields[0].partition("-")
            yield int(end, 16) - int(start, 16)


def over(bounds: Bounds, now: Used) -> str:
    """The bound that is crossed, as a report has it; empty for none."""
    if now.processes > bounds.processes_max or now.threads > bounds.processes_max * THREADS_PER_PROCESS_MAX:
        return wire.BY_PROCESSES
    if now.memory_bytes > bounds.memory_bytes_max:
        return wire.BY_MEMORY
    return wire.BY_CPU if now.cpu_seconds >= bounds.cpu_seconds_max else wire.BY_ITSELF


def _entries(directory: str) -> Iterator[os.stat_result]:
    """Everything beneath a directory, directories too."""
    waiting = [directory]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except (FileNotFoundError, NotADirectoryError):
            continue
        for entry in entries:
            try:
                found = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISDIR(found.st_mode):
                waiting.append(entry.path)
            yield found


def _children(pid: int) -> list[int]:
    return [
        int(child)
        for thread in _names(f"/proc/{pid}/task")
        for child in _text(f"/proc/{pid}/task/{thread}/children").split()
    ]


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)  # noqa: PTH208 -- pathlib would double this process
    except OSError:
        return []


def _text(path: str) -> bytes:
    try:
        opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        chunks = []
        while chunk := os.read(opened, 1024 * 1024):
            chunks.append(chunk)
        return b"".join(chunks)
    except OSError:
        return b""
    finally:
        os.close(opened)
