"""However the sandbox ends, nothing of it is left."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.processes import children_of, is_alive
from tests.support.wait import wait_until
from trueup.clients.process import Child, base_environment, spawn
from trueup.sandbox import SandboxError, ensure_binaries, ensure_tools, running
from trueup.sandbox.assets import COMPONENTS
from trueup.sandbox.files import make_directory, read_if_there

START_SECONDS_MAX = 90.0
END_SECONDS_MAX = 15.0

SERVE = """
import asyncio, sys
from pathlib import Path
from trueup.sandbox import SandboxError, serve
try:
    asyncio.run(serve(Path(sys.argv[1])))
except SandboxError as error:
    sys.exit(str(error))
"""


@asynccontextmanager
async def serving(directory: Path, **variables: str) -> AsyncIterator[Child]:
    """`serve(directory)` in a process of its own, which writes to `directory/output`."""
    make_directory(directory)
    given = {
        "TRUEUP_CONTROLPLANE_DIR": str(await ensure_binaries()),
        "TRUEUP_TOOLS_DIR": str(await ensure_tools()),
        "PYTHONPATH": os.pathsep.join(sys.path),
        **variables,
    }
    with (directory / "output").open("wb") as output:
        child = await spawn(
            [sys.executable, "-c", SERVE, directory], env=base_environment() | given, stdout=output, stderr=output
        )
    try:
        yield child
    finally:
        await child.terminate(grace_seconds=END_SECONDS_MAX)


async def until_it_answers(directory: Path, child: Child, *, left_over: str | None = None) -> Mapping[str, int]:
    """The pids that it tells of in a sandbox.json that was not `left_over` from another."""
    description = directory / "sandbox.json"

    def ready() -> bool:
        return read_if_there(description) not in (None, left_over) or child.returncode is not None

    await wait_until(ready, START_SECONDS_MAX, "sandbox.json")
    assert child.returncode is None, read_if_there(directory / "output")
    pids: Mapping[str, int] = json.loads(read_if_there(description) or "")["pids"]
    assert all(map(is_alive, pids.values()))
    return pids


async def until_all_ended(pids: Mapping[str, int]) -> None:
    await wait_until(lambda: not any(map(is_alive, pids.values())), END_SECONDS_MAX, f"the end of {pids}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_ends_when_asked(tmp_path: Path, number: signal.Signals) -> None:
    async with serving(tmp_path) as child:
        pids = await until_it_answers(tmp_path, child)
        os.kill(child.pid, number)
        async with asyncio.timeout(END_SECONDS_MAX):
            assert await child.wait() == 0, (tmp_path / "output").read_text()
        assert not any(map(is_alive, pids.values()))
        assert not (tmp_path / "sandbox.json").exists()
        assert "KUBECONFIG=" in (tmp_path / "output").read_text()


async def test_leaves_nothing_behind_when_it_is_killed(tmp_path: Path) -> None:
    async with serving(tmp_path) as child:
        pids = await until_it_answers(tmp_path, child)
        os.kill(child.pid, signal.SIGKILL)
        await until_all_ended(pids)
    # The folder can be used again: what the killed one wrote does not pass for an answer.
    left_over = read_if_there(tmp_path / "sandbox.json")
    async with serving(tmp_path) as child:
        again = await until_it_answers(tmp_path, child, left_over=left_over)
        assert not set(again.values()) & set(pids.values())


async def test_ends_with_the_name_of_a_part_that_ended(tmp_path: Path) -> None:
    async with serving(tmp_path) as child:
        pids = await until_it_answers(tmp_path, child)
        os.kill(pids["etcd"], signal.SIGKILL)
        async with asyncio.timeout(END_SECONDS_MAX):
            assert await child.wait() == 1
        output = (tmp_path / "output").read_text()
        assert "etcd was ended by SIGKILL while the sandbox was running. The end of" in output
        assert "Traceback" not in output
        assert not any(map(is_alive, pids.values()))
        assert not (tmp_path / "sandbox.json").exists()


async def test_the_caller_hears_of_a_part_that_ended(tmp_path: Path) -> None:
    pids: dict[str, int] = {}

    async def lose_the_queue() -> None:
        async with running(tmp_path, progress=lambda _: None) as sandbox:
            pids.update(sandbox.pids)
            os.kill(pids["valkey"], signal.SIGKILL)
            await asyncio.Event().wait()

    with pytest.raises(SandboxError, match="valkey was ended by SIGKILL"):
        await lose_the_queue()
    assert pids
    assert not any(map(is_alive, pids.values()))


async def test_two_in_one_folder_are_refused_and_an_error_of_the_caller_passes(tmp_path: Path) -> None:
    pids: dict[str, int] = {}

    async def start_twice() -> None:
        async with running(tmp_path, progress=lambda _: None) as sandbox:
            pids.update(sandbox.pids)
            with pytest.raises(SandboxError, match="Another sandbox runs in"):
                await running(tmp_path, progress=lambda _: None).__aenter__()
            assert read_if_there(tmp_path / "sandbox.json")
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await start_twice()
    assert pids
    assert not any(map(is_alive, pids.values()))
    assert not (tmp_path / "sandbox.json").exists()


async def test_a_failed_start_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binaries = await ensure_binaries()
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in COMPONENTS:
        (broken / name).symlink_to(binaries / name)
    (broken / "kube-scheduler").unlink()
    (broken / "kube-scheduler").write_text("#!/bin/sh\necho out of order\nexit 3\n")
    (broken / "kube-scheduler").chmod(0o755)
    monkeypatch.setenv("TRUEUP_CONTROLPLANE_DIR", str(broken))
    before = children_of(os.getpid())
    with pytest.raises(SandboxError, match=r"(?s)kube-scheduler ended with exit status 3.*out of order"):
        async with running(tmp_path / "sandbox", progress=lambda _: None):
            pass
    assert children_of(os.getpid()) == before
    assert not (tmp_path / "sandbox" / "sandbox.json").exists()


async def test_a_cancelled_start_leaves_nothing_behind(tmp_path: Path) -> None:
    async def start() -> None:
        async with running(tmp_path, progress=lambda _: None):
            pytest.fail("it was cancelled before")

    before = set(children_of(os.getpid()))
    task = asyncio.create_task(start())
    log = tmp_path / "logs" / "kube-apiserver.log"
    await wait_until(log.exists, START_SECONDS_MAX, "the API server's start")
    assert set(children_of(os.getpid())) > before
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert set(children_of(os.getpid())) == before
