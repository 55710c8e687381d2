"""Bounds on connections, where HTTP has not begun yet: how many, and how long until a request is there."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from aiohttp import web
from aiohttp.typedefs import Handler

_FULL = b'{"error":"Too many connections; try again."}\n'
_FULL_ANSWER = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(_FULL), _FULL)
)


@dataclass(frozen=True, slots=True)
class ConnectionBounds:
    connections_max: int
    #: From a connection's beginning to the end of its first request's headers.
    headers_seconds_max: float = 10.0
    #: How long a connection may be idle between requests; above what proxies in front usually allow themselves.
    keepalive_seconds_max: float = 75.0
    #: How long a body that nobody wants is read on, so that the sender sees the answer.
    lingering_seconds_max: float = 2.0


class Gate:
    """Counts the connections of one listening address."""

    def __init__(self, bounds: ConnectionBounds) -> None:
        self.bounds = bounds
        self.open = 0


class GatedConnection(asyncio.Protocol):
    """Stands before the HTTP protocol of one connection and passes on what it lets in."""

    def __init__(self, gate: Gate, make: Callable[[], asyncio.Protocol]) -> None:
        self._gate = gate
        self._make = make
        self._inner: asyncio.Protocol | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast("asyncio.Transport", transport)
        if self._gate.open >= self._gate.bounds.connections_max:
            stream.write(_FULL_ANSWER)
            stream.close()
            return
        self._gate.open += 1
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._gate.bounds.headers_seconds_max, stream.abort)
        self._inner = self._make()
        self._inner.connection_made(transport)

    def request_began(self) -> None:
        """The headers are there; from now on the request's own deadlines count."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def connection_lost(self, exc: Exception | None) -> None:
        self.request_began()
        if self._inner is not None:
            self._gate.open -= 1
            self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._inner is not None:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._inner is not None else None

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner is not None:
            self._inner.resume_writing()


@web.middleware
async def note_request(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell the gate that this connection has asked for something."""
    protocol = request.transport.get_protocol() if request.transport is not None else None
    if isinstance(protocol, GatedConnection):
        protocol.request_began()
    return await handler(request)


class GatedSite(web.BaseSite):
    """One listening address with a gate in front."""

    __slots__ = ("_address", "_gate", "_host", "_port")

    def __init__(self, runner: web.BaseRunner, host: str, port: int, gate: Gate) -> None:
        super().__init__(runner)
        self._host, self._port, self._gate = host, port, gate
        self._address = ""

    @property
    def name(self) -> str:
        return f"http://{self._address or f'{self._host}:{self._port}'}"

    @property
    def address(self) -> str:
        """`host:port` as bound; a host that means every address is given as the loopback."""
        return self._address

    async def start(self) -> None:
        await super().start()
        make = self._runner.server
        if make is None:
            raise RuntimeError("the runner is not set up")
        server = await asyncio.get_running_loop().create_server(
            lambda: GatedConnection(self._gate, make), self._host, self._port, backlog=self._backlog
        )
        self._server = server
        family, (host, port, *_) = server.sockets[0].family, server.sockets[0].getsockname()
        if host in {"0.0.0.0", "::"}:  # noqa: S104 -- compared, not bound
            host = "127.0.0.1" if family == socket.AF_INET else "::1"
        self._address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
