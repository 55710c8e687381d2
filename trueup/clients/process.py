"""The one place that starts processes; those that are not trusted are forked by the jailer (`clients/jail.py`).

Every child leads its own session and process group, gets exactly the
environment it is given, and dies with the process that started it, even when
that one is killed with SIGKILL (on Linux; elsewhere only an orderly end takes
the children along, see `death_signal`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from asyncio.subprocess import SubprocessStreamProtocol
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import IO, Any, TypeVar, cast

from trueup.clients.death_signal import with_death_signal

PIPE = subprocess.PIPE
DEVNULL = subprocess.DEVNULL

STDERR_BYTES_MAX = 64 * 1024
# A descendant that left the group may hold the pipes of a process that has ended.
PIPE_DRAIN_SECONDS_MAX = 1.0
STREAM_BUFFER_BYTES_MAX = 1024 * 1024

Target = int | IO[bytes] | None
Argument = str | bytes | os.PathLike[str]
Stream = TypeVar("Stream", asyncio.StreamReader, asyncio.StreamWriter)


class ProcessError(Exception):
    """A process could not be started or did not end as it should.

    `program` is its name, `stderr` the tail of what it had to say (at most
    `STDERR_BYTES_MAX` bytes).
    """

    def __init__(self, program: str, message: str, stderr: bytes = b"") -> None:
        super().__init__(f"{program}: {message}")
        self.program = program
        self.stderr = stderr


class ProcessNotStarted(ProcessError):  # noqa: N818 -- the name says what happened
    """The program is not there or may not be run."""


class ProcessTimeout(ProcessError):  # noqa: N818 -- the name says what happened
    """The process ran longer than it was allowed to; its group was killed."""


class OutputTooLarge(ProcessError):  # noqa: N818 -- the name says what happened
    """The process wrote more than it was allowed to; its group was killed."""


@dataclass(frozen=True, slots=True)
class Completed:
    """How a process ended.

    `returncode` is the exit status, or minus the number of the signal that
    ended it. `stderr` is the tail, at most `STDERR_BYTES_MAX` bytes.
    """

    returncode: int
    stdout: bytes
    stderr: bytes
    #: From when it had been started until it was seen to have ended.
    seconds: float


def base_environment() -> dict[str, str]:
    """The environment that every program needs, and nothing a user has set for another purpose."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
    if timezone := os.environ.get("TZ"):
        environment["TZ"] = timezone
    return environment


def _signal_group(transport: asyncio.BaseTransport, number: int) -> None:
    pid = cast("asyncio.SubprocessTransport", transport).get_pid()
    # The child made itself leader of the group `pid` before it ran the program.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


async def _start(
    protocol: _Collector | _Streams,
    argv: Sequence[Argument],
    *,
    cwd: Path | None,
    env: Mapping[str, str],
    stdin: Target,
    stdout: Target,
    stderr: Target,
) -> asyncio.SubprocessTransport:
    try:
        command, prepare = with_death_signal(argv, env)
        starting = asyncio.ensure_future(
            asyncio.get_running_loop().subprocess_exec(
                lambda: protocol,
                *command,
                cwd=cwd,
                env=dict(env),
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
                preexec_fn=prepare,
            )
        )
        transport, cancellation = await _in_spite_of_cancellation(starting)
    except OSError as error:
        raise ProcessNotStarted(_program(argv), error.strerror or str(error)) from error
    if cancellation is not None:
        await _end(transport, protocol.exited)
        raise cancellation
    return transport


async def _in_spite_of_cancellation(
    starting: asyncio.Future[tuple[asyncio.SubprocessTransport, Any]],
) -> tuple[asyncio.SubprocessTransport, asyncio.CancelledError | None]:
    """What was started, and the cancellation that came meanwhile.

    Cancelled in the middle, asyncio would reap the process itself, and let its group go on.
    """
    cancellation: asyncio.CancelledError | None = None
    while not starting.done():
        try:
            await asyncio.wait([starting])
        except asyncio.CancelledError as error:
            cancellation = error
    return starting.result()[0], cancellation


def _program(argv: Sequence[Argument]) -> str:
    return Path(os.fsdecode(argv[0])).name


class _Collector(asyncio.SubprocessProtocol):
    """Gathers what a process writes; `finished` is set once nothing more is to come."""

    def __init__(self, output_bytes_max: int) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.exited = asyncio.Event()
        self.closed = asyncio.Event()
        self.overflown = asyncio.Event()
        self._output_bytes_max = output_bytes_max

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        chunk = cast("bytes", data)
        if fd == 2:
            self.stderr += chunk
            del self.stderr[:-STDERR_BYTES_MAX]
        elif len(self.stdout) + len(chunk) > self._output_bytes_max:
            self.overflown.set()
        else:
            self.stdout += chunk

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def process_exited(self) -> None:
        # What it left behind must go now: later its group's number may be another's.
        _signal_group(self._transport, signal.SIGKILL)
        self.exited.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        self.closed.set()


async def _first(*events: asyncio.Event) -> None:
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


async def _end(transport: asyncio.SubprocessTransport, exited: asyncio.Event) -> None:
    """Kill what still runs, wait until it is reaped, and let go of the pipes.

    A cancellation waits for that too: a transport that is closed before would reap the process
    itself, and whoever watches over it would find none. After SIGKILL it is a matter of moments.
    """
    cancellation: asyncio.CancelledError | None = None
    if not exited.is_set():
        _signal_group(transport, signal.SIGKILL)
    while not exited.is_set():
        try:
            await exited.wait()
        except asyncio.CancelledError as error:
            cancellation = error
    transport.close()
    if cancellation is not None:
        raise cancellation


async def _finish(collector: _Collector) -> None:
    await _first(collector.exited, collector.overflown)
    if collector.overflown.is_set():
        return
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PIPE_DRAIN_SECONDS_MAX):
            await _first(collector.closed, collector.overflown)


def _feed(transport: asyncio.SubprocessTransport, data: bytes) -> None:
    pipe = cast("asyncio.WriteTransport", transport.get_pipe_transport(0))
    pipe.write(data)
    pipe.write_eof()


async def run(
    argv: Sequence[Argument],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str],
    stdin: bytes | None = None,
    timeout_seconds: float,
    output_bytes_max: int,
    niceness: int = 0,
) -> Completed:
    """Run a program to its end and return what it wrote, whatever its exit status.

    `env` is the whole environment. Without `stdin` the program reads an empty
    file. `output_bytes_max` bounds stdout; of stderr the tail is kept. With a
    `niceness` (1 to 19) it and what it starts give way to others.
    Raises ProcessNotStarted, ProcessTimeout or OutputTooLarge. However this
    call ends, also by cancellation, the process group does not outlive it.
    """
    collector = _Collector(output_bytes_max)
    source = DEVNULL if stdin is None else PIPE
    transport = await _start(collector, argv, cwd=cwd, env=env, stdin=source, stdout=PIPE, stderr=PIPE)
    started = monotonic()
    try:
        if niceness:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.setpriority(os.PRIO_PROCESS, transport.get_pid(), niceness)
        if stdin is not None:
            _feed(transport, stdin)
        async with asyncio.timeout(timeout_seconds):
            await _finish(collector)
        seconds = monotonic() - started
    except TimeoutError as error:
        message = f"ended after {timeout_seconds:g} s, the longest it may run"
        raise ProcessTimeout(_program(argv), message, bytes(collector.stderr)) from error
    finally:
        await _end(transport, collector.exited)
    if collector.overflown.is_set():
        message = f"ended after {output_bytes_max} bytes of output, the most it may write"
        raise OutputTooLarge(_program(argv), message, bytes(collector.stderr))
    returncode = cast("int", transport.get_returncode())
    return Completed(returncode, bytes(collector.stdout), bytes(collector.stderr), seconds)


class _Streams(SubprocessStreamProtocol):
    """Standard streams, plus an event for the end of the process.

    The wait of asyncio's own Process lasts until all pipes are at their end
    too, which never comes for one that nobody reads.
    """

    def __init__(self) -> None:
        super().__init__(limit=STREAM_BUFFER_BYTES_MAX, loop=asyncio.get_running_loop())
        self.exited = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._started = transport

    def process_exited(self) -> None:
        super().process_exited()
        _signal_group(self._started, signal.SIGKILL)
        self.exited.set()


def _pipe(stream: Stream | None, name: str) -> Stream:
    if stream is None:
        raise ValueError(f"the child was not spawned with {name}=PIPE")
    return stream


class Child:
    """A process that runs beside us. Whoever spawned it has to `terminate` it."""

    def __init__(self, program: str, transport: asyncio.SubprocessTransport, streams: _Streams) -> None:
        self.program = program
        self._transport = transport
        self._streams = streams

    @property
    def pid(self) -> int:
        return self._transport.get_pid()

    @property
    def returncode(self) -> int | None:
        """The exit status, minus the signal's number, or None while the process runs."""
        return self._transport.get_returncode()

    @property
    def stdin(self) -> asyncio.StreamWriter:
        """The writing end; only for a child spawned with `stdin=PIPE`."""
        return _pipe(self._streams.stdin, "stdin")

    @property
    def stdout(self) -> asyncio.StreamReader:
        """The reading end; only for a child spawned with `stdout=PIPE`."""
        return _pipe(self._streams.stdout, "stdout")

    @property
    def stderr(self) -> asyncio.StreamReader:
        """The reading end; only for a child spawned with `stderr=PIPE`."""
        return _pipe(self._streams.stderr, "stderr")

    async def wait(self) -> int:
        """Wait for the end of the process and return its `returncode`."""
        await self._streams.exited.wait()
        return cast("int", self.returncode)

    def signal(self, number: int) -> None:
        """Send a signal to the process group, if the process still runs."""
        if not self._streams.exited.is_set():
            _signal_group(self._transport, number)

    async def terminate(self, *, grace_seconds: float) -> int:
        """End the process group: SIGTERM, and SIGKILL after `grace_seconds`.

        Returns the exit status. A cancelled call kills at once.
        """
        try:
            self.signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_seconds):
                    await self._streams.exited.wait()
        finally:
            await _end(self._transport, self._streams.exited)
        return await self.wait()


async def spawn(
    argv: Sequence[Argument],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str],
    stdin: Target = DEVNULL,
    stdout: Target = DEVNULL,
    stderr: Target = DEVNULL,
) -> Child:
    """Start a program that runs until it is told to stop.

    `env` is the whole environment. Each stream is `PIPE`, `DEVNULL`, an open
    binary file, or None for our own. The child dies with the *thread* that
    spawned it, so call this from a loop that lives as long as the child should.
    Raises ProcessNotStarted.
    """
    streams = _Streams()
    transport = await _start(streams, argv, cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=stderr)
    return Child(_program(argv), transport, streams)
