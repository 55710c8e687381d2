"""Where the binaries of the control plane come from: given, cached, or built once from pinned Go modules."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from trueup.clients.process import PIPE, ProcessError, run, spawn
from trueup.sandbox.errors import SandboxError
from trueup.sandbox.progress import LongStep, Say, say_on_stderr
from trueup.sandbox.toolchain import environment, find_go, last_lines

SOURCE = Path(__file__).parent / "controlplane"
COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")

BUILD_SECONDS_MAX = 3600.0
LIST_SECONDS_MAX = 900.0
LIST_BYTES_MAX = 16 * 1024 * 1024
POLL_SECONDS = 0.2
BUILD_LINES_KEPT_MAX = 40

_UNFINISHED = ("building-", "installing-")
_PACKAGE_LINE = re.compile(r"[\w.-]+(/[\w.~-]+)*")


def cache_directory() -> Path:
    """Where what is built once is kept: TRUEUP_CACHE_DIR, else the user's cache folder."""
    if named := os.environ.get("TRUEUP_CACHE_DIR"):
        return Path(named)
    if caches := os.environ.get("XDG_CACHE_HOME"):
        return Path(caches) / "trueup"
    return Path.home() / ".cache" / "trueup"


def _missing(directory: Path) -> list[str]:
    return [name for name in COMPONENTS if not os.access(directory / name, os.X_OK)]


def _given(say: Say) -> Path | None:
    if named := os.environ.get("TRUEUP_CONTROLPLANE_DIR"):
        if missing := _missing(Path(named)):
            raise SandboxError(
                f"TRUEUP_CONTROLPLANE_DIR is {named}, but {', '.join(missing)} cannot be run from there."
            )
        return Path(named)
    if named := os.environ.get("KUBEBUILDER_ASSETS"):
        if not (missing := _missing(Path(named))):
            return Path(named)
        say(f"Not using KUBEBUILDER_ASSETS ({named}): it lacks {', '.join(missing)}")
    return None


def _kubernetes_version() -> str:
    found = re.search(r"k8s\.io/kubernetes (v\d+\.\d+\S*)", (SOURCE / "go.mod").read_text())
    if not found:
        raise SandboxError(f"{SOURCE / 'go.mod'} does not require k8s.io/kubernetes.")
    return found[1]


def _build_flags() -> list[str]:
    # Without a version the API server says v0.0.0, and charts that ask for one refuse it.
    version = _kubernetes_version()
    major, minor, *_ = version.removeprefix("v").split(".")
    stamps = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    linked = " ".join(f"-X k8s.io/component-base/version.{name}={value}" for name, value in stamps.items())
    return ["-mod=readonly", "-buildvcs=false", "-trimpath", f"-ldflags=-s -w {linked}"]


def content_hash() -> str:
    """Names what is built: it changes with the modules, the sources and the build flags, and with nothing else."""
    digest = hashlib.sha256("\0".join(_build_flags()).encode())
    for file in sorted([SOURCE / "go.mod", SOURCE / "go.sum", *SOURCE.glob("*.go")]):
        content = file.read_bytes()
        digest.update(f"\0{file.name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


async def ensure_binaries(say: Say = say_on_stderr) -> Path:
    """The folder that holds an executable for each of `COMPONENTS`, built now if it must be.

    `say` gets a line for whatever takes long. Raises SandboxError with what is
    missing when there is no such folder and none can be built.
    """
    if given := _given(say):
        return given
    cache = cache_directory()
    built = cache / f"controlplane-{content_hash()}"
    if not built.exists():
        try:
            cache.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SandboxError(f"The cache folder {cache} cannot be made: {error.strerror}.") from error
        async with _lock(cache / "controlplane.lock", say):
            if not built.exists():
                await _build(built, say)
    return built


@asynccontextmanager
async def _lock(path: Path, say: Say) -> AsyncIterator[None]:
    with path.open("w") as file:
        told = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    say("Waiting for another process that builds the control plane")
                    told = True
                await asyncio.sleep(POLL_SECONDS)
        yield


async def _build(built: Path, say: Say) -> None:
    cache = built.parent
    # Whoever holds the lock is alone: what is unfinished was left by a builder that was killed.
    for unfinished in cache.iterdir():
        if unfinished.name.startswith(_UNFINISHED):
            shutil.rmtree(unfinished, ignore_errors=True)
    go = await find_go(SOURCE / "go.mod", cache, say)
    with tempfile.TemporaryDirectory(prefix="building-", dir=cache) as folder:
        result = Path(folder) / "bin"
        result.mkdir()
        await _compile(go, result / "controlplane", say)
        for name in COMPONENTS:
            (result / name).symlink_to("controlplane")
        result.rename(built)


async def _compile(go: Path, binary: Path, say: Say) -> None:
    title = f"Building the Kubernetes {_kubernetes_version()} control plane from source; this happens once"
    env = environment()
    if "HOME" not in env:
        env.setdefault("GOPATH", str(binary.parents[2] / "go"))
        env.setdefault("GOCACHE", str(binary.parents[2] / "go-build"))
    with LongStep(title, say) as step:
        try:
            async with asyncio.timeout(BUILD_SECONDS_MAX):
                total = await _stale_packages(go, env, step)
                await _go_build(go, binary, env, total, step)
        except TimeoutError as error:
            raise SandboxError(f"Building the control plane took more than {BUILD_SECONDS_MAX:g} s.") from error
        except ProcessError as error:
            raise SandboxError(f"Building the control plane failed: {error}.") from error
        say(f"Built the control plane in {step.elapsed_seconds:.0f} s")


async def _stale_packages(go: Path, env: dict[str, str], step: LongStep) -> int:
    """How many packages are still to compile; fetches the modules on the way."""
    async with _redrawing(step, lambda: "fetching modules"):
        listed = await run(
            [go, "list", "-deps", *_build_flags(), "-f", "{{if .Stale}}{{.ImportPath}}{{end}}", "."],
            cwd=SOURCE,
            env=env,
            timeout_seconds=LIST_SECONDS_MAX,
            output_bytes_max=LIST_BYTES_MAX,
        )
    if listed.returncode != 0:
        raise _failed(listed.stderr)
    return len(listed.stdout.split())


async def _go_build(go: Path, binary: Path, env: dict[str, str], total: int, step: LongStep) -> None:
    child = await spawn([go, "build", "-v", *_build_flags(), "-o", binary, "."], cwd=SOURCE, env=env, stderr=PIPE)
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
        raise _failed(b"".join(kept))


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


def _failed(output: bytes) -> SandboxError:
    reason = last_lines(output) or "go gave no reason"
    return SandboxError(
        "Building the control plane failed. Its modules come from the network the first time; "
        f"TRUEUP_CONTROLPLANE_DIR may name a folder with the binaries instead. go said: {reason}"
    )
