"""The console script run to its end, and what is asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.support.product import COMMAND_SECONDS, SCRIPT
from trueup.clients.process import Completed, base_environment, run

OUTPUT_BYTES_MAX = 16 * 1024 * 1024


async def trueup(*arguments: str, home: Path, env: Mapping[str, str] | None = None) -> Completed:
    """Run it with no more in its environment than it is given."""
    return await run(
        [SCRIPT, *arguments],
        env=base_environment() | {"HOME": str(home)} | dict(env or {}),
        timeout_seconds=COMMAND_SECONDS,
        output_bytes_max=OUTPUT_BYTES_MAX,
    )


def said(done: Completed, *, code: int = 0) -> str:
    """Its stdout, where it ended with this code and without a word on stderr."""
    assert done.returncode == code, (done.returncode, done.stdout.decode(), done.stderr.decode())
    assert done.stderr == b"", done.stderr.decode()
    return done.stdout.decode()


def refused(done: Completed, *, code: int = 20) -> str:
    """The one sentence that it ended with."""
    words = done.stderr.decode()
    assert done.returncode == code, (done.returncode, done.stdout.decode(), words)
    assert "Traceback" not in words
    lines = words.splitlines()
    assert len(lines) == 1, words
    assert lines[0].startswith("trueup: ")
    return lines[0].removeprefix("trueup: ")
