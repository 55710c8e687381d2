"""Landlock: the kernel's own way for a process to give up files, connections and signals (`man 7 landlock`).

It needs no privilege and cannot be undone. What it knows grows with its ABI number; what a kernel does not know yet
is left out.
"""

from __future__ import annotations

import ctypes
import os
import struct

from trueup.clients.jailer import kernel

# Numbers that every architecture shares.
_CREATE_RULESET = 444
_ADD_RULE = 445
_RESTRICT_SELF = 446
_RULE_PATH_BENEATH = 1
_VERSION = 1

_EXECUTE = 1 << 0
_WRITE_FILE = 1 << 1
_READ_FILE = 1 << 2
_READ_DIR = 1 << 3
_REMOVE_DIR = 1 << 4
_REMOVE_FILE = 1 << 5
_MAKE_DIR = 1 << 7
_MAKE_REG = 1 << 8
_REFER = 1 << 13
_TRUNCATE = 1 << 14

_RIGHTS_BY_ABI = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_CONNECTIONS_ABI = 4
_SCOPES_ABI = 6
# TCP bind and connect; abstract sockets and signals.
_CONNECTIONS = 0b11
_SCOPES = 0b11

LOOKED_UP = _READ_FILE | _READ_DIR
RUN = _EXECUTE | _READ_FILE
DEVICE = _READ_FILE | _WRITE_FILE
# No links, sockets, pipes or devices: whoever reads there afterwards meets files and directories alone.
WRITTEN = LOOKED_UP | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _REFER | _TRUNCATE
_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE


def abi() -> int:
    """What this kernel knows; 0 where it knows nothing of Landlock, or has it off."""
    try:
        return kernel.call("syscall", _CREATE_RULESET, None, 0, _VERSION)
    except OSError:
        return 0


def scopes_signals(version: int) -> bool:
    """Whether nobody outside can be signalled."""
    return version >= _SCOPES_ABI


def restrict(version: int, rules: dict[str, int]) -> None:
    """Leave this process, and what it starts, the named rights beneath each path, and no others anywhere.

    `no_new_privs` has to be set already. A path that does not exist is an error.
    """
    handled = (1 << _RIGHTS_BY_ABI.get(version, _RIGHTS_BY_ABI[max(_RIGHTS_BY_ABI)])) - 1
    connections = _CONNECTIONS if version >= _CONNECTIONS_ABI else 0
    scopes = _SCOPES if version >= _SCOPES_ABI else 0
    # An older kernel takes a longer structure as long as what it does not know is zero.
    attributes = ctypes.create_string_buffer(struct.pack("=QQQ", handled, connections, scopes), 24)
    ruleset = kernel.call("syscall", _CREATE_RULESET, attributes, len(attributes), 0)
    for path, rights in rules.items():
        _allow(ruleset, path, rights & handled)
    kernel.call("syscall", _RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    if not os.path.isdir(path):  # noqa: PTH112 -- pathlib would double what this process holds in memory
        rights &= _OF_A_FILE
    rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, beneath), 12)
    kernel.call("syscall", _ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0)
    os.close(beneath)
