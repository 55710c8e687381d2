"""A long-lived git process that answers questions about one mirror, one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from trueup.clients import process
from trueup.clients.git import Git
from trueup.clients.git_errors import CorruptMirrorError
from trueup.domain.errors import TransientError
from trueup.telemetry import GIT_COMMANDS


class GitChild:
    """Started when first needed and again after any mishap, or once another mirror is in the directory's place.

    An exchange that is cancelled or fails ends the process, so that nobody reads another's answer.
    """

    def __init__(self, git: Git, directory: Path, command: Sequence[str]) -> None:
        """`command` is what follows `git`; its first word is what it is counted as."""
        self._git = git
        self._directory = directory
        self._command = tuple(command)
        self._child: process.Child | None = None
        self._opened: int | None = None

    @property
    def is_open(self) -> bool:
        return self._child is not None

    def identity(self) -> int | None:
        """Which directory is in the mirror's place now; another one after it was made anew."""
        try:
            return self._directory.stat().st_ino
        except FileNotFoundError:
            return None

    @asynccontextmanager
    async def exchange(self) -> AsyncIterator[process.Child]:
        """The process, for a question and its whole answer; one at a time, which the caller sees to.

        Raises TransientError where it takes over `local_seconds_max`, or was ended by somebody, and
        CorruptMirrorError where it gave up by itself.
        """
        clean = False
        try:
            async with asyncio.timeout(self._git.bounds.local_seconds_max):
                yield await self._running()
                clean = True
        except (asyncio.IncompleteReadError, ConnectionError) as e:
            raise await self._ended() from e
        except TimeoutError as e:
            raise TransientError("reading from the mirror took too long; is its disk overloaded?") from e
        except process.ProcessNotStarted as e:
            if self.identity() is None:
                raise CorruptMirrorError("the mirror is gone") from e
            raise TransientError(f"the mirror cannot be read: {e}") from e
        finally:
            if not clean:
                await self.drop()

    async def drop(self) -> None:
        """End the process; the next question starts another."""
        child, self._child = self._child, None
        if child is not None:
            await child.terminate(grace_seconds=0)

    async def _running(self) -> process.Child:
        # Another process may have put a damaged mirror aside, with ours still reading from it.
        if self._child is None or self._child.returncode is not None or self._opened != self.identity():
            await self.drop()
            self._opened = self.identity()
            GIT_COMMANDS.labels(self._command[0]).inc()
            self._child = await process.spawn(
                ["git", *self._command],
                cwd=self._directory,
                env=self._git.local_environment(Path()),
                stdin=process.PIPE,
                stdout=process.PIPE,
            )
        return self._child

    async def _ended(self) -> Exception:
        """Why the process closed its output: it gave up on an object, or somebody ended it."""
        child, command = self._child, f"git {self._command[0]}"
        async with asyncio.timeout(self._git.bounds.local_seconds_max):
            code = await child.wait() if child is not None else 0
        if code < 0:
            return TransientError(f"{command} was ended by signal {-code} while it read")
        return CorruptMirrorError(f"{command} ended on an object that it could not read")
