"""Reading objects of a mirror through one long-lived `git cat-file`, and verifying what was read.

Protocol: the section BATCH OUTPUT of git-cat-file(1), with `--batch-command --buffer -z`.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trueup.clients import process
from trueup.clients.git import Git
from trueup.clients.git_child import GitChild
from trueup.clients.git_errors import CorruptMirrorError
from trueup.clients.git_trees import TreeEntry
from trueup.domain.errors import StalledError

#: Requests that are under way at once: small enough for a pipe, large enough to hide its latency.
REQUESTS_BATCH_MAX = 1_000

MODE_TREE = "40000"
MODE_LINK = "120000"
MODE_SUBMODULE = "160000"

_FORBIDDEN_NAMES = frozenset({b"", b".", b"..", b".git"})

_FOUND = re.compile(rb"([0-9a-f]{40}|[0-9a-f]{64}) (blob|tree|commit|tag) (\d+)\n")


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    sha: str
    #: `blob`, `tree`, `commit` or `tag`.
    type: str
    size: int


@dataclass(frozen=True, slots=True)
class CommitInfo:
    sha: str
    tree: str
    #: `Name <address>`.
    author: str
    #: When it was written, seconds since the epoch.
    authored_at: int
    #: The first line of the message.
    subject: str


#: Takes each answer as it comes: what the object is, the name it was asked for by, its bytes.
Take = Callable[[ObjectInfo | None, str, bytes], None]


class ObjectReader:
    """Answers from one `git cat-file`: what is asked for together is answered without a fork."""

    def __init__(self, git: Git, directory: Path) -> None:
        self._git = git
        self._child = GitChild(git, directory, ["cat-file", "--batch-command", "--buffer", "-z"])
        self._turn = asyncio.Lock()

    @property
    def is_open(self) -> bool:
        return self._child.is_open

    def identity(self) -> int | None:
        """Which directory is in the mirror's place now; another one after it was made anew."""
        return self._child.identity()

    async def close(self) -> None:
        """End the process; the next question starts another."""
        async with self._turn:
            await self._child.drop()

    async def info(self, names: Sequence[str]) -> list[ObjectInfo | None]:
        """What each object name (any that git-rev-parse(1) knows) stands for; None for nothing."""
        found: list[ObjectInfo | None] = []
        async with self._turn:
            for start in range(0, len(names), REQUESTS_BATCH_MAX):
                batch = names[start : start + REQUESTS_BATCH_MAX]
                await self._exchange(b"info", batch, lambda info, _, __: found.append(info), with_content=False)
        return found

    async def contents(self, shas: Sequence[str], *, kind: str) -> dict[str, bytes]:
        """The bytes of each object of that kind, by its full SHA; each is verified against its name.

        Raises CorruptMirrorError for an object that is not there or not what its name says, and
        StalledError for more than the bounds allow.
        """
        bounds = self._git.bounds
        wanted = list(dict.fromkeys(shas))
        if len(wanted) > bounds.objects_max:
            raise StalledError(
                f"{len(wanted)} files are more than {bounds.objects_max}, the most that are read at once"
            )
        read: dict[str, bytes] = {}
        total = 0

        def keep(info: ObjectInfo | None, name: str, data: bytes) -> None:
            nonlocal total
            if info is None or info.type != kind or not _is_genuine(name, kind, data):
                raise CorruptMirrorError(f"{kind} {name} cannot be read")
            total += info.size
            if total > bounds.read_bytes_max:
                raise StalledError(f"the files are larger than {bounds.read_bytes_max} bytes together")
            read[name] = data

        async with self._turn:
            for start in range(0, len(wanted), REQUESTS_BATCH_MAX):
                await self._exchange(b"contents", wanted[start : start + REQUESTS_BATCH_MAX], keep, with_content=True)
        return read

    async def _exchange(self, command: bytes, names: Sequence[str], take: Take, *, with_content: bool) -> None:
        async with self._child.exchange() as child:
            encoded = [name.encode("utf-8", "surrogateescape") for name in names]
            child.stdin.write(b"".join(b"%s %s\0" % (command, name) for name in encoded) + b"flush\0")
            for name, raw in zip(names, encoded, strict=True):
                info = await self._header(child, raw)
                data = await self._body(child, info) if with_content and info is not None else b""
                take(info, name, data)

    async def _header(self, child: process.Child, name: bytes) -> ObjectInfo | None:
        line = await child.stdout.readuntil(b"\n")
        if match := _FOUND.fullmatch(line):
            sha, kind, size = match.groups()
            return ObjectInfo(sha.decode(), kind.decode(), int(size))
        # The name comes back before the verdict, with the line ends that it has itself.
        for _ in range(name.count(b"\n")):
            line += await child.stdout.readuntil(b"\n")
        if line in {name + b" missing\n", name + b" ambiguous\n"}:
            return None
        raise CorruptMirrorError("git cat-file gave an answer that was not asked for")

    async def _body(self, child: process.Child, info: ObjectInfo) -> bytes:
        largest = self._git.bounds.blob_bytes_max
        if info.size > largest:
            raise StalledError(f"{info.type} {info.sha} has {info.size} bytes; {largest} are the most that are read")
        data = await child.stdout.readexactly(info.size + 1)
        return data[:-1]


def _is_genuine(sha: str, kind: str, data: bytes) -> bool:
    # Git's names are these hashes; what signs a commit is not decided here.
    algorithm = hashlib.sha1 if len(sha) == 40 else hashlib.sha256
    return algorithm(b"%s %d\0" % (kind.encode(), len(data)) + data).hexdigest() == sha


def parse_tree(data: bytes, *, sha_chars: int, said: str) -> list[TreeEntry]:
    """The entries of a tree object (gitformat: `mode SP name NUL sha`); `said` is how a sentence calls the directory.

    Raises CorruptMirrorError where the object is none, and StalledError for a name that is no name.
    """
    entries: list[TreeEntry] = []
    length = sha_chars // 2
    position = 0
    while position < len(data):
        end = data.find(b"\0", position)
        mode, space, name = data[position:end].partition(b" ")
        sha = data[end + 1 : end + 1 + length]
        if end < 0 or not space or len(sha) != length:
            raise CorruptMirrorError("a tree object is cut short")
        if name in _FORBIDDEN_NAMES or b"/" in name:
            raise StalledError(f"the directory {said or '/'} has an entry with a name that leads elsewhere")
        entries.append(TreeEntry(mode.decode("latin-1"), sha.hex(), name.decode("utf-8", "surrogateescape")))
        position = end + 1 + length
    return entries


def parse_commit(sha: str, data: bytes) -> CommitInfo:
    """The part of a commit object that people are shown; bytes that are no UTF-8 are replaced."""
    head, _, message = data.decode("utf-8", "replace").partition("\n\n")
    fields: Mapping[str, str] = dict(line.split(" ", 1) for line in reversed(head.split("\n")) if " " in line)
    person, _, moment = fields.get("author", "").rpartition(" ")
    author, _, seconds = person.rpartition(" ")
    return CommitInfo(
        sha=sha,
        tree=fields.get("tree", ""),
        author=author,
        authored_at=int(seconds) if seconds.isascii() and seconds.isdigit() and moment else 0,
        subject=message.strip().split("\n", 1)[0][:300],
    )
