"""The jailer and its keepers: who lives as long as whom, for whom they work, and what is said when they cannot."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.support.jails import (
    BARE,
    MEBIBYTE,
    NO_LANDLOCK,
    NO_NAMESPACES,
    SYSTEM,
    WHOLE,
    attack,
    jail,
    new_token,
    running,
)
from tests.support.processes import children_of, is_alive
from tests.support.wait import wait_until
from trueup.clients.process import DEVNULL, PIPE, ProcessNotStarted, base_environment, spawn

SECONDS_MAX = 10.0
NOBODY = 65534
EVERYWHERE = pytest.mark.parametrize("without", [WHOLE, NO_NAMESPACES, BARE], ids=["whole", "namespaces", "bare"])
# Says that it is there, and stays until a file appears.
WAITING = """
import time
open('there', 'a').write('once')
while not os.path.exists('go'): time.sleep(0.01)
print('done')
"""
# Leaves a process of another session behind, and stays itself.
LEAVING = """
import time
if os.fork(): open('there', 'w').close()
else: os.setsid()
time.sleep(1000)
"""


@pytest.fixture
def writable(tmp_path: Path) -> Path:
    path = tmp_path / "work"
    path.mkdir()
    return path


def jailer() -> int:
    (pid,) = [pid for pid in children_of(os.getpid()) if b"trueup.clients.jailer" in _command(pid)]
    return pid


def content(path: Path) -> str:
    return path.read_text()


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


async def test_nothing_is_started_before_the_first_run(writable: Path) -> None:
    before = children_of(os.getpid())
    async with jail() as within:
        assert children_of(os.getpid()) == before
        await attack(within, "", writable=writable)
        pid = jailer()
    assert not is_alive(pid)


async def test_a_jailer_that_is_gone_is_started_again_and_its_runs_go_on(writable: Path) -> None:
    async with jail() as within:
        run = asyncio.create_task(attack(within, WAITING, writable=writable))
        await wait_until((writable / "there").exists, SECONDS_MAX, "the program's start")
        first = jailer()
        os.kill(first, signal.SIGKILL)
        await wait_until(lambda: not is_alive(first), SECONDS_MAX, "the jailer's end")
        assert (await attack(within, "print('again')", writable=writable)).stdout == b"again\n"
        assert jailer() != first
        (writable / "go").touch()
        assert (await run).stdout == b"done\n"
    assert content(writable / "there") == "once"


async def test_a_run_that_the_jailer_never_heard_of_is_asked_for_again(writable: Path) -> None:
    async with jail() as within:
        await attack(within, "", writable=writable)
        first = jailer()
        os.kill(first, signal.SIGSTOP)
        run = asyncio.create_task(attack(within, "print('done')", writable=writable))
        # It is asked without waiting for anything outside of this process.
        for _ in range(100):
            await asyncio.sleep(0)
        os.kill(first, signal.SIGKILL)
        assert (await run).stdout == b"done\n"


@EVERYWHERE
async def test_a_worker_that_is_killed_takes_its_renderers_along(
    without: Sequence[str], tmp_path: Path, writable: Path
) -> None:
    token = new_token()
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from tests.support.jails import attack, jail\n"
        "async def main():\n"
        f"    async with jail({without!r}, processes_max=4) as within:\n"
        "        await attack(within, sys.argv[3], sys.argv[1], writable=Path(sys.argv[2]))\n"
        "asyncio.run(main())\n"
    )
    environment = base_environment() | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program, token, str(writable), LEAVING]
    worker = await spawn(command, env=environment, stderr=DEVNULL)
    try:
        await wait_until((writable / "there").exists, SECONDS_MAX, "the program's start")
        os.kill(worker.pid, signal.SIGKILL)
        await wait_until(lambda: not running(token), SECONDS_MAX, "the program's end")
    finally:
        await worker.terminate(grace_seconds=0)


@EVERYWHERE
async def test_a_program_does_not_outlive_its_keeper(without: Sequence[str], writable: Path) -> None:
    token = new_token()
    async with jail(without) as within:
        run = asyncio.create_task(attack(within, WAITING, token, writable=writable))
        await wait_until((writable / "there").exists, SECONDS_MAX, "the program's start")
        (pid,) = running(token)
        os.kill(parent_of(pid), signal.SIGKILL)
        await wait_until(lambda: not running(token), SECONDS_MAX, "the program's end")
        with pytest.raises(ProcessNotStarted, match="the jailer could not run it"):
            await run


async def test_runs_go_on_at_the_same_time(tmp_path: Path) -> None:
    places = [tmp_path / str(number) for number in range(8)]
    for place in places:
        place.mkdir()
    async with jail() as within:
        runs = [asyncio.create_task(attack(within, WAITING, writable=place)) for place in places]
        for place in places:
            await wait_until((place / "there").exists, SECONDS_MAX, "every program's start")
        for place in places:
            (place / "go").touch()
        assert {done.stdout for done in await asyncio.gather(*runs)} == {b"done\n"}


@EVERYWHERE
async def test_large_input_and_output_pass_through(without: Sequence[str], writable: Path) -> None:
    data = os.urandom(3 * MEBIBYTE)
    async with jail(without, output_bytes_max=len(data)) as within:
        done = await within.run(["cat"], cwd=writable, env={}, readable=SYSTEM, writable=[], stdin=data)
    assert done.stdout == data


async def test_unread_input_is_no_error(writable: Path) -> None:
    async with jail() as within:
        done = await within.run(
            ["true"], cwd=writable, env={}, readable=SYSTEM, writable=[writable], stdin=b"x" * MEBIBYTE
        )
    assert done.returncode == 0


@EVERYWHERE
async def test_what_is_not_there_is_told(without: Sequence[str], writable: Path) -> None:
    async with jail(without) as within:
        with pytest.raises(ProcessNotStarted, match="no-such-program: No such file"):
            await within.run(["no-such-program"], cwd=writable, env={}, readable=SYSTEM, writable=[])
        with pytest.raises(ProcessNotStarted, match="true: No such file"):
            await within.run(["true"], cwd=writable / "none", env={}, readable=SYSTEM, writable=[])
        assert (await attack(within, "print(1)", writable=writable)).returncode == 0


@pytest.mark.parametrize("without", [WHOLE, NO_LANDLOCK], ids=["whole", "landlock"])
async def test_a_run_that_cannot_be_confined_does_not_begin(without: Sequence[str], writable: Path) -> None:
    async with jail(without) as within:
        with pytest.raises(ProcessNotStarted, match="true: No such file"):
            await within.run(["true"], cwd=writable, env={}, readable=[*SYSTEM, writable / "none"], writable=[writable])


async def test_what_a_machine_lacks_is_said_once(writable: Path) -> None:
    with capture_logs() as said:
        async with jail(BARE) as within:
            await attack(within, "", writable=writable)
            os.kill(jailer(), signal.SIGKILL)
            await attack(within, "", writable=writable)
    (line,) = said
    assert line["log_level"] == "warning"
    words = " ".join(line["missing"])
    assert all(what in words for what in ("files", "network", "process namespaces", "signals", "system calls"))


async def test_a_machine_that_lacks_nothing_hears_nothing(writable: Path) -> None:
    with capture_logs() as said:
        async with jail(WHOLE) as within:
            await attack(within, "", writable=writable)
    assert said == []


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root becomes another user")
@pytest.mark.parametrize("without", [WHOLE, NO_NAMESPACES, NO_LANDLOCK], ids=["whole", "namespaces", "landlock"])
async def test_an_ordinary_user_is_confined_as_well(without: Sequence[str], tmp_path: Path) -> None:
    program = (
        "import asyncio, json, os, sys, tempfile\n"
        "from pathlib import Path\n"
        "from tests.support.jails import attempts, jail\n"
        "print('begun', flush=True)\n"
        "os.environ['CANARY'] = 'canary'\n"
        "async def main():\n"
        "    with tempfile.TemporaryDirectory() as outside, tempfile.TemporaryDirectory() as work:\n"
        "        Path(outside, 'token').write_text('canary')\n"
        f"        async with jail({without!r}) as within:\n"
        "            found = await attempts(within, '''\n"
        "import resource, socket, threading\n"
        "attempt('token', lambda: open(here[0] + '/token').read())\n"
        "attempt('environ', lambda: open('/proc/%s/environ' % here[1]).read())\n"
        "attempt('socket', lambda: socket.socket())\n"
        "attempt('fork', lambda: os.fork())\n"
        "attempt('kill', lambda: os.kill(int(here[1]), 9))\n"
        "attempt('mine', lambda: open('mine', 'w').close())\n"
        "attempt('user', lambda: os.getuid())\n"
        "attempt('thread', lambda: threading.Thread(target=print).start())\n"
        "threading.stack_size(65536)\n"
        "end = threading.Event()\n"
        "def many():\n"
        "    for _ in range(300): threading.Thread(target=end.wait, daemon=True).start()\n"
        "if here[2]: attempt('threads', many)\n"
        "end.set()\n"
        "''', outside, str(os.getpid()), sys.argv[1], writable=Path(work))\n"
        "        print(json.dumps(found))\n"
        "asyncio.run(main())\n"
    )
    ids = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    environment = base_environment() | {"PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": "/tmp"}  # noqa: S108
    # The interpreter of these tests may lie where only root may look.
    worker = await spawn(
        ["setpriv", *ids, "/usr/bin/python3", "-c", program, "" if "namespaces" in without else "many"],
        env=environment,
        stdout=PIPE,
        cwd=Path("/"),
    )
    try:
        text = await worker.stdout.read()
    finally:
        await worker.terminate(grace_seconds=SECONDS_MAX)
    if not text:
        pytest.skip("no ordinary user may run this interpreter")
    found = json.loads(text.splitlines()[-1])
    assert found.pop("user") == NOBODY
    # Where processes are not counted by the kernel, it is the keeper who counts them.
    assert found.pop("threads", "RuntimeError") == "RuntimeError"
    assert found.pop("mine") == found.pop("thread") == "done"
    assert set(found.values()) <= {"PermissionError", "FileNotFoundError", "ProcessLookupError"}, found
