"""A filter of system calls (seccomp, `man 2 seccomp`): needs no privilege, and holds for all that a program starts.

It forbids what a renderer never does, rather than allowing what it does: a new version of a tool, or of Go, must not
fail for a call that harms nobody.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from trueup.clients.jailer import kernel, syscall_table
from trueup.clients.jailer.syscall_table import Numbers

# From linux/audit.h, with the column of the table.
_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
# x86_64 knows each call a second time, by numbers from here on.
_X32_NUMBERS = 0x40000000

_LOAD = 0x20
_JUMP_EQUAL = 0x15
_JUMP_AT_LEAST = 0x35
_JUMP_ANY_BIT = 0x45
_RETURN = 0x06
_ALLOW = 0x7FFF0000
_KILL = 0x80000000
_FAIL = 0x00050000
_MODE_FILTER = 2

# Where `struct seccomp_data` has them; of an argument the lower half, on a little-endian machine.
_NUMBER = 0
_ARCHITECTURE = 4
_FIRST_ARGUMENT = 16

_CLONE_THREAD = 0x00010000
_CLONE_NAMESPACES = 0x7E020000

_INSTRUCTION = struct.Struct("=HBBI")


class Filter(NamedTuple):
    """What a run may do beyond what none may."""

    #: Whether it may start further processes; threads are always allowed.
    may_fork: bool
    #: Whether it may signal others than itself; for a run whose signals reach nobody outside anyway.
    may_signal: bool


def is_known_here() -> bool:
    """Whether the numbers of this machine's calls are known."""
    return os.uname().machine in _ARCHITECTURES


def restrict(wanted: Filter, pid: int) -> None:
    """Put this process, which has the number `pid`, under the filter. `no_new_privs` has to be set already."""
    code = program(os.uname().machine, wanted, pid)
    instructions = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: a count, padded to where a pointer may stand.
    head = struct.pack("@HP", len(code) // _INSTRUCTION.size, ctypes.addressof(instructions))
    kernel.prctl(kernel.PR_SET_SECCOMP, _MODE_FILTER, ctypes.create_string_buffer(head, len(head)))


def make_ready() -> None:
    """Make the filters for the first process of its numbers, so that no run has to."""
    for may_fork in (False, True):
        program(os.uname().machine, Filter(may_fork, may_signal=may_fork), 1)


@lru_cache(maxsize=4)
def program(machine: str, wanted: Filter, pid: int) -> bytes:
    """The filter in the kernel's code (classic BPF)."""
    architecture, column = _ARCHITECTURES[machine]
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_AT_LEAST, 0, 1, _X32_NUMBERS),
        (_RETURN, 0, 0, _FAIL | errno.ENOSYS),
    ]
    steps += _fail(_column(syscall_table.UNKNOWN, column), errno.ENOSYS)
    steps += _fail(_column(syscall_table.FORBIDDEN, column), errno.EPERM)
    for number in _column(syscall_table.OF_A_PROCESS, column):
        steps += _only_about(number, (0,))
    if not wanted.may_signal:
        for number in _column(syscall_table.SIGNALS, column):
            steps += _only_about(number, (0, pid))
    if not wanted.may_fork:
        steps += _fail(_column(syscall_table.FORKS, column), errno.EPERM)
    steps += _clone(syscall_table.CLONE[column], may_fork=wanted.may_fork)
    steps.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(_INSTRUCTION.pack(*step) for step in steps)


_Steps = list[tuple[int, int, int, int]]


def _column(calls: Mapping[str, Numbers], column: int) -> list[int]:
    return [number for numbers in calls.values() if (number := numbers[column]) is not None]


def _fail(numbers: Iterable[int], error: int) -> _Steps:
    return [step for number in numbers for step in ((_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, _FAIL | error))]


def _only_about(number: int, pids: tuple[int, ...]) -> _Steps:
    """Let a call pass when its first argument is one of these."""
    matches: _Steps = [(_JUMP_EQUAL, len(pids) - place, 0, pid) for place, pid in enumerate(pids)]
    return [
        (_JUMP_EQUAL, 0, len(pids) + 3, number),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        *matches,
        (_RETURN, 0, 0, _FAIL | errno.EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]


def _clone(number: int, *, may_fork: bool) -> _Steps:
    jump = (_JUMP_ANY_BIT, 1, 0, _CLONE_NAMESPACES) if may_fork else (_JUMP_ANY_BIT, 0, 1, _CLONE_THREAD)
    return [
        (_JUMP_EQUAL, 0, 4, number),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        jump,
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _FAIL | errno.EPERM),
    ]
