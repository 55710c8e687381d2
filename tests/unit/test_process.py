"""Processes end when they should, and take what they started along."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.support.processes import children_of, is_alive
from tests.support.wait import wait_until
from trueup.clients.process import (
    DEVNULL,
    PIPE,
    STDERR_BYTES_MAX,
    OutputTooLarge,
    ProcessNotStarted,
    ProcessTimeout,
    base_environment,
    run,
    spawn,
)

SHELL = "/bin/sh"
SECONDS_MAX = 10.0


async def shell(script: str, *arguments: str, seconds: float = SECONDS_MAX, output_bytes_max: int = 4096) -> str:
    completed = await run(
        [SHELL, "-ec", script, "sh", *arguments],
        env=base_environment(),
        timeout_seconds=seconds,
        output_bytes_max=output_bytes_max,
    )
    return completed.stdout.decode()


async def pid_in(path: Path) -> int:
    def read() -> int:
        return int(path.read_text().strip() or 0) if path.exists() else 0

    return await wait_until(read, SECONDS_MAX, f"a pid in {path.name}")


async def gone(path: Path) -> None:
    pid = await pid_in(path)
    await wait_until(lambda: not is_alive(pid), SECONDS_MAX, f"the end of process {pid}")


# A process with a child of its own, which would go on for ever.
FAMILY = 'sleep 1000 & echo $! > "$1"; wait'


async def test_returns_output_and_exit_status() -> None:
    completed = await run(
        [SHELL, "-c", "cat; echo careful >&2; exit 3"],
        env=base_environment(),
        stdin=b"hello",
        timeout_seconds=SECONDS_MAX,
        output_bytes_max=4096,
    )
    assert (completed.returncode, completed.stdout, completed.stderr) == (3, b"hello", b"careful\n")


async def test_stdin_is_empty_unless_given() -> None:
    assert await shell("cat") == ""


async def test_large_input_and_output_pass_through() -> None:
    data = os.urandom(3 * 1024 * 1024)
    completed = await run(
        ["cat"], env=base_environment(), stdin=data, timeout_seconds=SECONDS_MAX, output_bytes_max=len(data)
    )
    assert completed.stdout == data


async def test_unread_input_is_no_error() -> None:
    completed = await run(
        ["true"],
        env=base_environment(),
        stdin=b"x" * 1024 * 1024,
        timeout_seconds=SECONDS_MAX,
        output_bytes_max=1,
    )
    assert completed.returncode == 0


async def test_gets_the_given_environment_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRUEUP_PROBE", "from outside")
    completed = await run(
        ["/usr/bin/env"], cwd=tmp_path, env={"A": "1"}, timeout_seconds=SECONDS_MAX, output_bytes_max=4096
    )
    assert completed.stdout == b"A=1\n"
    assert "TRUEUP_PROBE" not in base_environment()


async def test_stderr_keeps_its_tail() -> None:
    completed = await run(
        [SHELL, "-c", "head -c 300000 /dev/zero >&2; echo the end >&2"],
        env=base_environment(),
        timeout_seconds=SECONDS_MAX,
        output_bytes_max=1,
    )
    assert len(completed.stderr) == STDERR_BYTES_MAX
    assert completed.stderr.endswith(b"the end\n")


async def test_missing_program_is_named() -> None:
    with pytest.raises(ProcessNotStarted, match="no-such-program: No such file"):
        await run(["no-such-program"], env=base_environment(), timeout_seconds=1, output_bytes_max=1)


async def test_timeout_kills_the_whole_group(tmp_path: Path) -> None:
    with pytest.raises(ProcessTimeout, match=r"sh: ended after 0\.5 s"):
        await shell(FAMILY, str(tmp_path / "pid"), seconds=0.5)
    await gone(tmp_path / "pid")


async def test_too_much_output_kills_the_whole_group(tmp_path: Path) -> None:
    with pytest.raises(OutputTooLarge, match="4096 bytes"):
        await shell('sleep 1000 & echo $! > "$1"; cat /dev/zero', str(tmp_path / "pid"))
    await gone(tmp_path / "pid")


async def test_cancellation_kills_the_whole_group(tmp_path: Path) -> None:
    task = asyncio.create_task(shell(FAMILY, str(tmp_path / "pid")))
    await pid_in(tmp_path / "pid")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await gone(tmp_path / "pid")


async def test_a_cancellation_while_it_is_killed_leaves_the_exit_status_to_its_watcher(
    caplog: pytest.LogCaptureFixture,
) -> None:
    child = await spawn([SHELL, "-c", "exec sleep 1000"], env=base_environment())
    ending = asyncio.create_task(child.terminate(grace_seconds=0))
    while not ending.done():
        await asyncio.sleep(0)
        ending.cancel()
    assert ending.cancelled()
    assert child.returncode in {-signal.SIGTERM, -signal.SIGKILL}
    assert not caplog.records, "somebody else reaped it"


@pytest.mark.parametrize("steps", range(8))
async def test_a_cancellation_while_it_is_started_leaves_the_exit_status_to_its_watcher(
    caplog: pytest.LogCaptureFixture, steps: int
) -> None:
    others = children_of(os.getpid())
    starting = asyncio.create_task(shell("exit 0"))
    for _ in range(steps):
        await asyncio.sleep(0)
    _wait_without_the_loop_until_its_children_have_ended(besides=others)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not caplog.records, "somebody else reaped it"


def _wait_without_the_loop_until_its_children_have_ended(*, besides: list[int]) -> None:
    for pid in set(children_of(os.getpid())).difference(besides):
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


async def test_an_ended_process_leaves_no_child_behind(tmp_path: Path) -> None:
    await shell('sleep 1000 & echo $! > "$1"', str(tmp_path / "pid"))
    await gone(tmp_path / "pid")


async def test_a_descendant_that_left_the_group_does_not_hold_us_up(tmp_path: Path) -> None:
    try:
        assert await shell('setsid sleep 1000 & echo $! > "$1"; echo done', str(tmp_path / "pid")) == "done\n"
    finally:
        os.kill(await pid_in(tmp_path / "pid"), signal.SIGKILL)


async def test_child_answers_through_its_pipes() -> None:
    child = await spawn(["cat"], env=base_environment(), stdin=PIPE, stdout=PIPE)
    try:
        for line in (b"one\n", b"two\n"):
            child.stdin.write(line)
            await child.stdin.drain()
            assert await child.stdout.readline() == line
        assert child.returncode is None
    finally:
        assert await child.terminate(grace_seconds=SECONDS_MAX) == -signal.SIGTERM
    assert child.returncode == -signal.SIGTERM


async def test_child_with_unread_output_still_ends() -> None:
    child = await spawn([SHELL, "-c", "cat /dev/zero"], env=base_environment(), stdout=PIPE)
    assert await child.terminate(grace_seconds=SECONDS_MAX) == -signal.SIGTERM


async def test_child_writes_to_a_file(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        child = await spawn([SHELL, "-c", "echo out; echo err >&2"], env=base_environment(), stdout=log, stderr=log)
    assert await child.wait() == 0
    await child.terminate(grace_seconds=0)
    assert (tmp_path / "log").read_text() == "out\nerr\n"


async def test_child_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    child = await spawn(
        [
            SHELL,
            "-c",
            'trap "" TERM; sleep 1000 & echo $! > "$1"; while :; do wait; done',
            "sh",
            str(tmp_path / "pid"),
        ],
        env=base_environment(),
    )
    await pid_in(tmp_path / "pid")
    assert await child.terminate(grace_seconds=0.2) == -signal.SIGKILL
    await gone(tmp_path / "pid")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")
@pytest.mark.parametrize("launcher", ["death_signal.launcher", "lambda: ()"], ids=["by-setpriv", "by-itself"])
async def test_child_dies_with_a_parent_that_is_killed(tmp_path: Path, launcher: str) -> None:
    program = (
        "import asyncio, sys\n"
        "from trueup.clients import death_signal\n"
        f"death_signal.launcher = {launcher}\n"
        "from trueup.clients.process import base_environment, spawn\n"
        "async def main():\n"
        "    child = await spawn(['sleep', '1000'], env=base_environment())\n"
        "    print(child.pid, flush=True)\n"
        "    await child.wait()\n"
        "asyncio.run(main())\n"
    )
    environment = base_environment() | {"PYTHONPATH": os.pathsep.join(sys.path)}
    parent = await spawn([sys.executable, "-c", program], env=environment, stdout=PIPE, stderr=DEVNULL)
    try:
        pid = int(await parent.stdout.readline())
        # Before that the kernel may not have been asked yet.
        await wait_until(lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n", SECONDS_MAX, "its program")
        os.kill(parent.pid, signal.SIGKILL)
        await wait_until(lambda: not is_alive(pid), SECONDS_MAX, "the child's end")
    finally:
        await parent.terminate(grace_seconds=0)


async def test_a_program_and_what_it_starts_give_way_as_far_as_they_are_told() -> None:
    # What it starts right away may miss it: the kernel is asked once the program runs.
    command = [SHELL, "-c", "until [ $(nice) = 7 ]; do sleep 0.01; done; sh -c nice"]
    done = await run(command, env=base_environment(), timeout_seconds=SECONDS_MAX, output_bytes_max=100, niceness=7)
    assert done.stdout == b"7\n"
