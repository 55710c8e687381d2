"""Hostile programs, and jails of more and of less."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from trueup.clients.jail import Jail
from trueup.clients.jail_errors import JailBounds
from trueup.clients.process import Completed

MEBIBYTE = 1024 * 1024
BOUNDS = JailBounds(
    seconds_max=60.0,
    cpu_seconds_max=30,
    memory_bytes_max=256 * MEBIBYTE,
    output_bytes_max=MEBIBYTE,
    file_bytes_max=16 * MEBIBYTE,
    disk_bytes_max=32 * MEBIBYTE,
    files_open_max=64,
    processes_max=1,
)
#: What is left out, by what a machine is called that lacks it.
WHOLE: tuple[str, ...] = ()
#: As in most containers.
NO_NAMESPACES = ("namespaces",)
#: As on an older kernel.
NO_LANDLOCK = ("landlock",)
NO_SECCOMP = ("seccomp",)
BARE = ("landlock", "namespaces", "seccomp")

PYTHON = str(Path(sys.executable).resolve())
#: Where an interpreter and its libraries lie.
SYSTEM = tuple(path for path in map(Path, ("/usr", "/lib", "/lib64", sys.base_prefix)) if path.exists())

# Says what became of each of the attempts that a program makes: the name of an error, or what it got.
_PRELUDE = """
import json, os, sys
def attempt(name, what):
    try:
        found[name] = what() or "done"
    except BaseException as error:
        found[name] = type(error).__name__
found = {}
here = sys.argv[1:]
"""


def jail(without: Sequence[str] = WHOLE, **bounds: Any) -> Jail:
    return Jail(replace(BOUNDS, **bounds), without=without)


async def attack(
    within: Jail, script: str, *arguments: str | Path, writable: Path, readable: Sequence[Path] = ()
) -> Completed:
    """Run a script in the jail. It finds its arguments in `here`."""
    return await within.run(
        [PYTHON, "-I", "-S", "-c", _PRELUDE + script, *map(str, arguments)],
        cwd=writable,
        env={},
        readable=[*SYSTEM, *readable],
        writable=[writable],
    )


async def attempts(
    within: Jail, script: str, *arguments: str | Path, writable: Path, readable: Sequence[Path] = ()
) -> dict[str, Any]:
    """What became of each `attempt(name, callable)` of a script."""
    done = await attack(within, script + "\nprint(json.dumps(found))", *arguments, writable=writable, readable=readable)
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def new_token() -> str:
    """A word to find a program again by, on its command line."""
    return f"token-{secrets.token_hex(8)}"


def running(token: str) -> list[int]:
    """The processes that carry a word on their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if token.encode() in words:
                found.append(int(entry.name))
    return found
