"""Keeps one run: starts the program, watches over what it uses, ends everything of it, and reports.

A process of its own for each run, forked from the jailer. It goes on when the jailer is gone, and ends the run when
the one that asked is: its end of the socket is closed then, however it died.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from typing import NamedTuple

from trueup.clients.jailer import confine, kernel, namespaces, watch, wire
from trueup.clients.jailer.wire import Layers, Report, Request

# How often it is looked at what a run uses. A look that takes long is followed by a pause that is longer.
LOOK_SECONDS = 0.05
LOOK_SHARE_MAX = 0.2
# Where the kernel does not tell of the end of a process.
_ASK_SECONDS = 0.005
_STATUS_BYTES_MAX = 4096


class _Program(NamedTuple):
    pid: int
    #: Readable once the program has ended; None where the kernel has no such thing.
    ended: int | None
    started: float


class _Look(NamedTuple):
    """What was found last, and when to look again."""

    bound: str
    due: float


def keep(stream: socket.socket, standard: list[int], layers: Layers) -> None:
    """Run what the stream asks for, with `standard` as its input, output and error output, and report."""
    # The jailer's group is killed when it ends.
    os.setsid()
    request = wire.request(wire.receive(stream))
    try:
        program = _start(request, standard, layers)
    except OSError as error:
        report = Report(problem=error.strerror or str(error))
    else:
        for descriptor in standard:
            os.close(descriptor)
        bound = _watched(stream, program, request)
        report = _end(program, request, layers, bound)
    with contextlib.suppress(OSError):
        stream.sendall(wire.pack(report))


def _start(request: Request, standard: list[int], layers: Layers) -> _Program:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if layers.namespaces:
        namespaces.enter_own()
    else:
        with contextlib.suppress(OSError):
            kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    read, write = os.pipe()
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _become(request, standard, layers, write)
    os.close(write)
    # At its end once the program runs: the descriptor is closed by that.
    status = os.read(read, _STATUS_BYTES_MAX)
    os.close(read)
    if status:
        os.waitpid(pid, 0)
        raise OSError(0, status.decode(errors="replace"))
    try:
        ended = os.pidfd_open(pid)
    except (AttributeError, OSError):
        ended = None
    return _Program(pid, ended, started)


def _become(request: Request, standard: list[int], layers: Layers, status: int) -> None:
    """Turn this process into the program, or write why not."""
    try:
        os.setsid()
        with contextlib.suppress(OSError):
            kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        for target, descriptor in enumerate(standard):
            os.dup2(descriptor, target)
        confine.confine(request, layers)
        os.closerange(len(standard), status)
        os.closerange(status + 1, os.sysconf("SC_OPEN_MAX"))
        os.execve(request.program, request.argv, request.env)  # noqa: S606 -- no shell is wanted
    except BaseException as error:  # noqa: BLE001 -- nothing may pass the end of this process
        what = error.strerror if isinstance(error, OSError) else repr(error)
        os.write(status, (what or "it could not be confined").encode()[:_STATUS_BYTES_MAX])
    finally:
        os._exit(127)


def _watched(stream: socket.socket, program: _Program, request: Request) -> str:
    """Wait for the end of the program, or for a reason to end it."""
    poll = select.poll()
    poll.register(stream, select.POLLIN)
    if program.ended is not None:
        poll.register(program.ended, select.POLLIN)
    deadline = program.started + request.bounds.seconds_max
    due = program.started + LOOK_SECONDS
    while True:
        now = time.monotonic()
        wait = max(0.0, min(due, deadline) - now)
        if program.ended is None:
            wait = min(wait, _ASK_SECONDS)
        ready = {descriptor for descriptor, _ in poll.poll(wait * 1000)}
        if _has_ended(program.pid):
            return wire.BY_ITSELF
        if stream.fileno() in ready:
            return wire.BY_NOBODY_WAITING
        now = time.monotonic()
        if now >= deadline:
            return wire.BY_CLOCK
        if now >= due:
            look = _look(program.pid, request)
            if look.bound:
                return look.bound
            due = look.due


def _has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _look(pid: int, request: Request) -> _Look:
    before = time.monotonic()
    bounds = request.bounds
    pids = [pid] if bounds.processes_max == 1 else watch.descendants(os.getpid())
    bound = watch.over(bounds, watch.used(pids))
    if not bound:
        kept = watch.deleted(pids)
        stored = watch.stored(request.writable, enough_bytes=bounds.disk_bytes_max)
        bound = wire.BY_DISK if stored.disk_bytes + kept > bounds.disk_bytes_max else wire.BY_ITSELF
    after = time.monotonic()
    return _Look(bound, after + max(LOOK_SECONDS, (after - before) / LOOK_SHARE_MAX))


def _end(program: _Program, request: Request, layers: Layers, bound: str) -> Report:
    """End all that is left of a run, and say how it ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(program.pid, signal.SIGKILL)
    _, status, usage = os.wait4(program.pid, 0)
    seconds = time.monotonic() - program.started
    if not layers.namespaces:
        _end_descendants()
    returncode = os.waitstatus_to_exitcode(status)
    if not bound:
        bound = _crossed(request, returncode, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)
    return Report(ended=bound, returncode=returncode, seconds=seconds)


def _crossed(request: Request, returncode: int, cpu_seconds: float, memory_bytes: int) -> str:
    """The bound that a program has crossed between the last look and its end."""
    bounds = request.bounds
    if returncode == -signal.SIGKILL and cpu_seconds >= bounds.cpu_seconds_max:
        return wire.BY_CPU
    if memory_bytes > bounds.memory_bytes_max:
        return wire.BY_MEMORY
    stored = watch.stored(request.writable, enough_bytes=bounds.disk_bytes_max)
    if stored.disk_bytes > bounds.disk_bytes_max:
        return wire.BY_DISK
    if returncode == -signal.SIGXFSZ or (returncode and stored.longest_bytes >= bounds.file_bytes_max):
        return wire.BY_FILE
    return wire.BY_ITSELF


def _end_descendants() -> None:
    """Kill and collect what the program has left behind, which is ours since its parent is gone."""
    while True:
        for pid in watch.descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return
