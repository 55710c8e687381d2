"""A renderer that takes too much of anything is ended, and the error names the bound and its setting."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.jails import (
    BARE,
    MEBIBYTE,
    NO_LANDLOCK,
    NO_NAMESPACES,
    SYSTEM,
    WHOLE,
    attack,
    attempts,
    jail,
    new_token,
    running,
)
from tests.support.wait import wait_until
from trueup.clients.jail_errors import (
    CpuTimeTooLong,
    DiskTooLarge,
    FileTooLarge,
    MemoryTooLarge,
    TooManyProcesses,
)
from trueup.clients.process import OutputTooLarge, ProcessTimeout

SECONDS_MAX = 10.0
EVERYWHERE = pytest.mark.parametrize("without", [WHOLE, NO_NAMESPACES, BARE], ids=["whole", "namespaces", "bare"])


@pytest.fixture
def writable(tmp_path: Path) -> Path:
    path = tmp_path / "work"
    path.mkdir()
    return path


@EVERYWHERE
async def test_one_that_hangs_is_ended_though_it_ignores_requests(without: Sequence[str], writable: Path) -> None:
    script = (
        "import signal, time\n"
        "for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(number, signal.SIG_IGN)\n"
        "print('begun', file=sys.stderr, flush=True)\n"
        "while True: time.sleep(1000)\n"
    )
    token = new_token()
    async with jail(without, seconds_max=1.0) as within:
        with pytest.raises(ProcessTimeout, match=r"ended after 1 s, .*TRUEUP_RENDER_SECONDS_MAX") as caught:
            await attack(within, script, token, writable=writable)
    assert caught.value.stderr == b"begun\n"
    assert not running(token)


@EVERYWHERE
async def test_one_that_computes_for_ever_is_ended(without: Sequence[str], writable: Path) -> None:
    async with jail(without, cpu_seconds_max=1) as within:
        with pytest.raises(CpuTimeTooLong, match=r"1 s of processor time.*TRUEUP_RENDER_CPU_SECONDS_MAX"):
            await attack(within, "while True: pass", writable=writable)


async def test_the_processor_time_of_all_its_processes_counts(writable: Path) -> None:
    # The first of them computes nothing, and no other one for so long.
    script = "import time\nfor _ in range(4):\n    if not os.fork():\n        while True: pass\ntime.sleep(1000)"
    async with jail(cpu_seconds_max=2, processes_max=8, seconds_max=30.0) as within:
        with pytest.raises(CpuTimeTooLong):
            await attack(within, script, writable=writable)


@EVERYWHERE
@pytest.mark.parametrize("kind", ["MAP_PRIVATE", "MAP_SHARED"])
async def test_one_that_eats_memory_is_ended(without: Sequence[str], writable: Path, kind: str) -> None:
    script = (
        "import mmap, time\n"
        "kept = []\n"
        "for _ in range(400):\n"
        f"    one = mmap.mmap(-1, 1024 * 1024, flags=mmap.{kind} | mmap.MAP_ANONYMOUS)\n"
        "    one.write(b'x' * len(one))\n"
        "    kept.append(one)\n"
        "time.sleep(1000)\n"
    )
    async with jail(without) as within:
        with pytest.raises(MemoryTooLarge, match=r"beyond 256 MiB of memory.*TRUEUP_RENDER_MEMORY_BYTES_MAX"):
            await attack(within, script, writable=writable)


@EVERYWHERE
async def test_memory_asked_for_at_once_is_not_given(without: Sequence[str], writable: Path) -> None:
    async with jail(without) as within:
        found = await attempts(within, "attempt('take', lambda: len(bytearray(1 << 30)))", writable=writable)
    assert found == {"take": "MemoryError"}


@pytest.mark.parametrize("without", [WHOLE, NO_NAMESPACES, NO_LANDLOCK], ids=["whole", "namespaces", "landlock"])
async def test_no_memory_is_kept_where_nobody_counts_it(without: Sequence[str], writable: Path) -> None:
    async with jail(without) as within:
        found = await attempts(within, "attempt('memfd', lambda: os.memfd_create('kept'))", writable=writable)
    assert found == {"memfd": "PermissionError"}


@EVERYWHERE
@pytest.mark.parametrize("stream", [1, 2], ids=["output", "error-output"])
async def test_one_that_prints_without_end_is_ended(without: Sequence[str], writable: Path, stream: int) -> None:
    async with jail(without) as within:
        with pytest.raises(OutputTooLarge, match=r"1 MiB of output.*TRUEUP_RENDER_OUTPUT_BYTES_MAX"):
            await attack(within, f"while True: os.write({stream}, b'x' * 65536)", writable=writable)


FILLING = """
import time
{keep}
for number in range(1000):
    with open(str(number), 'wb') as opened:
        {write}
time.sleep(1000)
"""


@EVERYWHERE
@pytest.mark.parametrize(
    ("keep", "write"),
    [
        ("", "opened.write(b'x' * 1048576)"),
        ("kept = []", "opened.write(b'x' * 1048576); os.unlink(opened.name); kept.append(os.dup(opened.fileno()))"),
    ],
    ids=["files", "deleted"],
)
async def test_one_that_fills_the_disk_is_ended(without: Sequence[str], writable: Path, keep: str, write: str) -> None:
    async with jail(without, files_open_max=1024) as within:
        with pytest.raises(DiskTooLarge, match=r"beyond 32 MiB of files.*TRUEUP_RENDER_DISK_BYTES_MAX"):
            await attack(within, FILLING.format(keep=keep, write=write), writable=writable)


async def test_files_that_are_mapped_and_deleted_are_counted(writable: Path) -> None:
    script = (
        "import mmap, time\n"
        "kept = []\n"
        "for number in range(40):\n"
        "    with open('x', 'wb+') as opened:\n"
        "        opened.truncate(1048576)\n"
        "        kept.append(mmap.mmap(opened.fileno(), 1048576))\n"
        "        os.unlink('x')\n"
        "os.closerange(3, 64)\n"
        "time.sleep(1000)\n"
    )
    async with jail() as within:
        with pytest.raises(DiskTooLarge):
            await attack(within, script, writable=writable)


async def test_many_empty_files_fill_a_disk_too(writable: Path) -> None:
    script = "import time\nfor number in range(9000): open(str(number), 'w').close()\ntime.sleep(1000)"
    async with jail() as within:
        with pytest.raises(DiskTooLarge):
            await attack(within, script, writable=writable)


async def test_what_lies_too_deep_to_be_counted_counts_as_too_much(writable: Path) -> None:
    script = "import time\nfor _ in range(30):\n    os.mkdir('d' * 200)\n    os.chdir('d' * 200)\ntime.sleep(1000)\n"
    async with jail() as within:
        with pytest.raises(DiskTooLarge):
            await attack(within, script, writable=writable)


async def test_what_is_left_too_large_at_the_end_counts(writable: Path) -> None:
    # Over before anybody looks.
    script = "open('x', 'wb').write(b'x' * 500000)"
    async with jail(disk_bytes_max=100_000) as within:
        with pytest.raises(DiskTooLarge):
            await attack(within, script, writable=writable)


@EVERYWHERE
async def test_one_file_has_a_longest_length(without: Sequence[str], writable: Path) -> None:
    async with jail(without) as within:
        with pytest.raises(FileTooLarge, match=r"a file of 16 MiB.*TRUEUP_RENDER_FILE_BYTES_MAX"):
            await attack(within, "open('x', 'wb').write(b'x' * (17 << 20))", writable=writable)
    assert (writable / "x").stat().st_size <= 16 * MEBIBYTE


@EVERYWHERE
async def test_the_kernel_limits_what_nobody_looks_at(without: Sequence[str], writable: Path) -> None:
    names = ("CORE", "MEMLOCK", "MSGQUEUE", "CPU")
    script = (
        f"import resource\nfor name in {names}:\n"
        "    attempt(name, lambda: resource.getrlimit(getattr(resource, 'RLIMIT_' + name)))"
    )
    async with jail(without, cpu_seconds_max=30) as within:
        found = await attempts(within, script, writable=writable)
    assert found == {"CORE": [0, 0], "MEMLOCK": [0, 0], "MSGQUEUE": [0, 0], "CPU": [60, 60]}


@EVERYWHERE
async def test_files_that_are_open_are_limited(without: Sequence[str], writable: Path) -> None:
    script = "kept = []\nattempt('many', lambda: [kept.append(os.open(os.devnull, os.O_RDONLY)) for _ in range(100)])"
    async with jail(without) as within:
        found = await attempts(within, script, writable=writable)
    assert found == {"many": "OSError"}


@pytest.mark.parametrize("without", [WHOLE, NO_NAMESPACES, NO_LANDLOCK], ids=["whole", "namespaces", "landlock"])
async def test_no_further_process_is_started(without: Sequence[str], writable: Path) -> None:
    script = (
        "import threading\n"
        "attempt('fork', lambda: os.fork() or os._exit(0))\n"
        "attempt('spawn', lambda: os.posix_spawn('/bin/true', ['true'], {}))\n"
        "attempt('thread', lambda: threading.Thread(target=lambda: open('thread', 'w').close()).start())\n"
    )
    async with jail(without) as within:
        found = await attempts(within, script, writable=writable)
    assert found == {"fork": "PermissionError", "spawn": "PermissionError", "thread": "done"}
    assert (writable / "thread").exists()


@EVERYWHERE
async def test_a_fork_bomb_is_ended_with_all_that_came_of_it(without: Sequence[str], writable: Path) -> None:
    # Seven times twice as many: enough to be too many, and few enough for a machine that would fail this.
    script = (
        "import time\n"
        "first = os.getpid()\n"
        "for _ in range(7): os.fork()\n"
        "if os.getpid() % 2 and os.getpid() != first: os.setsid()\n"
        "time.sleep(1000)\n"
    )
    token = new_token()
    async with jail(without, processes_max=4) as within:
        with pytest.raises(TooManyProcesses, match=r"may have 4 .*TRUEUP_RENDER_PROCESSES_MAX"):
            await attack(within, script, token, writable=writable)
    assert not running(token)


@EVERYWHERE
async def test_a_bomb_of_threads_is_ended(without: Sequence[str], writable: Path) -> None:
    script = (
        "import threading, time\n"
        "threading.stack_size(65536)\n"
        "for _ in range(400):\n"
        "    try: threading.Thread(target=time.sleep, args=(1000,)).start()\n"
        "    except RuntimeError: os._exit(3)\n"
    )
    async with jail(without) as within:
        try:
            done = await attack(within, script, writable=writable)
        except TooManyProcesses:
            return
    assert done.returncode == 3


@EVERYWHERE
async def test_a_daemon_that_it_leaves_behind_is_ended(without: Sequence[str], writable: Path) -> None:
    script = (
        "import time\n"
        "read, write = os.pipe()\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        os.write(write, b'there')\n"
        "        for number in range(3): os.close(number)\n"
        "        time.sleep(1000)\n"
        "    os._exit(0)\n"
        "print(os.read(read, 5).decode())\n"
    )
    token = new_token()
    async with jail(without, processes_max=4) as within:
        done = await attack(within, script, token, writable=writable)
        assert done.stdout == b"there\n"
        assert not running(token)


async def test_a_cancelled_run_ends_alone(writable: Path) -> None:
    script = "import time\nopen(here[0], 'w').close()\ntime.sleep(1000 if here[1] == 'long' else 0)\nprint('done')"
    async with jail() as within:
        token = new_token()
        one = asyncio.create_task(attack(within, script, token, "long", writable=writable))
        other = asyncio.create_task(attack(within, "print(sys.stdin.read(), here[0])", "other", writable=writable))
        await wait_until((writable / token).exists, SECONDS_MAX, "the program's start")
        assert running(token)
        one.cancel()
        with pytest.raises(asyncio.CancelledError):
            await one
        assert not running(token)
        assert (await other).stdout == b" other\n"


async def test_no_signal_is_ignored_for_a_program(writable: Path) -> None:
    """The jailer is Python, which ignores two, and what is ignored stays so in what it becomes."""
    async with jail(NO_NAMESPACES) as within:
        command = ["/bin/sh", "-c", "kill -PIPE $$"]
        done = await within.run(command, cwd=writable, env={}, readable=SYSTEM, writable=[writable])
    assert done.returncode == -signal.SIGPIPE


async def test_how_a_program_failed_is_told(writable: Path) -> None:
    async with jail() as within:
        done = await attack(within, "print('why', file=sys.stderr); sys.exit(3)", writable=writable)
        assert (done.returncode, done.stderr) == (3, b"why\n")
        done = await attack(within, "import ctypes\nctypes.string_at(0)", writable=writable)
        assert done.returncode == -signal.SIGSEGV
