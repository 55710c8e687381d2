"""Webhooks at a fixed rate, whatever becomes of them: an open loop.

`python -m benchmarks.sender` reads what to send as JSON from stdin (`Order`) and writes what became of it as
JSON to stdout. It is a process of its own, so that nothing but its own work keeps it from its schedule.

The time of a request runs from when it was *due*. A server that is slow does not slow the sender down, nor do
requests that had to wait behind a slow one drop out of the figures.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import uuid4

import orjson

#: Between the connections being open and the first request.
LEAD_SECONDS = 0.2
HEAD_BYTES_MAX = 16 * 1024


@dataclass(frozen=True)
class Message:
    """A delivery without its id, which is another one each time."""

    headers: dict[str, str]
    body: str


@dataclass(frozen=True)
class Order:
    """What to send: each message in turn."""

    url: str
    per_second: float
    seconds: float
    connections: int
    #: How long after the last request was due the last answer is waited for.
    answer_seconds_max: float
    messages: list[Message]

    @property
    def count(self) -> int:
        return round(self.per_second * self.seconds)


@dataclass
class Outcome:
    #: Seconds from due to answered, of every request that was answered.
    times: list[float] = field(default_factory=list)
    #: Seconds by which this process came to a request later than it was due. Part of its time.
    lateness: list[float] = field(default_factory=list)
    #: How many requests had each status; `none` where the connection broke or nothing came.
    answers: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Request:
    due: float
    data: bytes


class Connection(asyncio.Protocol):
    """One connection with at most one request on it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._request: Request | None = None
        self._received = b""

    def send(self, request: Request) -> None:
        if self._transport is None:
            raise RuntimeError("not connected")
        self._request, self._received = request, b""
        self._transport.write(request.data)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            if len(head) > HEAD_BYTES_MAX:
                self.close()
            return
        status, headers = _parsed(head)
        if self._request is None or len(rest) < int(headers.get("content-length", "0")):
            return
        request, self._request = self._request, None
        if headers.get("connection", "").lower() == "close":
            self.close()
        self._pool.answered(self, request, status)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        self._pool.lost(self, self._request)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()


def _parsed(head: bytes) -> tuple[str, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return first.split()[1], {name.lower(): value.strip() for name, _, value in pairs}


class Pool:
    """A bounded number of connections; a request that finds none free waits, and its time runs on."""

    def __init__(self, host: str, port: int, connections: int, group: asyncio.TaskGroup) -> None:
        self._loop = asyncio.get_running_loop()
        self._address = host, port
        self._connections = connections
        self._group = group
        self._open: set[Connection] = set()
        self._free: list[Connection] = []
        self._waiting: deque[Request] = deque()
        self._unsettled = 0
        self._is_closing = False
        self._settled = asyncio.Event()
        self._settled.set()
        self.outcome = Outcome()

    async def open(self) -> None:
        for _ in range(self._connections):
            await self._connect()

    def send(self, request: Request) -> None:
        self.outcome.lateness.append(self._loop.time() - request.due)
        self._unsettled += 1
        self._settled.clear()
        if self._free:
            self._free.pop().send(request)
        else:
            self._waiting.append(request)

    def answered(self, connection: Connection, request: Request, status: str) -> None:
        self.outcome.times.append(self._loop.time() - request.due)
        self._settle(status)
        if connection.is_open:
            self._next(connection)

    def lost(self, connection: Connection, request: Request | None) -> None:
        self._open.discard(connection)
        if self._is_closing:
            return
        if request is not None:
            self._settle("none")
        if connection in self._free:
            self._free.remove(connection)
        self._group.create_task(self._connect())

    async def finish(self, seconds_max: float) -> None:
        """Wait for what is under way; what has no answer by then has none."""
        try:
            async with asyncio.timeout(seconds_max):
                await self._settled.wait()
        except TimeoutError:
            self.outcome.answers["none"] += self._unsettled
        self._is_closing = True
        for connection in self._open:
            connection.close()

    async def _connect(self) -> None:
        _, connection = await self._loop.create_connection(lambda: Connection(self), *self._address)
        if connection.is_open:
            self._open.add(connection)
            self._next(connection)

    def _next(self, connection: Connection) -> None:
        if self._waiting:
            connection.send(self._waiting.popleft())
        else:
            self._free.append(connection)

    def _settle(self, status: str) -> None:
        self.outcome.answers[status] += 1
        self._unsettled -= 1
        if not self._unsettled:
            self._settled.set()


async def send(order: Order) -> Outcome:
    """Send each request when it is due. ExceptionGroup with an OSError where nobody listens any more."""
    target = urlsplit(order.url)
    heads = [_head(target.path, target.netloc, message) for message in order.messages]
    bodies = [message.body.encode() for message in order.messages]
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        pool = Pool(target.hostname or "", target.port or 80, order.connections, group)
        await pool.open()
        begin = loop.time() + LEAD_SECONDS
        for number in range(order.count):
            due = begin + number / order.per_second
            data = _delivery(heads, bodies, number)
            await asyncio.sleep(max(0.0, due - loop.time()))
            pool.send(Request(due, data))
        await pool.finish(order.answer_seconds_max)
    return pool.outcome


def _head(path: str, host: str, message: Message) -> bytes:
    headers = {"Host": host, "Content-Length": str(len(message.body.encode())), **message.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\n{lines}".encode()


def _delivery(heads: Sequence[bytes], bodies: Sequence[bytes], number: int) -> bytes:
    which = number % len(heads)
    return heads[which] + f"X-GitHub-Delivery: {uuid4()}\r\n\r\n".encode() + bodies[which]


def main() -> None:
    raw: dict[str, Any] = orjson.loads(sys.stdin.buffer.read())
    order = Order(**{**raw, "messages": [Message(**message) for message in raw["messages"]]})
    # A collection in the middle would be counted as the server's slowness; nothing here goes in circles.
    gc.disable()
    outcome = asyncio.run(send(order))
    found = {"times": outcome.times, "lateness": outcome.lateness, "answers": outcome.answers}
    sys.stdout.buffer.write(orjson.dumps(found))


if __name__ == "__main__":
    main()
