"""The standard streams of a confined program, as seen from the event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import partial

from trueup.clients.process import STDERR_BYTES_MAX


class _Reader(asyncio.Protocol):
    """Gathers what comes through a pipe; `closed` is set once nothing more is to come."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.closed = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        self.closed.set()


class _Feeding(asyncio.BaseProtocol):
    """Whether there is still somebody to feed."""

    def __init__(self) -> None:
        self.is_over = False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        self.is_over = True


class _Output(_Reader):
    """Keeps everything, or of a stream whose end matters the tail, and counts all that comes."""

    def __init__(self, bytes_max: int, overflow: Callable[[], None], *, kept_max: int) -> None:
        super().__init__()
        self.is_too_large = False
        self._bytes_left = bytes_max
        self._kept_max = kept_max
        self._overflow = overflow

    def data_received(self, data: bytes) -> None:
        if self.is_too_large:
            return
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            self.is_too_large = True
            self._overflow()
            return
        self.data += data
        if len(self.data) > self._kept_max:
            del self.data[: -self._kept_max]


def _itself(reader: _Reader) -> _Reader:
    return reader


class Pipes:
    """Ours of a program's streams. `theirs` is what the program gets: its input, output and error output."""

    def __init__(self, *, output_bytes_max: int, overflow: Callable[[], None]) -> None:
        self._out = _Output(output_bytes_max, overflow, kept_max=output_bytes_max)
        self._err = _Output(output_bytes_max, overflow, kept_max=STDERR_BYTES_MAX)
        self._feeding: tuple[asyncio.WriteTransport, _Feeding] | None = None
        self._reading: list[asyncio.ReadTransport] = []
        self._ours: list[int] = []
        self.theirs: list[int] = []

    async def open(self, stdin: bytes | None) -> None:
        """Make the pipes and begin to read; without `stdin` the input is empty. OSError where no more can be opened."""
        loop = asyncio.get_running_loop()
        if stdin is None:
            self.theirs.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        else:
            read, write = os.pipe()
            self.theirs.append(read)
            self._ours.append(write)
        for _ in (self._out, self._err):
            read, write = os.pipe()
            self._ours.append(read)
            self.theirs.append(write)
        if stdin is not None:
            target = os.fdopen(self._ours.pop(0), "wb", buffering=0)
            self._feeding = await loop.connect_write_pipe(_Feeding, target)
            self._feeding[0].write(stdin)
            self._feeding[0].write_eof()
        for reader in (self._out, self._err):
            source = os.fdopen(self._ours.pop(0), "rb", buffering=0)
            transport, _ = await loop.connect_read_pipe(partial(_itself, reader), source)
            self._reading.append(transport)

    @property
    def output(self) -> bytes:
        return bytes(self._out.data)

    @property
    def error_output(self) -> bytes:
        """The tail of it, at most `STDERR_BYTES_MAX` bytes."""
        return bytes(self._err.data)

    @property
    def is_output_too_large(self) -> bool:
        """Of either stream: reading on for ever would cost us as much as it costs the program."""
        return self._out.is_too_large or self._err.is_too_large

    async def drained(self) -> None:
        """Wait until everything has come. Nobody must hold the other ends any more."""
        await self._out.closed.wait()
        await self._err.closed.wait()

    def let_go(self) -> None:
        """Close the program's ends here; it has its own."""
        for descriptor in self.theirs:
            os.close(descriptor)
        self.theirs.clear()

    def close(self) -> None:
        """Close everything."""
        self.let_go()
        for descriptor in self._ours:
            os.close(descriptor)
        self._ours.clear()
        for transport in self._reading:
            transport.close()
        if self._feeding is not None and not self._feeding[1].is_over:
            # What the program did not read by now it never will.
            self._feeding[0].abort()
