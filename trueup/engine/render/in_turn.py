"""So many tools run at a time, and nobody has a turn while he waits for something else."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trueup.clients.process import Completed
from trueup.engine.render.jsonnet import Confined


@dataclass(frozen=True, slots=True)
class InTurn:
    """A `Confined` of which each run waits for its turn.

    A render as a whole must not: between its runs it waits for hosts that others have nothing to do with.
    """

    runner: Confined
    turns: asyncio.Semaphore

    async def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        readable: Sequence[Path],
        writable: Sequence[Path],
        stdin: bytes | None = None,
    ) -> Completed:
        """As `Confined` has it; the time that a program may take begins with its turn."""
        async with self.turns:
            return await self.runner.run(argv, cwd=cwd, env=env, readable=readable, writable=writable, stdin=stdin)
