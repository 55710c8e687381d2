"""Listing exactly the refs that were asked for.

`git ls-remote` makes a remote list all its refs, however many. Protocol 2 lets the client name
prefixes, which git itself uses only when it fetches; so the command `ls-refs` is spoken here, over
git's own transport (gitprotocol-v2(5), `stateless-connect` of gitremote-helpers(7)).
"""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

from trueup.clients import process
from trueup.clients.git import Git
from trueup.domain.repository import git_address, split_url
from trueup.telemetry import GIT_COMMANDS

P = ParamSpec("P")
T = TypeVar("T")

_FLUSH, _DELIMITER, _RESPONSE_END = 0, 1, 2
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
PACKETS_MAX = 1_000_000
CHUNK_BYTES_MAX = 64 * 1024
#: So many are looked through on the loop; more would hold it up.
REFS_ON_LOOP_MAX = 1_000


@dataclass(frozen=True, slots=True)
class RemoteRef:
    #: What the ref holds: a commit, or a tag object.
    sha: str
    #: What a tag object points at in the end, None for everything else.
    peeled: str | None = None
    #: For HEAD: the branch it stands for.
    symref: str | None = None


@dataclass(frozen=True, slots=True)
class RemoteRefs:
    refs: Mapping[str, RemoteRef]
    #: `sha1` or `sha256`.
    object_format: str = "sha1"


class RemoteFailedError(Exception):
    """Git could not speak to the remote; `stderr` has what it said."""

    def __init__(self, stderr: str) -> None:
        super().__init__(stderr)
        self.stderr = stderr


class _OldProtocolError(Exception):
    """The remote does not speak protocol 2."""


async def list_refs(git: Git, url: str, names: Collection[str], environment: Mapping[str, str]) -> RemoteRefs:
    """The remote's value of each of these full ref names (or `HEAD`) that exists.

    A name with a slash at its end stands for all that begin so. One child process. `environment` is
    `Git.remote_environment` of the same URL. Raises RemoteFailedError, and ProcessTimeout after `list_seconds_max`.
    """
    seconds = git.bounds.list_seconds_max
    try:
        async with asyncio.timeout(seconds):
            try:
                return await _Conversation(git, url, environment).ask(names)
            except _OldProtocolError:
                return await _list_all(git, url, names, environment)
    except TimeoutError as e:
        raise process.ProcessTimeout("git", f"timed out after {seconds:g} s") from e


class _Conversation:
    def __init__(self, git: Git, url: str, environment: Mapping[str, str]) -> None:
        self._git = git
        self._environment = dict(environment) | {"GIT_PROTOCOL": "version=2"}
        self._scheme = split_url(url).scheme
        self._argv = self._command(url)
        #: Read, and not taken apart yet.
        self._rest = b""

    def _command(self, url: str) -> list[str]:
        parts = split_url(url)
        if parts.scheme != "ssh":
            return ["git", f"remote-{parts.scheme}", "origin", git_address(url)]
        path = parts.path[1:] if parts.path.startswith("/~") else parts.path
        host = f"{parts.user}@{parts.host.strip('[]')}" if parts.user else parts.host.strip("[]")
        port = ["-p", parts.port] if parts.port else []
        ssh = shlex.split(self._environment["GIT_SSH_COMMAND"])
        return [*ssh, "-o", "SendEnv=GIT_PROTOCOL", *port, "--", host, f"git-upload-pack {_quoted(path)}"]

    async def ask(self, names: Collection[str]) -> RemoteRefs:
        if self._scheme == "file":
            raise _OldProtocolError
        GIT_COMMANDS.labels("ls-refs").inc()
        child = await process.spawn(
            self._argv,
            cwd=self._git.home,
            env=self._environment,
            stdin=process.PIPE,
            stdout=process.PIPE,
            stderr=process.PIPE,
        )
        words = asyncio.ensure_future(_tail(child.stderr))
        try:
            return await self._exchange(child, names)
        except (asyncio.IncompleteReadError, ConnectionError) as e:
            said = await words
            raise RemoteFailedError(said.decode(errors="replace")) from e
        finally:
            words.cancel()
            await child.terminate(grace_seconds=0)

    async def _exchange(self, child: process.Child, names: Collection[str]) -> RemoteRefs:
        if self._scheme != "ssh":
            child.stdin.write(b"stateless-connect git-upload-pack\n")
            if await child.stdout.readuntil(b"\n") != b"\n":
                raise _OldProtocolError
        advertised = await self._packets(child)
        if not advertised or advertised[0] != "version 2":
            raise _OldProtocolError
        object_format = next((a.partition("=")[2] for a in advertised if a.startswith("object-format=")), "sha1")
        request = [_packet("command=ls-refs"), _packet(f"object-format={object_format}"), b"0001"]
        request += [_packet("peel"), _packet("symrefs"), *(_packet(f"ref-prefix {name}") for name in names), b"0000"]
        child.stdin.write(b"".join(request))
        lines = await self._packets(child)
        return RemoteRefs(await off_loop(len(lines), _parse, lines, frozenset(names)), object_format)

    async def _packets(self, child: process.Child) -> list[str]:
        """The lines up to the next packet that ends them; taken apart by the chunk, since they may be many."""
        lines: list[str] = []
        received = 0
        while len(lines) < PACKETS_MAX and received < self._git.bounds.refs_bytes_max:
            chunk, self._rest = self._rest or await child.stdout.read(CHUNK_BYTES_MAX), b""
            if not chunk:
                raise asyncio.IncompleteReadError(b"", None)
            received += len(chunk)
            found, left, is_over = _taken_apart(chunk)
            lines += found
            if is_over:
                self._rest = left
                return lines
            if left:
                more = await child.stdout.read(CHUNK_BYTES_MAX)
                if not more:
                    raise asyncio.IncompleteReadError(left, None)
                received -= len(left)
                self._rest = left + more
        raise RemoteFailedError("protocol error: the remote lists more refs than are read")


def _taken_apart(data: bytes) -> tuple[list[str], bytes, bool]:
    """The lines of whole packets, what is left over, and whether a packet ended them (gitprotocol-common(5))."""
    lines: list[str] = []
    at = 0
    while at + 4 <= len(data):
        try:
            length = int(data[at : at + 4], 16)
        except ValueError as e:
            raise RemoteFailedError("protocol error: bad line length") from e
        if length in {_FLUSH, _DELIMITER, _RESPONSE_END}:
            return lines, data[at + 4 :], True
        end = at + max(4, length)
        if end > len(data):
            break
        line = data[at + 4 : end].decode("utf-8", "surrogateescape")
        if line.startswith("ERR "):
            raise RemoteFailedError(line)
        lines.append(line.removesuffix("\n"))
        at = end
    return lines, data[at:], False


async def off_loop(refs: int, work: Callable[P, T], *arguments: P.args, **more: P.kwargs) -> T:
    """What goes through so many refs, in a thread where they are many."""
    if refs <= REFS_ON_LOOP_MAX:
        return work(*arguments, **more)
    return await asyncio.to_thread(work, *arguments, **more)


def _quoted(path: str) -> str:
    # In quotes also where a shell needs none: hosts with no shell look for them.
    return "'" + path.replace("'", "'\\''") + "'"


async def _tail(stream: asyncio.StreamReader) -> bytes:
    tail = b""
    while chunk := await stream.read(process.STDERR_BYTES_MAX):
        tail = (tail + chunk)[-process.STDERR_BYTES_MAX :]
    return tail


def _packet(line: str) -> bytes:
    data = line.encode("utf-8", "surrogateescape") + b"\n"
    return b"%04x" % (len(data) + 4) + data


def _is_asked_for(name: str, names: Collection[str]) -> bool:
    return name in names or any(asked.endswith("/") and name.startswith(asked) for asked in names)


def _parse(lines: Collection[str], names: frozenset[str]) -> dict[str, RemoteRef]:
    refs: dict[str, RemoteRef] = {}
    for line in lines:
        sha, _, rest = line.partition(" ")
        name, *attributes = rest.split(" ")
        # A prefix also fits what merely starts like it.
        if _is_asked_for(name, names) and _SHA.fullmatch(sha):
            values = dict(attribute.split(":", 1) for attribute in attributes if ":" in attribute)
            refs[name] = RemoteRef(sha, values.get("peeled"), values.get("symref-target"))
    return refs


async def _list_all(git: Git, url: str, names: Collection[str], environment: Mapping[str, str]) -> RemoteRefs:
    completed = await git.run(
        "ls-remote",
        ["--quiet", "--symref", "--end-of-options", git_address(url)],
        env=environment,
        cwd=Path(git.home),
        timeout_seconds=git.bounds.list_seconds_max,
        output_bytes_max=git.bounds.refs_bytes_max,
    )
    if completed.returncode != 0:
        raise RemoteFailedError(completed.stderr.decode(errors="replace"))
    values: dict[str, str] = {}
    symrefs: dict[str, str] = {}
    for line in completed.stdout.decode("utf-8", "surrogateescape").splitlines():
        value, _, name = line.partition("\t")
        if value.startswith("ref: "):
            symrefs[name] = value.removeprefix("ref: ")
        elif _SHA.fullmatch(value):
            values[name] = value
    if not values:
        # Any web page would pass for an empty repository of the oldest protocol.
        raise RemoteFailedError("invalid server response: neither protocol 2 nor a list of refs")
    asked = [n for n in values if _is_asked_for(n, names) and not n.endswith("^{}")]
    refs = {n: RemoteRef(values[n], values.get(n + "^{}"), symrefs.get(n)) for n in asked}
    length = len(next(iter(values.values()), ""))
    return RemoteRefs(refs, "sha256" if length == 64 else "sha1")
