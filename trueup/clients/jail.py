"""Runs foreign programs confined: renderers, which do what a repository tells them to.

A small process of ours, the jailer, forks a keeper for each run, and that one the program (`clients/jailer`). What
this machine has no means for is left out with one warning; what it has is never left out: a run that cannot be
confined as expected does not begin.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from trueup.clients import elf
from trueup.clients.jail_errors import JailBounds, crossed, output_too_large
from trueup.clients.jail_pipes import Pipes
from trueup.clients.jailer import landlock, wire
from trueup.clients.jailer.wire import Layers, Report, Request
from trueup.clients.process import Child, Completed, ProcessNotStarted, spawn

_log = structlog.get_logger(__name__)

LAYERS = frozenset({"landlock", "namespaces", "seccomp"})
#: How long a jailer may take to begin, and a keeper to end what it keeps, beyond the time of a run.
JAILER_SECONDS_MAX = 10.0
_PACKAGES = Path(__file__).resolve().parent.parent.parent
# At the end of the path, so that nothing there stands in for the standard library.
_BOOT = "import sys; sys.path.append(sys.argv.pop(1)); from trueup.clients.jailer.main import main; main()"


class Jail:
    """Where programs run confined. One for each process of ours; costs nothing until the first run.

    `without` names layers to leave out, as on a machine that has no means for them.
    """

    def __init__(self, bounds: JailBounds, *, without: Collection[str] = ()) -> None:
        self._bounds = bounds
        self._without = sorted(LAYERS.intersection(without))
        self._jailer: _Jailer | None = None
        self._starting = asyncio.Lock()
        self._is_told = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._jailer is not None:
            await self._jailer.stop()

    async def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        readable: Sequence[Path],
        writable: Sequence[Path],
        stdin: bytes | None = None,
    ) -> Completed:
        """Run a program to its end and return what it wrote, whatever its exit status.

        `env` is the whole environment. The program sees what lies in `readable`, may write in `writable`, and sees
        nothing else but itself, the file that loads it and /dev/null, /dev/zero and /dev/urandom. It makes no
        link, and changes no file's mode. Without `stdin` it reads an empty file.
        Raises ProcessNotStarted, ProcessTimeout, OutputTooLarge, or one of `jail_errors`. However this call ends,
        also by cancellation or with this process, nothing of the program outlives it.
        """
        request = self._request(argv, cwd=cwd, env=env, readable=readable, writable=writable)
        name = Path(argv[0]).name
        try:
            try:
                return await self._run(name, request, stdin)
            except _JailerGone:
                # It ended before it could pass the run on.
                return await self._run(name, request, stdin)
        except (OSError, EOFError) as error:
            raise ProcessNotStarted(name, "the jailer could not run it") from error

    async def _run(self, name: str, request: Request, stdin: bytes | None) -> Completed:
        """As `run`; OSError or EOFError where the jailer or the keeper does not do its part."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        pipes = Pipes(output_bytes_max=self._bounds.output_bytes_max, overflow=lambda: _hang_up(ours))
        try:
            with theirs:
                await pipes.open(stdin)
                jailer = await self._running()
                jailer.hand_over([theirs.fileno(), *pipes.theirs])
            pipes.let_go()
            try:
                report = await _reported(ours, request, self._bounds.seconds_max + JAILER_SECONDS_MAX)
            except (EOFError, ConnectionError) as error:
                if jailer.is_alive:
                    raise
                raise _JailerGone from error
            if report.problem:
                raise ProcessNotStarted(name, report.problem)
            async with asyncio.timeout(JAILER_SECONDS_MAX):
                await pipes.drained()
        finally:
            ours.close()
            pipes.close()
        if pipes.is_output_too_large:
            raise output_too_large(name, self._bounds, pipes.error_output)
        if beyond := crossed(name, report.ended, self._bounds, pipes.error_output):
            raise beyond
        return Completed(report.returncode, pipes.output, pipes.error_output, report.seconds)

    def _request(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        readable: Sequence[Path],
        writable: Sequence[Path],
    ) -> Request:
        found = shutil.which(argv[0], path=env.get("PATH", os.defpath))
        if found is None:
            raise ProcessNotStarted(Path(argv[0]).name, os.strerror(2))
        program = Path(found).resolve()
        bounds = self._bounds
        try:
            loaders = elf.loader(program)
        except OSError as error:
            raise ProcessNotStarted(program.name, error.strerror or str(error)) from error
        return Request(
            program=str(program),
            loader=list(loaders),
            argv=list(argv),
            cwd=str(cwd.absolute()),
            env=dict(env),
            readable=[str(path.absolute()) for path in readable],
            writable=[str(path.absolute()) for path in writable],
            bounds=wire.Bounds(
                seconds_max=bounds.seconds_max,
                cpu_seconds_max=bounds.cpu_seconds_max,
                memory_bytes_max=bounds.memory_bytes_max,
                file_bytes_max=bounds.file_bytes_max,
                disk_bytes_max=bounds.disk_bytes_max,
                files_open_max=bounds.files_open_max,
                processes_max=bounds.processes_max,
            ),
        )

    async def _running(self) -> _Jailer:
        async with self._starting:
            if self._jailer is not None and not self._jailer.is_alive:
                await self._jailer.stop()
                self._jailer = None
            if self._jailer is None:
                self._jailer = await _Jailer.start(self._without)
                self._tell(self._jailer.layers)
            return self._jailer

    def _tell(self, layers: Layers) -> None:
        missing = missing_of(layers)
        if missing and not self._is_told:
            _log.warning("renderers are confined less than they could be", missing=missing)
        self._is_told = True


class _JailerGone(OSError):  # noqa: N818 -- the name says what happened
    """Nothing of a run has been heard, and the jailer is no longer there."""


class _Jailer:
    """The process that forks keepers, and the socket on which it hears of runs."""

    def __init__(self, child: Child, asking: socket.socket, layers: Layers) -> None:
        self.layers = layers
        self._child = child
        self._asking = asking

    @classmethod
    async def start(cls, without: Sequence[str]) -> _Jailer:
        """Raises ProcessNotStarted."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            command = [sys.executable, "-I", "-S", "-c", _BOOT, str(_PACKAGES), *without]
            child = await spawn(command, env={}, stdin=theirs.fileno(), stderr=None)
        try:
            async with asyncio.timeout(JAILER_SECONDS_MAX):
                layers = wire.layers(await _frame(ours))
        except BaseException as error:
            ours.close()
            await child.terminate(grace_seconds=0)
            if isinstance(error, OSError | EOFError):
                raise ProcessNotStarted("jailer", "it did not begin") from error
            raise
        return cls(child, ours, layers)

    @property
    def is_alive(self) -> bool:
        """Whether it still listens. It says nothing after its first words, so that only its end can be read."""
        try:
            return bool(self._asking.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def hand_over(self, descriptors: list[int]) -> None:
        """Give it the other ends of a run."""
        try:
            socket.send_fds(self._asking, [b"."], descriptors)
        except ConnectionError as error:
            raise _JailerGone from error

    async def stop(self) -> None:
        self._asking.close()
        await self._child.terminate(grace_seconds=0)


def missing_of(layers: Layers) -> list[str]:
    """What this machine has no means for, in words; empty where everything is there."""
    missing = []
    if not layers.landlock and not layers.mounts:
        missing.append("files: neither Landlock nor a mount namespace; a renderer reads what its user may")
    if not layers.namespaces and not layers.seccomp:
        missing.append("network: neither namespaces nor a filter of system calls")
    if not layers.namespaces:
        missing.append("process namespaces: what a renderer leaves behind is searched for")
        if not layers.seccomp and not landlock.scopes_signals(layers.landlock):
            missing.append("signals: a renderer may end other processes of its user")
    if not layers.seccomp:
        missing.append("a filter of system calls: further processes, modes and links are not held back")
    return missing


async def _reported(ours: socket.socket, request: Request, seconds_max: float) -> Report:
    """How the run ended. A cancelled call waits for the end of the run."""
    exchange = asyncio.ensure_future(_exchange(ours, request, seconds_max))
    cancellation: asyncio.CancelledError | None = None
    while not exchange.done():
        try:
            await asyncio.wait([exchange])
        except asyncio.CancelledError as error:
            cancellation = error
            _hang_up(ours)
    if cancellation is not None:
        # What became of the run is nobody's concern any more, an error neither.
        exchange.exception()
        raise cancellation
    return exchange.result()


async def _exchange(ours: socket.socket, request: Request, seconds_max: float) -> Report:
    async with asyncio.timeout(seconds_max):
        await asyncio.get_running_loop().sock_sendall(ours, wire.pack(request))
        return wire.report(await _frame(ours))


def _hang_up(ours: socket.socket) -> None:
    """Tell the keeper that nobody waits any more. It ends the run, and reports that."""
    with contextlib.suppress(OSError):
        ours.shutdown(socket.SHUT_WR)


async def _frame(stream: socket.socket) -> bytes:
    length = wire.body_length(await _exactly(stream, wire.HEAD_BYTES))
    return await _exactly(stream, length)


async def _exactly(stream: socket.socket, length: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = bytearray()
    while len(data) < length:
        chunk = await loop.sock_recv(stream, length - len(data))
        if not chunk:
            raise EOFError("the stream ended within a frame")
        data += chunk
    return bytes(data)
