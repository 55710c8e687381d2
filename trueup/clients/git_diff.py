"""Which paths differ between two trees of a mirror, from one long-lived `git diff-tree`.

Protocol: git-diff-tree(1) with `--stdin -z`. Two tree ids on a line are answered with that line and the paths, each
ended by NUL; a line that is no object id comes back as it is, which marks the end of an answer.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from trueup.clients.git import Git
from trueup.clients.git_child import GitChild
from trueup.clients.git_errors import CorruptMirrorError

#: No path has an empty segment, so no path holds this.
_MARK = b"//\n"
_READ_BYTES = 64 * 1024


class _TooLongError(Exception):
    """There is more to an answer than is read; whoever asked ends the process."""


class TreeDiff:
    """Answers one question at a time, in the order they come."""

    def __init__(self, git: Git, directory: Path) -> None:
        self._git = git
        command = ["diff-tree", "--stdin", "-r", "-z", "--no-renames", "--name-only"]
        self._child = GitChild(git, directory, command)
        self._turn = asyncio.Lock()

    @property
    def is_open(self) -> bool:
        return self._child.is_open

    async def close(self) -> None:
        """End the process; the next question starts another."""
        async with self._turn:
            await self._child.drop()

    async def paths(self, old: str, new: str) -> list[str] | None:
        """The paths of files that differ between two trees, by their full ids; a rename is both its paths.

        None for more than `diff_bytes_max` bytes of them, and where a tree is not there. Raises CorruptMirrorError
        and TransientError as `GitChild.exchange` does.
        """
        question = f"{old} {new}\n".encode()
        try:
            async with self._turn, self._child.exchange() as child:
                child.stdin.write(question + _MARK)
                answer = await self._answer(child.stdout)
        except _TooLongError:
            return None
        if not answer:
            return None
        if not answer.startswith(question):
            raise CorruptMirrorError("git diff-tree gave an answer that was not asked for")
        listed = answer[len(question) :].split(b"\0")
        return [path.decode("utf-8", "surrogateescape") for path in listed if path]

    async def _answer(self, stream: asyncio.StreamReader) -> bytes:
        answer = bytearray()
        while not answer.endswith(_MARK):
            part = await stream.read(_READ_BYTES)
            if not part:
                raise asyncio.IncompleteReadError(bytes(answer), None)
            answer += part
            if len(answer) > self._git.bounds.diff_bytes_max:
                raise _TooLongError
        return bytes(answer[: -len(_MARK)])
