"""Where a worker leaves the answer of a view job, and whoever asked for it waits: one short stream an application.

Every reader of a stream sees every answer, so that all who look share it, whichever replica they ask. It is gone
after a minute. What stands there is sealed and, before that, redacted: it holds nothing that a page may not show.
"""

from __future__ import annotations

from dataclasses import dataclass

from redis.asyncio import Redis

from trueup.clients.redis import redis_errors, send, send_blocking
from trueup.clients.seal import Sealer
from trueup.domain.application import ApplicationId

KIND = "view"
#: Two, so that an answer is not lost to a reader that is between two commands when the next one comes.
ANSWERS_KEPT = 2
#: How much longer than asked a blocking command may take to answer.
_BLOCK_GRACE_SECONDS = 2.0
#: In one step, so that no answer stays without an end.
_PUT = (
    "redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[1], '*', 'view', ARGV[2]) "
    "return redis.call('PEXPIRE', KEYS[1], ARGV[3])"
)


@dataclass(frozen=True, slots=True)
class ViewBounds:
    answer_bytes_max: int = 1024 * 1024
    kept_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A sealed answer and its place in the stream."""

    place: str
    sealed: str


class ViewShelf:
    """The answers of view jobs. Raises TransientError or StalledError where Redis does not answer."""

    def __init__(self, client: Redis, *, bounds: ViewBounds | None = None, prefix: str = "{trueup}:") -> None:
        self._client = client
        self._prefix = prefix
        self.bounds = bounds or ViewBounds()

    async def put(self, application: ApplicationId, sealed: str) -> None:
        """Leave an answer for everybody who waits, and for nobody after `kept_seconds`."""
        milliseconds = round(self.bounds.kept_seconds * 1000)
        with redis_errors(self._client):
            words = ("EVAL", _PUT, 1, self._key(application), ANSWERS_KEPT, sealed, milliseconds)
            await send(self._client, "view", *words)

    async def end(self, application: ApplicationId) -> str:
        """The place behind every answer that is there: what comes after it is new."""
        with redis_errors(self._client):
            latest = await send(self._client, "view", "XREVRANGE", self._key(application), "+", "-", "COUNT", 1)
        return _text(latest[0][0]) if latest else "0-0"

    async def next(self, application: ApplicationId, after: str, *, seconds_max: float) -> Answer | None:
        """The first answer after the place, waited for in Redis; None where none came in time."""
        milliseconds = max(1, round(seconds_max * 1000))
        words = ("XREAD", "COUNT", 1, "BLOCK", milliseconds, "STREAMS", self._key(application), after)
        reply = await send_blocking(self._client, *words, seconds_max=seconds_max + _BLOCK_GRACE_SECONDS)
        if not reply:
            return None
        place, (_, sealed) = reply[0][1][0]
        return Answer(_text(place), sealed.decode(errors="replace"))

    def _key(self, application: ApplicationId) -> str:
        return f"{self._prefix}view:{application}"


def subject(application: ApplicationId, uid: str) -> str:
    """What an answer is sealed for: this very Application, and no later one of its name."""
    return f"{application} {uid}"


def sealed_for(sealer: Sealer, application: ApplicationId, uid: str, text: str) -> str:
    return sealer.seal(KIND, subject(application, uid), text)


def opened_for(sealer: Sealer, application: ApplicationId, uid: str, sealed: str) -> str | None:
    """The text, or None where the seal is not ours for this Application."""
    return sealer.open(KIND, subject(application, uid), sealed)


def _text(word: bytes) -> str:
    return word.decode(errors="replace")
