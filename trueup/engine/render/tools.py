"""The programs that render: where each is, and which version of it."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from trueup.clients.process import ProcessError, ProcessTimeout, run
from trueup.domain.errors import StalledError, TransientError

#: For a program to say its version: far above what any needs, on a machine with all hands full.
VERSION_SECONDS_MAX = 20.0
VERSION_BYTES_MAX = 64 * 1024

#: A plugin or a setting of whoever runs the worker is none of a render's business.
_ENVIRONMENT = {"HOME": "/nonexistent", "LANG": "C.UTF-8"}


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that was asked who it is."""

    name: str
    #: Absolute.
    path: Path
    #: Such as `v3.22.0`; part of the key of whatever it renders.
    version: str


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    #: The environment variable that says where it is.
    variable: str
    #: What makes it say its version.
    arguments: tuple[str, ...]
    #: Its answer; the first group is the version.
    answer: re.Pattern[str]
    #: The first version that will do, and the first after it that nobody has tried.
    since: tuple[int, int]
    before: tuple[int, int]

    @property
    def wanted(self) -> str:
        return f"{self.name} {'.'.join(map(str, self.since))} or newer, before {'.'.join(map(str, self.before))}"


_NUMBERS = r"v?\d+\.\d+[0-9A-Za-z.+-]*"
_HELM = _Kind(
    "helm", "TRUEUP_HELM", ("version", "--template", "{{.Version}}"), re.compile(rf"({_NUMBERS})\s*"), (3, 8), (4, 0)
)
#: Before version 5 it said more than the version.
_KUSTOMIZE = _Kind(
    "kustomize", "TRUEUP_KUSTOMIZE", ("version",), re.compile(rf"(?:.*kustomize/)?({_NUMBERS})\b.*\s*"), (5, 0), (6, 0)
)
#: Argo CD has the implementation in Go, and the other one says other things of errors.
_JSONNET = _Kind(
    "jsonnet",
    "TRUEUP_JSONNET",
    ("--version",),
    re.compile(rf".*\(Go implementation\) ({_NUMBERS})\s*"),
    (0, 19),
    (1, 0),
)

#: What tells one file from another that took its place: path, size in bytes and the time of its last change.
_Identity = tuple[str, int, int]


@dataclass(slots=True)
class _Known:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    identity: _Identity | None = None
    tool: Tool | None = None


class Tools:
    """Finds each program anew whenever it is asked for, and asks it for its version once.

    A name is looked for on PATH; a text with a slash is a path. StalledError names what is missing,
    too old or no good, and the way out; TransientError a program that gave no answer in time.
    """

    def __init__(self, *, helm: str = "helm", kustomize: str = "kustomize", jsonnet: str = "jsonnet") -> None:
        self._names = {_HELM: helm, _KUSTOMIZE: kustomize, _JSONNET: jsonnet}
        self._known: dict[_Kind, _Known] = {}

    async def helm(self) -> Tool:
        return await self._tool(_HELM)

    async def kustomize(self) -> Tool:
        return await self._tool(_KUSTOMIZE)

    async def jsonnet(self) -> Tool:
        return await self._tool(_JSONNET)

    async def _tool(self, kind: _Kind) -> Tool:
        path, identity = _find(kind, self._names[kind])
        known = self._known.setdefault(kind, _Known())
        # Renders that begin together wait for one answer.
        async with known.lock:
            if known.tool is None or known.identity != identity:
                known.tool = Tool(kind.name, path, await _version(kind, path))
                known.identity = identity
            return known.tool


def _find(kind: _Kind, name: str) -> tuple[Path, _Identity]:
    found = shutil.which(name)
    if found is None:
        where = "at that path" if os.sep in name else "on PATH"
        raise StalledError(
            f"there is no {name} to be run {where}; install {kind.wanted}, or set {kind.variable} to where it is"
        )
    path = os.path.realpath(found)
    state = os.stat(path)  # noqa: PTH116 -- one look at one file, beside many looks of `which`
    return Path(path), (path, state.st_size, state.st_mtime_ns)


async def _version(kind: _Kind, path: Path) -> str:
    way_out = f"install {kind.wanted}, or set {kind.variable} to where it is"
    try:
        done = await run(
            [path, *kind.arguments],
            cwd=Path(os.sep),
            env=_ENVIRONMENT,
            timeout_seconds=VERSION_SECONDS_MAX,
            output_bytes_max=VERSION_BYTES_MAX,
        )
    except ProcessTimeout as error:
        raise TransientError(f"{path} gave no version within {VERSION_SECONDS_MAX:g} s; {way_out}") from error
    except ProcessError as error:
        raise StalledError(f"{path} did not say its version ({error}); {way_out}") from error
    found = kind.answer.fullmatch(done.stdout.decode(errors="replace"))
    if done.returncode != 0 or found is None:
        raise StalledError(f"{path} did not say its version as {kind.name} does; {way_out}")
    major, minor = re.findall(r"\d+", found[1])[:2]
    if not kind.since <= (int(major), int(minor)) < kind.before:
        raise StalledError(f"{path} is {kind.name} {found[1]}, which is not supported; {way_out}")
    return found[1]
