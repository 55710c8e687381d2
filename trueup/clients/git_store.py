"""A bare mirror on disk: making it, its refs, its damage and its upkeep.

It holds one ref per followed remote ref, named after that one's hash: no name from outside becomes
a file name, and no two names can be in each other's way.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from trueup.clients.git import Git, remove_tree
from trueup.clients.git_errors import NotMadeError, local_error, scrub
from trueup.clients.git_lock import file_lock, try_file_lock
from trueup.clients.git_objects import ObjectReader
from trueup.domain.errors import TransientError
from trueup.domain.repository import is_full_sha, redact_url, remote_refs

REF_PREFIX = "refs/trueup/"

_log = structlog.get_logger(__name__)


def local_ref(name: str) -> str:
    """The mirror's ref for a remote ref or a SHA."""
    return REF_PREFIX + hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()


class Store:
    """The directory `root/repository.git` and the lock files beside it."""

    def __init__(self, git: Git, root: Path) -> None:
        self._git = git
        self._root = root
        self.directory = root / "repository.git"
        self.reader = ObjectReader(git, self.directory)

    @property
    def exists(self) -> bool:
        return (self.directory / "HEAD").exists()

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """The right to change refs, which one process has at a time."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        async with file_lock(self._root / "fetch.lock", seconds_max=self._git.bounds.lock_seconds_max):
            yield

    async def resolve(self, revisions: Collection[str]) -> dict[str, str | None]:
        """What each revision stands for in the mirror as it is, without asking the remote."""
        found: dict[str, str | None] = dict.fromkeys(revisions)
        if not self.exists:
            return found
        names = [(r, name) for r in revisions for name in ([r.lower()] if is_full_sha(r) else _local_refs(r))]
        infos = await self.reader.info([f"{name}^{{commit}}" for _, name in names])
        for (revision, _), info in zip(names, infos, strict=True):
            if info is not None and found[revision] is None:
                found[revision] = info.sha
        return found

    async def values(self, refs: Collection[str]) -> dict[str, str]:
        """What each of these remote refs held when last fetched, a tag object unpeeled."""
        if not self.exists:
            return {}
        ordered = sorted(refs)
        infos = await self.reader.info([local_ref(ref) for ref in ordered])
        return {ref: info.sha for ref, info in zip(ordered, infos, strict=True) if info is not None}

    async def known(self, refs: Collection[str]) -> set[str]:
        """Those of these remote refs that the mirror has."""
        return set(await self.values(refs))

    async def create(self, object_format: str) -> None:
        """Made elsewhere and moved into place, so that a half-made mirror is never taken for one.

        Raises NotMadeError.
        """
        fresh = self._root / "fresh.git"
        await remove_tree(fresh)
        options = ["--quiet", "--bare", "--template=", "--initial-branch=none", f"--object-format={object_format}"]
        completed = await self._git.run(
            "init", [*options, fresh.name], env=self._git.local_environment(fresh), cwd=self._root
        )
        if completed.returncode != 0:
            raise NotMadeError(completed.stderr.decode(errors="replace").strip())
        # What is left of a mirror that lost its HEAD.
        await remove_tree(self.directory)
        fresh.rename(self.directory)

    async def discard(self, url: str, identity: int | None, why: str) -> None:
        """Put the mirror aside, unless somebody else has done so since `identity` was read."""
        async with self.locked():
            if identity is not None and identity == self.reader.identity():
                await self.quarantine(url, why)

    async def quarantine(self, url: str, why: str) -> None:
        """Put the mirror aside, in the place of an earlier one; the lock must be held."""
        _log.warning("mirror_put_aside", repository=redact_url(url), why=why[:300])
        await self.reader.close()
        aside = self._root / "quarantine.git"
        await remove_tree(aside)
        if self.directory.exists():
            self.directory.rename(aside)

    def clear_locks(self) -> None:
        """Remove what a killed git left; the lock must be held. Does nothing while maintenance runs."""
        held = try_file_lock(self._root / "maintenance.lock")
        if held is None:
            return
        try:
            for pattern in ("*.lock", "refs/**/*.lock"):
                for lock in self.directory.glob(pattern):
                    lock.unlink(missing_ok=True)
        finally:
            os.close(held)

    async def delete_refs(self, refs: Iterable[str]) -> None:
        """Delete these refs of the mirror; the lock must be held."""
        commands = "".join(f"delete {ref}\n" for ref in refs)
        if commands:
            await self.local("update-ref", ["--stdin"], stdin=commands.encode("utf-8", "surrogateescape"))

    async def local(self, command: str, arguments: list[str], *, stdin: bytes | None = None) -> str:
        """Run a git command on the mirror and return what it says. Raises CorruptMirrorError or TransientError."""
        completed = await self._git.run(
            command,
            arguments,
            env=self._git.local_environment(self.directory),
            cwd=self.directory,
            stdin=stdin,
            output_bytes_max=self._git.bounds.refs_bytes_max,
        )
        if completed.returncode != 0:
            said = completed.stderr.decode(errors="replace")
            raise local_error(said) or TransientError(f"git {command} failed on a mirror: {scrub(said, ())}")
        return completed.stdout.decode("utf-8", "surrogateescape")

    async def forget_others(self, tracked: Collection[str]) -> None:
        """See `Mirror.forget_others`."""
        if not self.exists:
            return
        kept = {local_ref(name) for r in tracked for name in ([r] if is_full_sha(r) else remote_refs(r))}
        async with self.locked():
            present = await self.local("for-each-ref", ["--format=%(refname)"])
            await self.delete_refs(ref for ref in present.splitlines() if ref not in kept)

    @property
    def is_littered(self) -> bool:
        """Whether there are more packs than should be."""
        packs = self.directory / "objects" / "pack"
        return sum(1 for _ in packs.glob("*.pack")) > self._git.bounds.packs_max

    async def repack(self) -> None:
        """Make many packs into one, unless another process is at it. A fetch may go on meanwhile."""
        held = try_file_lock(self._root / "maintenance.lock")
        if held is None:
            return
        try:
            await self._git.run(
                "gc",
                ["--quiet"],
                env=self._git.maintenance_environment(self.directory),
                cwd=self.directory,
                timeout_seconds=self._git.bounds.maintenance_seconds_max,
            )
        finally:
            os.close(held)


def _local_refs(revision: str) -> list[str]:
    return [local_ref(name) for name in remote_refs(revision)]
