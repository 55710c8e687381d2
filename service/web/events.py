"""What changes, told to browsers: server-sent events (WHATWG HTML, "Server-sent events").

An event names what has changed and carries none of it: the page asks for that anew. A reader that is too slow for
its events gets one that means all of them, so that no queue grows.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import web

from ..answers import RefusedError
from .answers import STREAM_HEADERS
from .past import Past

#: Everything may have changed.
RELOAD = "reload"
#: Topics that wait for one reader; more become one `reload`.
PENDING_MAX = 10
#: Topics that one reader may name, and how long each may be.
TOPICS_MAX = 20
TOPIC_CHARS_MAX = 300
#: Between two events of a stream: what changes faster is told together.
PAUSE_SECONDS = 0.1
#: When a browser tries again after a broken connection.
RETRY_MILLISECONDS = 2_000


@dataclass(frozen=True, slots=True)
class StreamBounds:
    event_streams_max: int = 200
    event_heartbeat_seconds: float = 15.0
    event_write_seconds_max: float = 20.0


DEFAULT_BOUNDS = StreamBounds()


class Reader:
    """What one stream has not told yet."""

    def __init__(self, topics: frozenset[str]) -> None:
        self._topics = topics
        self._pending: dict[str, None] = {}
        self._news = asyncio.Event()
        self._end = asyncio.Event()

    @property
    def is_over(self) -> bool:
        return self._end.is_set()

    def hear(self, topics: Iterable[str]) -> None:
        """Keep those that the reader asked for."""
        wanted = [topic for topic in topics if topic in self._topics]
        if not wanted or RELOAD in self._pending:
            return
        self._pending.update(dict.fromkeys(wanted))
        if len(self._pending) > PENDING_MAX:
            self.reload()
        self._news.set()

    def reload(self) -> None:
        """Tell, in place of all that waits, that everything may have changed."""
        self._pending = {RELOAD: None}
        self._news.set()

    def end(self) -> None:
        self._end.set()
        self._news.set()

    async def next(self, *, seconds_max: float) -> tuple[str, ...]:
        """What is to be told; nothing where there was nothing for so long."""
        await _within(self._news, seconds_max)
        self._news.clear()
        told, self._pending = tuple(self._pending), {}
        return told

    async def pause(self, seconds: float) -> None:
        """Let what follows come together; the end is not waited out."""
        await _within(self._end, seconds)


async def _within(event: asyncio.Event, seconds_max: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds_max):
            await event.wait()


class Events:
    """Tells every reader of what it asked for; bounded in readers and in what waits for each."""

    def __init__(self, bounds: StreamBounds = DEFAULT_BOUNDS) -> None:
        self._bounds = bounds
        self._readers: set[Reader] = set()
        self._is_over = False
        self._past = Past()

    @property
    def readers(self) -> int:
        return len(self._readers)

    @property
    def position(self) -> str:
        """Where the telling stands: a stream that is given it as `last` tells of what comes after it."""
        return self._past.position

    def tell(self, *topics: str) -> None:
        """Something has changed. Runs on the event loop, and is quick."""
        self._past.note(topics)
        for reader in self._readers:
            reader.hear(topics)

    async def close(self, _app: web.Application | None = None) -> None:
        """End every stream: the process is about to."""
        self._is_over = True
        for reader in self._readers:
            reader.end()

    @contextmanager
    def reading(self, topics: frozenset[str]) -> Iterator[Reader]:
        """A reader of these topics. RefusedError where there are as many as there may be."""
        if self._is_over or len(self._readers) >= self._bounds.event_streams_max:
            raise RefusedError(503, "Too many pages are open; this one is not live.", retry_after_seconds=30)
        reader = Reader(topics)
        self._readers.add(reader)
        try:
            yield reader
        finally:
            self._readers.discard(reader)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """`GET /events?on=TOPIC&on=TOPIC`: an event for each topic that has changed, until somebody leaves.

        `last=ID` says from where on; a browser that comes back by itself says it as `Last-Event-ID`, and knows better.
        """
        topics = frozenset(request.query.getall("on", ())) - {""}
        if not topics or len(topics) > TOPICS_MAX or any(len(topic) > TOPIC_CHARS_MAX for topic in topics):
            raise RefusedError(400, f"Say what you want to hear of: 1 to {TOPICS_MAX} times on=TOPIC.")
        with self.reading(topics) as reader:
            last = request.headers.get("Last-Event-ID", request.query.get("last"))
            response = web.StreamResponse(headers=STREAM_HEADERS)
            await response.prepare(request)
            if last is not None and self._past.may_have_passed(last, topics):
                reader.reload()
            try:
                async for text in self._texts(reader):
                    async with asyncio.timeout(self._bounds.event_write_seconds_max):
                        await response.write(text.encode())
            except ConnectionError:
                pass
            except TimeoutError:
                # What was written is still there, and would be waited for.
                if request.transport is not None:
                    request.transport.abort()
        return response

    async def _texts(self, reader: Reader) -> AsyncIterator[str]:
        yield f"retry: {RETRY_MILLISECONDS}\nid: {self.position}\nevent: hello\ndata: hello\n\n"
        while not reader.is_over:
            topics = await reader.next(seconds_max=self._bounds.event_heartbeat_seconds)
            if reader.is_over:
                return
            if not topics:
                yield "event: beat\ndata: beat\n\n"
                continue
            yield "".join(f"id: {self.position}\nevent: changed\ndata: {topic}\n\n" for topic in topics)
            await reader.pause(PAUSE_SECONDS)
