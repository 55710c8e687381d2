"""Tools run as they are, for the tests that are not about what shuts them in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trueup.clients.process import Completed, run


@dataclass(frozen=True, slots=True)
class Unconfined:
    seconds_max: float = 60.0
    output_bytes_max: int = 16 * 1024 * 1024

    async def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        readable: Sequence[Path],  # noqa: ARG002 -- the jail's signature
        writable: Sequence[Path],  # noqa: ARG002 -- the jail's signature
        stdin: bytes | None = None,
    ) -> Completed:
        return await run(
            argv,
            cwd=cwd,
            env=env,
            stdin=stdin,
            timeout_seconds=self.seconds_max,
            output_bytes_max=self.output_bytes_max,
        )
