"""The way of audit events from the service to every worker: a stream in Redis.

`{trueup}:audit` is a stream with a bounded length and a TTL. Each entry has the server of the cluster that the
events are from, and the events as a sealed text bound to that server: whoever can write to Redis can make a name
unknown, and cannot name anybody.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files

from redis.asyncio import Redis

from trueup.clients.redis import blocking_read, redis_errors, send
from trueup.clients.seal import Sealer
from trueup.domain.audit import AuditRecord, decode, encode
from trueup.telemetry import AUDIT_EVENTS

KIND = "audit"
FROM_THE_BEGINNING = b"0-0"
#: An entry is full with so much, so that a bound on entries is one on memory. One record may be a little longer.
ENTRY_BYTES_FULL = 32 * 1024
#: What is longer was not written here.
ENTRY_BYTES_MAX = 128 * 1024
#: Entries that a worker takes at a time.
ENTRIES_READ_MAX = 50
BLOCK_SECONDS = 30.0
_BLOCK_GRACE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class AuditStreamBounds:
    #: Give or take a few.
    entries_max: int = 2_000
    #: After the last event.
    seconds_max: float = 3_600.0


DEFAULT_BOUNDS = AuditStreamBounds()


@dataclass(frozen=True, slots=True)
class Heard:
    """What one entry tells."""

    #: The cluster, by its server.
    server: str
    records: tuple[AuditRecord, ...]


class AuditStream:
    """Both ends of the stream."""

    def __init__(self, client: Redis, *, bounds: AuditStreamBounds = DEFAULT_BOUNDS, prefix: str = "{trueup}:") -> None:
        self._client = client
        self._bounds = bounds
        self._key = f"{prefix}audit"
        self._script = (files("trueup.clients") / "lua" / "audit.lua").read_text()

    async def add(self, sealer: Sealer, server: str, records: Sequence[AuditRecord]) -> None:
        """Hand the records over: all, or TransientError or StalledError and none. One round trip."""
        words = [word for text in texts_of(records) for word in (server, sealer.seal(KIND, server, text))]
        milliseconds = max(1, round(self._bounds.seconds_max * 1000))
        with redis_errors(self._client):
            await send(
                self._client,
                "audit",
                "EVAL",
                self._script,
                1,
                self._key,
                self._bounds.entries_max,
                milliseconds,
                *words,
            )

    async def read(self, sealer: Sealer) -> AsyncIterator[Heard]:
        """What there is, and then what comes, for ever. Raises TransientError or StalledError where Redis is away."""
        after = FROM_THE_BEGINNING
        while True:
            entries = await blocking_read(
                self._client,
                self._key,
                after,
                entries_max=ENTRIES_READ_MAX,
                seconds=BLOCK_SECONDS,
                grace_seconds=_BLOCK_GRACE_SECONDS,
            )
            for after, entry in entries:  # noqa: B007 -- where the next read goes on
                yield _opened(sealer, entry)


def _opened(sealer: Sealer, entry: dict[bytes, bytes]) -> Heard:
    server, sealed = (entry.get(word, b"") for word in (b"server", b"sealed"))
    named, text = server.decode(errors="replace"), None
    if len(sealed) <= ENTRY_BYTES_MAX:
        text = sealer.open(KIND, named, sealed.decode(errors="replace"))
    if text is None:
        AUDIT_EVENTS.labels("forged").inc()
        return Heard(named, ())
    return Heard(named, decode(text))


def texts_of(records: Iterable[AuditRecord]) -> Iterator[str]:
    """The records as texts of which each is one entry."""
    together: list[AuditRecord] = []
    size = 0
    for record in records:
        own = len(encode([record]).encode())
        if together and size + own > ENTRY_BYTES_FULL:
            yield encode(together)
            together, size = [], 0
        together.append(record)
        size += own
    if together:
        yield encode(together)
