"""A file system with what a run may see and nothing else, out of a mount namespace: where there is no Landlock."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable

from trueup.clients.jailer import kernel

_MS_NOSUID = 2
_MS_NODEV = 4
_MS_NOEXEC = 8
_MS_BIND = 0x1000
_MS_REC = 0x4000
_MS_PRIVATE = 0x40000
_MNT_DETACH = 2
# A number that every architecture shares, and what belongs to it.
_MOUNT_SETATTR = 442
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_ATTR_RDONLY = 1
_ATTR_NOSUID = 2
_ATTR_NODEV = 4
_ATTR_NOEXEC = 8

# A directory that every machine has and no run needs: the new root is built there.
_ROOT = "/proc"


def arrange(*, readable: Iterable[str], devices: Iterable[str], writable: Iterable[str]) -> None:
    """Make these paths all there is for this process and what it starts."""
    kernel.call("unshare", kernel.CLONE_NEWNS)
    kernel.call("mount", b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
    kernel.call("mount", b"tmpfs", _ROOT.encode(), b"tmpfs", _MS_NOSUID | _MS_NODEV, b"mode=0755,size=1m")
    # A path may lie within another, which then has to be there first, and must not hide it.
    for path in sorted(readable):
        _show(path, _ATTR_RDONLY | _ATTR_NOSUID | _ATTR_NODEV)
    for path in devices:
        _show(path, _ATTR_NOSUID | _ATTR_NOEXEC)
    for path in sorted(writable):
        _show(path, _ATTR_NOSUID | _ATTR_NODEV | _ATTR_NOEXEC)
    os.chdir(_ROOT)
    _restrict(".", _ATTR_RDONLY, recursive=False)
    kernel.call("pivot_root", b".", b".")
    kernel.call("umount2", b".", _MNT_DETACH)
    os.chdir("/")


def _show(path: str, attributes: int) -> None:
    target = _ROOT + path
    if not os.path.lexists(target):
        _make(path, target)
    kernel.call("mount", os.fsencode(path), os.fsencode(target), None, _MS_BIND | _MS_REC, None)
    _restrict(target, attributes, recursive=True)


def _make(path: str, target: str) -> None:
    if os.path.isdir(path):  # noqa: PTH112 -- pathlib would double what this process holds in memory
        os.makedirs(target, exist_ok=True)  # noqa: PTH103
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
    os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o444))


def _restrict(path: str, attributes: int, *, recursive: bool) -> None:
    wanted = ctypes.create_string_buffer(struct.pack("=QQQQ", attributes, 0, 0, 0), 32)
    flags = _AT_RECURSIVE if recursive else 0
    kernel.call("syscall", _MOUNT_SETATTR, _AT_FDCWD, os.fsencode(path), flags, wanted, len(wanted))
