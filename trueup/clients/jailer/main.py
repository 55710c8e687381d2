"""The jailer's own loop: for each run that is asked for, a keeper.

Standard input is a socket. The first frame on it says what this machine can do; from then on each byte that comes
brings the descriptors of one run: its stream, and its standard input, output and error output.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable

from trueup.clients.jailer import keeper, kernel, landlock, mounts, namespaces, seccomp, wire
from trueup.clients.jailer.wire import Layers

_DESCRIPTORS = 4


def main() -> None:
    """Serve until the one that started this is gone. The words of the command line name layers to leave out."""
    asked = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    layers = found(set(sys.argv[1:]))
    if layers.namespaces:
        namespaces.enter_shared()
    if layers.seccomp:
        seccomp.make_ready()
    # What is never collected is not written to either, and stays shared with each keeper.
    gc.collect()
    gc.disable()
    gc.freeze()
    # Keepers are not waited for: each reports by itself.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    asked.sendall(wire.pack(layers))
    while True:
        data, descriptors, _, _ = socket.recv_fds(asked, 1, _DESCRIPTORS, getattr(socket, "MSG_CMSG_CLOEXEC", 0))
        if not data:
            return
        _fork(asked, descriptors, layers)


def found(without: set[str]) -> Layers:
    """The layers of this machine, each tried in a process that ends thereafter."""
    abi = 0 if "landlock" in without else landlock.abi()
    has_namespaces = "namespaces" not in without and _works(_try_namespaces)
    return Layers(
        landlock=abi if abi and _works(lambda: landlock.restrict(abi, {}), no_new_privs=True) else 0,
        namespaces=has_namespaces,
        mounts=not abi and has_namespaces and _works(_try_mounts),
        seccomp="seccomp" not in without and seccomp.is_known_here() and _works(_try_seccomp, no_new_privs=True),
    )


def _fork(asked: socket.socket, descriptors: list[int], layers: Layers) -> None:
    pid = -1
    # Where there are no more processes, the end of the run's stream says so.
    with contextlib.suppress(OSError):
        pid = os.fork()
    if pid == 0:
        try:
            asked.close()
            with socket.socket(fileno=descriptors[0]) as stream:
                keeper.keep(stream, descriptors[1:], layers)
        except EOFError:
            # Whoever asked has thought better of it.
            pass
        finally:
            os._exit(0)
    for descriptor in descriptors:
        os.close(descriptor)


def _works(attempt: Callable[[], None], *, no_new_privs: bool = False) -> bool:
    pid = os.fork()
    if pid == 0:
        try:
            if no_new_privs:
                kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
            attempt()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _try_namespaces() -> None:
    namespaces.enter_shared()
    namespaces.enter_own()
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def _try_mounts() -> None:
    namespaces.enter_shared()
    namespaces.enter_own()
    mounts.arrange(readable=["/dev"], devices=[os.devnull], writable=[])


def _try_seccomp() -> None:
    seccomp.restrict(seccomp.Filter(may_fork=False, may_signal=False), os.getpid())
