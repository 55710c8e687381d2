"""A proxy in front of a real API server that makes the network and the server misbehave on demand.

Plain HTTP in front, TLS behind; tokens pass through. Every request gets a connection of its own to
the server, so that one can be cut, delayed, silenced or answered in the server's place without
touching the others.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_BUFFER_BYTES = 4 * 1024 * 1024
_EVENT_END = b"}\n"


@dataclass(frozen=True, slots=True)
class Seen:
    """The head of one request."""

    method: str
    target: str
    headers: Mapping[str, str]

    @property
    def is_watch(self) -> bool:
        return "watch=true" in self.target


Matches = Callable[[Seen], bool]


@dataclass(slots=True)
class Fault:
    """What to do to requests that match, until `times` are used up or the fault is lifted."""

    matches: Matches
    times: int | None = None
    #: Answered in the server's place.
    answer: bytes | None = None
    #: Passed on, then cut after so many watch events.
    cut_after_events: int | None = None
    #: Passed on, then this chunk put in and the answer ended.
    instead_of_body: bytes | None = None
    #: Taken and never answered; an answer under way goes silent.
    black_hole: bool = False
    delay_seconds: float = 0.0
    #: Passed on only once this is set.
    held: asyncio.Event | None = None
    used: int = 0
    #: How many of them were passed on and answered.
    answered: int = 0
    lifted: bool = False

    def wants(self, seen: Seen) -> bool:
        return not self.lifted and (self.times is None or self.used < self.times) and self.matches(seen)


@dataclass(slots=True)
class FaultyProxy:
    """The proxy's controls."""

    upstream: str
    ca: str
    url: str = ""
    requests: list[Seen] = field(default_factory=list)
    _faults: list[Fault] = field(default_factory=list)
    _open: set[asyncio.Task[None]] = field(default_factory=set)
    #: Shared by the answers under way; set once they are to be held back.
    _held_back: asyncio.Event = field(default_factory=asyncio.Event)

    def watches(self) -> int:
        """Watches that clients have asked for so far."""
        return sum(seen.is_watch for seen in self.requests)

    def lists(self) -> int:
        """Requests so far that were not watches and went to a collection or an object."""
        return sum(not seen.is_watch for seen in self.requests)

    def answer(
        self,
        matches: Matches,
        status: int,
        body: bytes = b"",
        *,
        headers: Mapping[str, str] | None = None,
        times: int | None = None,
    ) -> Fault:
        """Answer with `status` in the server's place."""
        lines = [f"HTTP/1.1 {status} injected", f"Content-Length: {len(body)}", "Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        head = "\r\n".join([*lines, "Connection: close", "", ""]).encode()
        return self._add(Fault(matches, times=times, answer=head + body))

    def cut_watches(self, *, after_events: int, times: int | None = None, of: str = "") -> Fault:
        """Close the connection of a watch once so many events have passed; `of` is a part of its path."""
        return self._add(Fault(_watches(of), times=times, cut_after_events=after_events))

    def end_watches_with(self, line: bytes, *, times: int | None = None, of: str = "") -> Fault:
        """Answer a watch with 200 and this one event, and end it; `of` is a part of its path."""
        return self._add(Fault(_watches(of), times=times, instead_of_body=line))

    def lose_answers(self, matches: Matches, *, times: int | None = None) -> Fault:
        """Pass requests on, and reset their connections in place of the answer."""
        return self._add(Fault(matches, times=times, cut_after_events=0))

    def black_hole(self, matches: Matches, *, times: int | None = None) -> Fault:
        """Take requests and never answer."""
        return self._add(Fault(matches, times=times, black_hole=True))

    def delay(self, matches: Matches, seconds: float, *, times: int | None = None) -> Fault:
        """Pass requests on after `seconds`."""
        return self._add(Fault(matches, times=times, delay_seconds=seconds))

    def hold(self, matches: Matches, *, times: int | None = None) -> Fault:
        """Pass requests on once the fault is lifted."""
        return self._add(Fault(matches, times=times, held=asyncio.Event()))

    def lift(self, fault: Fault) -> None:
        """End a fault for requests to come; those that were held go on."""
        fault.lifted = True
        if fault.held:
            fault.held.set()

    def silence(self) -> None:
        """Hold back every byte of the answers under way, for ever, with their connections open."""
        self._held_back.set()
        self._held_back = asyncio.Event()

    def cut_all(self) -> None:
        """Reset every connection there is."""
        for task in self._open:
            task.cancel()

    def _add(self, fault: Fault) -> Fault:
        self._faults.append(fault)
        return fault

    def _fault_for(self, seen: Seen) -> Fault | None:
        for fault in self._faults:
            if fault.wants(seen):
                fault.used += 1
                return fault
        return None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client connection, one request."""
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            await self._serve(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        seen = _parse(head)
        body = await reader.readexactly(int(seen.headers.get("content-length", "0")))
        fault = self._fault_for(seen)
        self.requests.append(seen)
        if fault and fault.black_hole:
            await asyncio.Event().wait()
        if fault and fault.held:
            await fault.held.wait()
        if fault and fault.delay_seconds:
            await asyncio.sleep(fault.delay_seconds)
        if fault and fault.answer is not None:
            writer.write(fault.answer)
            await writer.drain()
            return
        if fault and fault.instead_of_body is not None:
            line = fault.instead_of_body
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n" + line)
            await writer.drain()
            return
        await self._pass_on(head, body, reader, writer, fault.cut_after_events if fault else None)
        if fault:
            fault.answered += 1

    async def _pass_on(
        self,
        head: bytes,
        body: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        events_max: int | None,
    ) -> None:
        target = urlsplit(self.upstream)
        trust = ssl.create_default_context(cadata=self.ca)
        up_reader, up_writer = await asyncio.open_connection(
            target.hostname, target.port, ssl=trust, limit=_BUFFER_BYTES
        )
        # An answer that ends with its connection needs no understanding here.
        up_writer.write(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1) + body)
        left = asyncio.create_task(reader.read(1))
        answered = asyncio.create_task(self._relay(up_reader, writer, events_max))
        try:
            await asyncio.wait({left, answered}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Before the next await, which may be cancelled. Abort alone does not count as closing on a TLS transport.
            up_writer.close()
            up_writer.transport.abort()
            for task in (left, answered):
                task.cancel()
            await asyncio.wait({left, answered})

    async def _relay(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, events_max: int | None) -> None:
        held_back = self._held_back
        passed = 0
        while chunk := await source.read(65536):
            if held_back.is_set():
                await asyncio.Event().wait()
            if events_max is not None:
                allowed = _up_to_event(chunk, events_max - passed)
                passed += chunk[:allowed].count(_EVENT_END)
                chunk = chunk[:allowed]
            sink.write(chunk)
            with suppress(ConnectionError):
                await sink.drain()
            if events_max is not None and passed >= events_max:
                sink.transport.abort()
                return


def _watches(part: str) -> Matches:
    return lambda seen: seen.is_watch and part in seen.target


def _up_to_event(chunk: bytes, events: int) -> int:
    """Length of the part of `chunk` that holds so many ends of an event, or of all of it."""
    position = 0
    for _ in range(events):
        found = chunk.find(_EVENT_END, position)
        if found < 0:
            return len(chunk)
        position = found + len(_EVENT_END)
    return position


def _parse(head: bytes) -> Seen:
    first, *rest = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    pairs = (line.split(":", 1) for line in rest if ":" in line)
    return Seen(method, target, {name.strip().lower(): value.strip() for name, value in pairs})


@asynccontextmanager
async def faulty_proxy(upstream: str, ca: str) -> AsyncIterator[FaultyProxy]:
    """A proxy to the API server at `upstream`, whose certificate `ca` (PEM) vouches for."""
    proxy = FaultyProxy(upstream, ca)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, limit=_BUFFER_BYTES)
    host, port = server.sockets[0].getsockname()[:2]
    proxy.url = f"http://{host}:{port}"
    try:
        yield proxy
    finally:
        server.close()
        proxy.cut_all()
        await server.wait_closed()
