"""Namespaces: a network without a way out, and numbers of processes that reach nobody else.

The network is one for all runs, made once, since making one takes longer than the rest of a run's preparation. The
numbers of processes are each run's own: with its first process everything that it has started ends.
"""

from __future__ import annotations

import os

from trueup.clients.jailer import kernel

_SHARED = kernel.CLONE_NEWUSER | kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC
_OWN = kernel.CLONE_NEWUSER | kernel.CLONE_NEWPID


def enter_shared() -> None:
    """Leave the network, for this process and whatever it starts. OSError where the machine forbids it."""
    _unshare(_SHARED)


def enter_own() -> None:
    """The next process that this one starts is the first of its numbers."""
    _unshare(_OWN)


def _unshare(flags: int) -> None:
    user, group = os.geteuid(), os.getegid()
    kernel.call("unshare", flags)
    # The same user within as without, since files must stay its own. No other exists there.
    for name, content in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        opened = os.open(f"/proc/self/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(opened, content.encode())
        finally:
            os.close(opened)
