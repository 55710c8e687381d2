"""A renderer reaches nobody: no port, no socket file, no other process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.jails import NO_LANDLOCK, NO_NAMESPACES, NO_SECCOMP, WHOLE, attempts, jail, new_token, running
from tests.support.wait import wait_until
from trueup.clients.process import DEVNULL, base_environment, spawn

SECONDS_MAX = 10.0
LANDLOCK_ALONE = ("namespaces", "seccomp")
CONNECT = """
import socket
host, port, path, abstract = here
def stream(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as one:
        one.connect(address)
def datagram():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(b'canary', (host, int(port)))
def listen():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
        one.bind((host, 0))
        one.listen()
attempt('tcp', lambda: stream(socket.AF_INET, (host, int(port))))
attempt('abstract', lambda: stream(socket.AF_UNIX, chr(0) + abstract))
attempt('file', lambda: stream(socket.AF_UNIX, path))
attempt('udp', datagram)
attempt('bind', listen)
attempt('netlink', lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close())
attempt('pair', lambda: [one.close() for one in socket.socketpair()] and None)
"""


@pytest.fixture
def writable(tmp_path: Path) -> Path:
    path = tmp_path / "work"
    path.mkdir()
    return path


async def reached(without: Sequence[str], writable: Path) -> dict[str, str]:
    """What became of each way out, with somebody listening at the end of all of them."""
    abstract, visible = secrets.token_hex(8), writable / "listener"
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_UNIX) as hidden,
        socket.socket(socket.AF_UNIX) as named,
    ):
        host, port = tcp.getsockname()
        udp.bind((host, port))
        hidden.bind("\0" + abstract)
        hidden.listen()
        named.bind(str(visible))
        named.listen()
        async with jail(without) as within:
            found = await attempts(within, CONNECT, host, str(port), visible, abstract, writable=writable)
        udp.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            found["arrived"] = udp.recv(100).decode()
    return found


@pytest.mark.parametrize("without", [WHOLE, NO_NAMESPACES, NO_LANDLOCK], ids=["whole", "namespaces", "landlock"])
async def test_no_socket_of_any_kind_is_made(without: Sequence[str], writable: Path) -> None:
    found = await reached(without, writable)
    assert set(found.values()) == {"PermissionError"}, found


async def test_there_is_no_way_out_of_its_network_either(writable: Path) -> None:
    found = await reached(NO_SECCOMP, writable)
    refused = {"PermissionError", "OSError", "ConnectionRefusedError"}
    assert {found[name] for name in ("tcp", "abstract", "udp", "bind")} <= refused, found
    assert "arrived" not in found


async def test_landlock_alone_closes_ports_and_hides_abstract_sockets(writable: Path) -> None:
    found = await reached(LANDLOCK_ALONE, writable)
    assert {found[name] for name in ("tcp", "abstract", "bind")} == {"PermissionError"}, found


async def test_landlock_alone_keeps_signals_inside(writable: Path) -> None:
    victim = await spawn(["sleep", "1000"], env=base_environment(), stdout=DEVNULL)
    try:
        async with jail(LANDLOCK_ALONE) as within:
            found = await attempts(
                within, "attempt('kill', lambda: os.kill(int(here[0]), 9))", str(victim.pid), writable=writable
            )
    finally:
        await victim.terminate(grace_seconds=0)
    assert found == {"kill": "PermissionError"}


@pytest.mark.parametrize("without", [WHOLE, NO_NAMESPACES, NO_LANDLOCK, NO_SECCOMP, ("landlock", "namespaces")])
async def test_no_other_process_is_signalled_or_limited(without: Sequence[str], writable: Path) -> None:
    victim = await spawn(["sleep", "1000"], env=base_environment(), stdout=DEVNULL)
    try:
        async with jail(without) as within:
            found = await attempts(
                within,
                "import resource, signal\n"
                "pid = int(here[0])\n"
                "attempt('kill', lambda: os.kill(pid, signal.SIGKILL))\n"
                "attempt('group', lambda: os.killpg(pid, signal.SIGKILL))\n"
                "attempt('limit', lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, (0, 0)) and None)\n"
                "attempt('parent', lambda: os.kill(os.getppid() or pid, signal.SIGSTOP))\n",
                str(victim.pid),
                writable=writable,
            )
        assert victim.returncode is None
    finally:
        await victim.terminate(grace_seconds=0)
    assert set(found.values()) <= {"PermissionError", "ProcessLookupError"}, found


async def test_runs_at_the_same_time_do_not_reach_each_other(writable: Path) -> None:
    other = writable / "other"
    mine = writable / "mine"
    for path in (other, mine):
        path.mkdir()
    async with jail() as within:
        waiting = asyncio.create_task(
            attempts(within, "import time\nopen('there', 'w').close()\ntime.sleep(1000)", writable=other)
        )
        await wait_until((other / "there").exists, SECONDS_MAX, "the other's start")
        try:
            found = await attempts(within, "attempt('look', lambda: os.listdir(here[0]))", other, writable=mine)
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
    assert found == {"look": "PermissionError"}


def content(path: Path) -> str:
    return path.read_text()


def status_of(pid: int) -> dict[str, str]:
    lines = content(Path(f"/proc/{pid}/status")).splitlines()
    return dict(line.split(":\t", 1) for line in lines)


async def test_no_privilege_is_left(writable: Path) -> None:
    """Not even for uid 0, whom the kernel would otherwise give all of them again."""
    token = new_token()
    async with jail() as within:
        waiting = asyncio.create_task(
            attempts(
                within,
                "import time\nopen('there', 'w').close()\ntime.sleep(1000)",
                token,
                writable=writable,
            )
        )
        await wait_until((writable / "there").exists, SECONDS_MAX, "the program's start")
        try:
            (pid,) = running(token)
            words = status_of(pid)
            ended_first = content(Path(f"/proc/{pid}/oom_score_adj"))
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
    assert {int(words[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}
    assert ended_first == "1000\n"
    assert (words["NoNewPrivs"], words["Seccomp"], words["Uid"].split()[0]) == ("1", "2", str(os.getuid()))
