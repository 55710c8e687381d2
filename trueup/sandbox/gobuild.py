"""Builds the programs of a pinned Go module once, into a folder of the cache that is named by its content."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import re
import shutil
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from trueup.clients.process import PIPE, Argument, ProcessError, run, spawn
from trueup.sandbox.errors import SandboxError
from trueup.sandbox.files import make_directory
from trueup.sandbox.progress import LongStep, Say
from trueup.sandbox.toolchain import environment, find_go, last_lines

BUILD_SECONDS_MAX = 3600.0
LIST_SECONDS_MAX = 900.0
LIST_BYTES_MAX = 16 * 1024 * 1024
POLL_SECONDS = 0.2
BUILD_LINES_KEPT_MAX = 40

_UNFINISHED = ("building-", "installing-")
_PACKAGE_LINE = re.compile(r"[\w.-]+(/[\w.~-]+)*")


@dataclass(frozen=True, slots=True)
class GoModule:
    """What is built of a folder with a go.mod."""

    #: Of its folder in the cache.
    name: str
    #: How it is spoken of: "the control plane".
    called: str
    #: The same with its versions, for the title of the build.
    titled: str
    source: Path
    #: What `go build` is given.
    packages: tuple[str, ...]
    #: The programs that there are in the end.
    programs: tuple[str, ...]
    #: Whether the programs are one binary that goes by the name it is called by, or a binary each.
    is_multi_call: bool
    #: Values of variables of its packages, by the variables' full names.
    stamps: tuple[tuple[str, str], ...]
    #: The environment variable that names a folder with the programs instead.
    variable: str

    @property
    def build_flags(self) -> list[str]:
        linked = " ".join(f"-X {name}={value}" for name, value in self.stamps)
        return ["-mod=readonly", "-buildvcs=false", "-trimpath", f"-ldflags=-s -w {linked}"]

    def content_hash(self) -> str:
        """Names what is built: it changes with the modules, the sources and the build flags, and with nothing else."""
        digest = hashlib.sha256("\0".join(self.build_flags).encode())
        for file in sorted([self.source / "go.mod", self.source / "go.sum", *self.source.rglob("*.go")]):
            content = file.read_bytes()
            name = file.relative_to(self.source).as_posix()
            digest.update(f"\0{name}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()[:16]

    def missing_from(self, directory: Path) -> list[str]:
        """The programs that cannot be run from there."""
        return [name for name in self.programs if shutil.which(name, path=str(directory)) is None]


def required_version(go_mod: Path, module: str) -> str:
    """The version of `module` that a go.mod asks for. Raises SandboxError where it does not."""
    found = re.search(rf"(?:^|\s){re.escape(module)} (v\d+\.\d+\S*)", go_mod.read_text())
    if not found:
        raise SandboxError(f"{go_mod} does not require {module}.")
    return found[1]


async def ensure_built(module: GoModule, cache: Path, say: Say) -> Path:
    """The folder in the cache that holds the module's programs, built now if it must be.

    `say` gets a line for whatever takes long. Raises SandboxError with what is
    missing when there is no such folder and none can be built.
    """
    built = cache / f"{module.name}-{module.content_hash()}"
    if not built.exists():
        try:
            make_directory(cache)
        except OSError as error:
            raise SandboxError(f"The cache folder {cache} cannot be made: {error.strerror}.") from error
        # One for all modules: they share the toolchain that may have to be installed.
        async with _lock(cache / "build.lock", module, say):
            if not built.exists():
                await _build(module, built, say)
    return built


@asynccontextmanager
async def _lock(path: Path, module: GoModule, say: Say) -> AsyncIterator[None]:
    with path.open("w") as file:
        told = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    say(f"Waiting for another process that builds, before {module.called} can be")
                    told = True
                await asyncio.sleep(POLL_SECONDS)
        yield


async def _build(module: GoModule, built: Path, say: Say) -> None:
    cache = built.parent
    # Whoever holds the lock is alone: what is unfinished was left by a builder that was killed.
    for unfinished in cache.iterdir():
        if unfinished.name.startswith(_UNFINISHED):
            shutil.rmtree(unfinished, ignore_errors=True)
    go = await find_go(module.source / "go.mod", cache, say)
    with tempfile.TemporaryDirectory(prefix="building-", dir=cache) as folder:
        result = Path(folder) / "bin"
        result.mkdir()
        await _compile(module, go, result, say)
        if module.is_multi_call:
            for name in module.programs:
                (result / name).symlink_to(module.name)
        result.rename(built)


async def _compile(module: GoModule, go: Path, result: Path, say: Say) -> None:
    env = environment()
    if "HOME" not in env:
        env.setdefault("GOPATH", str(result.parents[1] / "go"))
        env.setdefault("GOCACHE", str(result.parents[1] / "go-build"))
    with LongStep(f"Building {module.titled} from source; this happens once", say) as step:
        try:
            async with asyncio.timeout(BUILD_SECONDS_MAX):
                total = await _stale_packages(module, go, env, step)
                await _go_build(module, go, result, env, total, step)
        except TimeoutError as error:
            raise SandboxError(f"Building {module.called} took more than {BUILD_SECONDS_MAX:g} s.") from error
        except ProcessError as error:
            raise SandboxError(f"Building {module.called} failed: {error}.") from error
        say(f"Built {module.called} in {step.elapsed_seconds:.0f} s")


async def _stale_packages(module: GoModule, go: Path, env: dict[str, str], step: LongStep) -> int:
    """How many packages are still to compile; fetches the modules on the way."""
    async with _redrawing(step, lambda: "fetching modules"):
        stale = "{{if .Stale}}{{.ImportPath}}{{end}}"
        listed = await run(
            [go, "list", "-deps", *module.build_flags, "-f", stale, *module.packages],
            cwd=module.source,
            env=env,
            timeout_seconds=LIST_SECONDS_MAX,
            output_bytes_max=LIST_BYTES_MAX,
        )
    if listed.returncode != 0:
        raise _failed(module, listed.stderr)
    return len(listed.stdout.split())


async def _go_build(module: GoModule, go: Path, result: Path, env: dict[str, str], total: int, step: LongStep) -> None:
    # With a slash at its end it is a folder, in which each program gets its own name.
    output = f"{result}/{module.name if module.is_multi_call else ''}"
    command: list[Argument] = [go, "build", "-v", *module.build_flags, "-o", output, *module.packages]
    child = await spawn(command, cwd=module.source, env=env, stderr=PIPE)
    compiled = 0
    package = "the first package"
    kept: deque[bytes] = deque(maxlen=BUILD_LINES_KEPT_MAX)
    try:
        async with _redrawing(step, lambda: f"{min(99, 100 * compiled // max(total, 1)):2d} %  compiling {package}"):
            async for line in child.stderr:
                text = line.decode(errors="replace").strip()
                if _PACKAGE_LINE.fullmatch(text):
                    compiled += 1
                    package = text
                else:
                    kept.append(line)
            returncode = await child.wait()
    finally:
        await child.terminate(grace_seconds=0)
    if returncode != 0:
        raise _failed(module, b"".join(kept))


@asynccontextmanager
async def _redrawing(step: LongStep, text: Callable[[], str]) -> AsyncIterator[None]:
    async def redraw() -> None:
        while True:
            step.update(text())
            await asyncio.sleep(POLL_SECONDS)

    task = asyncio.create_task(redraw())
    try:
        yield
    finally:
        task.cancel()


def _failed(module: GoModule, output: bytes) -> SandboxError:
    reason = last_lines(output) or "go gave no reason"
    return SandboxError(
        f"Building {module.called} failed. Its modules come from the network the first time; "
        f"{module.variable} may name a folder with the binaries instead. go said: {reason}"
    )
