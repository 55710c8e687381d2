"""What a process gives up before it becomes the program. Runs between fork and exec; an OSError ends the run."""

from __future__ import annotations

import os
import resource
import signal

from trueup.clients.jailer import kernel, landlock, mounts, seccomp
from trueup.clients.jailer.watch import THREADS_PER_PROCESS_MAX
from trueup.clients.jailer.wire import Bounds, Layers, Request

#: What a Go program maps and never touches, beyond the memory that it may use.
DATA_BYTES_UNTOUCHED = 256 * 1024 * 1024

_CPU_SHARE_MAX = 2
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")
# Where memory runs out, the kernel ends this before the worker.
_ENDED_FIRST = b"1000"


def confine(request: Request, layers: Layers) -> None:
    """Everything but the files that are open already."""
    os.umask(0o077)
    _give_way_to_others()
    programs = [request.program, *request.loader]
    devices = [path for path in _DEVICES if os.path.exists(path)]  # noqa: PTH110 -- pathlib would double this process
    if layers.mounts:
        mounts.arrange(readable=[*request.readable, *programs], devices=devices, writable=request.writable)
    os.chdir(request.cwd)
    _limit(request.bounds, is_counted_alone=layers.namespaces)
    kernel.give_up_privileges()
    if layers.landlock:
        rules = dict.fromkeys(request.readable, landlock.LOOKED_UP)
        rules |= dict.fromkeys(programs, landlock.RUN) | dict.fromkeys(devices, landlock.DEVICE)
        landlock.restrict(layers.landlock, rules | dict.fromkeys(request.writable, landlock.WRITTEN))
    if layers.seccomp:
        may_fork = request.bounds.processes_max > 1
        is_kept_apart = layers.namespaces or landlock.scopes_signals(layers.landlock)
        seccomp.restrict(seccomp.Filter(may_fork, may_signal=may_fork and is_kept_apart), os.getpid())


def _give_way_to_others() -> None:
    try:
        opened = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        # A matter of who suffers first; no limit depends on it.
        return
    os.write(opened, _ENDED_FIRST)
    os.close(opened)


def _limit(bounds: Bounds, *, is_counted_alone: bool) -> None:
    # For a keeper that does not come to look. The kernel counts by whole ticks here, on a busy machine far too many.
    _set(resource.RLIMIT_CPU, _CPU_SHARE_MAX * bounds.cpu_seconds_max)
    _set(resource.RLIMIT_DATA, bounds.memory_bytes_max + DATA_BYTES_UNTOUCHED)
    _set(resource.RLIMIT_FSIZE, bounds.file_bytes_max)
    _set(resource.RLIMIT_NOFILE, bounds.files_open_max)
    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_MEMLOCK, 0)
    _set(resource.RLIMIT_MSGQUEUE, 0)
    if is_counted_alone:
        # Elsewhere it counts what the same user runs anywhere on the machine, other containers included.
        _set(resource.RLIMIT_NPROC, bounds.processes_max * THREADS_PER_PROCESS_MAX)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        # Python ignores these, and what is ignored stays so in the program.
        signal.signal(number, signal.SIG_DFL)


def _set(limit: int, value: int) -> None:
    hard = resource.getrlimit(limit)[1]
    allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (allowed, allowed))
