"""What the kernel says that processes cost."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class _Stat:
    parent: int
    #: The process' own time and that of every child it has reaped.
    cpu_seconds: float


def _stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in parentheses may hold anything; see proc_pid_stat(5) for the fields after it.
    fields = text.rpartition(")")[2].split()
    return _Stat(int(fields[1]), sum(map(int, fields[11:15])) / _TICKS_PER_SECOND)


def tree(roots: Iterable[int]) -> list[int]:
    """These processes and all that descend from them, parents first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))) is not None:
            children.setdefault(stat.parent, []).append(int(entry.name))
    found = list(roots)
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def cpu_seconds(roots: Iterable[int]) -> float:
    """User and system time of the processes, of their descendants, and of the children these have reaped.

    In steps of a clock tick (10 ms as a rule): sums over many events hold, single ones do not.
    """
    return sum(stat.cpu_seconds for pid in tree(roots) if (stat := _stat(pid)) is not None)


def pss_bytes(roots: Iterable[int]) -> int:
    """The proportional set size of the processes and their descendants: shared pages are counted once."""
    total = 0
    for pid in tree(roots):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name, _, value = line.partition(":")
                if name == "Pss":
                    total += int(value.split()[0]) * 1024
    return total


@contextlib.contextmanager
def paused(roots: Sequence[int]) -> Iterator[None]:
    """They and their descendants stand still while the block runs (SIGSTOP, SIGCONT)."""
    _signal(roots, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal(roots, signal.SIGCONT)


def _signal(roots: Iterable[int], number: signal.Signals) -> None:
    for pid in tree(roots):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
