"""How a child comes to die with the process that started it, even when that one is killed: Linux' PR_SET_PDEATHSIG.

The kernel has to be asked from within the child. util-linux' setpriv does so and then becomes the program. With
no code of our own between fork and exec, Python starts children by vfork, which copies nothing of a large process:
that costs a sixth. Where there is no setpriv, the child asks before it becomes the program.

A parent that is killed within the millisecond before setpriv has asked leaves its child behind.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

_Argument = str | bytes | os.PathLike[str]

_PR_SET_PDEATHSIG = 1
_OPTION = "pdeathsig"
# Loaded here because the child, between fork and exec, must not load anything.
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def with_death_signal(
    argv: Sequence[_Argument], env: Mapping[str, str]
) -> tuple[Sequence[_Argument], Callable[[], None] | None]:
    """The command to start, and what the child has to do first. FileNotFoundError where there is no such program."""
    words = launcher()
    if not words:
        return argv, _asking(os.getpid())
    # The launcher would not tell a program that is missing from one that failed.
    program = shutil.which(os.fsdecode(argv[0]), path=env.get("PATH", os.defpath))
    if program is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    return (*words, program, *argv[1:]), None


@cache
def launcher() -> tuple[str, ...]:
    """The words before a command that ask for the signal; none where no program on this machine does."""
    setpriv = shutil.which("setpriv", path=os.defpath) if sys.platform == "linux" else None
    if setpriv is None:
        return ()
    try:
        # One that is not util-linux' may not know the option.
        knows = _OPTION.encode() in Path(setpriv).read_bytes()
    except OSError:
        return ()
    return (setpriv, f"--{_OPTION}", "KILL", "--") if knows else ()


def _asking(parent: int) -> Callable[[], None] | None:
    libc = _libc
    if libc is None:
        return None

    def prepare() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        # The parent may have died before the line above took effect.
        if os.getppid() != parent:
            os._exit(127)

    return prepare
