"""The connection to Redis or Valkey, and what its errors mean.

Every command is sent once: most of what Trueup sends changes something, and a reply that got lost
says nothing of whether it did. A connection that broke is made anew by the next call.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from trueup.domain.errors import StalledError, TransientError, TrueupError
from trueup.telemetry import REDIS_CALLS

#: Redis 7 brought flags for scripts; `allow-oom` lets a full server still be emptied.
VERSION_MIN = (7, 0)

#: What passes by itself and what does not, by the first word of the reply.
_PASSING = {
    "LOADING": "is loading its data",
    "BUSY": "is busy with a script",
    "OOM": "is out of memory: raise its maxmemory",
    "READONLY": "is a read-only replica: point the URL at the primary, or wait for the failover",
    "MASTERDOWN": "has lost its primary",
    "MISCONF": "cannot save to its disk and refuses writes",
    "NOREPLICAS": "has too few replicas to take a write",
    "CLUSTERDOWN": "is down as a cluster",
    "TRYAGAIN": "is moving its slots",
    "UNBLOCKED": "is changing its role",
}
_REFUSING = {
    "WRONGPASS": "wants another user or password than the URL holds",
    "NOPERM": "does not permit this user the commands that the queue needs",
    "MOVED": "is a cluster that keeps the queue on another node: use a server outside a cluster",
}
#: redis-py takes the first word away where it has a class for it.
_WORDS: dict[type[Exception], str] = {
    exceptions.BusyLoadingError: "LOADING",
    exceptions.OutOfMemoryError: "OOM",
    exceptions.ReadOnlyError: "READONLY",
    exceptions.MasterDownError: "MASTERDOWN",
    exceptions.ClusterDownError: "CLUSTERDOWN",
    exceptions.TryAgainError: "TRYAGAIN",
    exceptions.AuthenticationError: "WRONGPASS",
    exceptions.AuthorizationError: "WRONGPASS",
    exceptions.NoPermissionError: "NOPERM",
    exceptions.MovedError: "MOVED",
}


@dataclass(frozen=True, slots=True)
class RedisBounds:
    connect_seconds_max: float = 5.0
    #: For one call, from asking for a connection to its reply; a blocking command adds the time it may block.
    reply_seconds_max: float = 5.0
    #: A connection that was idle for longer is tried with PING before it is used.
    health_check_seconds: float = 15.0
    #: A blocked claim holds one connection, so this is well above the number of claims of a process.
    connections_max: int = 64
    #: How long a call waits for a free connection.
    connection_wait_seconds_max: float = 5.0


DEFAULT_BOUNDS = RedisBounds()


class _Client(Redis):
    """A client whose calls are bounded here.

    redis-py bounds a write by `asyncio.wait_for`, which before Python 3.12 may swallow a cancellation
    that comes with the result (gh-86296): whoever was to stop would go on. Without a `socket_timeout`
    it does not use it.
    """

    call_seconds_max = DEFAULT_BOUNDS.reply_seconds_max

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """One command on one connection: what redis-py adds here are retries and measurements, at half of its cost."""
        pool = self.connection_pool
        try:
            async with asyncio.timeout(self.call_seconds_max):
                connection = await pool.get_connection()  # type: ignore[no-untyped-call]
                try:
                    # Both end the connection where they fail or are cancelled: nobody reads another's answer.
                    await connection.send_command(*args)
                    return await self.parse_response(connection, args[0], **options)
                finally:
                    await pool.release(connection)
        except TimeoutError as error:
            raise exceptions.TimeoutError("no answer in time") from error


def connect(url: str, *, bounds: RedisBounds = DEFAULT_BOUNDS) -> Redis:
    """A client for `redis://`, `rediss://` and `unix://` URLs, with the user and password they hold.

    Connects at the first call; close it with `aclose()`. Raises StalledError where the URL cannot be
    understood; the sentence does not repeat the URL, which may hold a password.
    """
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            timeout=bounds.connection_wait_seconds_max,
            max_connections=bounds.connections_max,
            socket_timeout=None,
            socket_connect_timeout=bounds.connect_seconds_max,
            health_check_interval=bounds.health_check_seconds,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
    except (ValueError, TypeError, exceptions.RedisError):
        # What urllib says of a bad port quotes a part of the password.
        raise StalledError(
            "the Redis URL cannot be understood: it must look like redis://[user:password@]host:port/0, "
            "rediss://… or unix:///path, with the special characters of a password percent-encoded"
        ) from None
    client = cast("_Client", _Client.from_pool(pool))
    client.call_seconds_max = bounds.reply_seconds_max
    return client


def address(client: Redis) -> str:
    """Where the client points, for messages: never with user or password."""
    options = client.connection_pool.connection_kwargs
    if "path" in options:
        return f"unix:{options['path']}"
    return f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"


@contextmanager
def redis_errors(client: Redis) -> Iterator[None]:
    """Turn what Redis says, or the way to it, into TransientError or StalledError."""
    try:
        yield
    except (exceptions.RedisError, OSError) as error:
        raise _named(error, f"Redis at {address(client)}") from error


async def send(client: Redis, label: str, *words: str | bytes | float) -> Any:
    """One round trip, counted under `label`. Its errors are redis-py's; see `redis_errors`."""
    REDIS_CALLS.labels(label).inc()
    return await client.execute_command(*words)  # type: ignore[no-untyped-call]


async def check_server(client: Redis) -> None:
    """Raise StalledError where this server would lose jobs by itself or cannot run the scripts.

    Raises TransientError where it may answer better later: it is away, loading, or a replica.
    """
    REDIS_CALLS.labels("info").inc()
    with redis_errors(client):
        info = await client.info()
    server = f"Redis at {address(client)}"
    version = str(info.get("redis_version", "0"))
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < VERSION_MIN:
        raise StalledError(f"{server} is version {version}; Trueup needs Redis 7.0 or any Valkey")
    if info.get("role") != "master":
        raise TransientError(f"{server} {_PASSING['READONLY']}")
    policy = str(info.get("maxmemory_policy", "noeviction"))
    if info.get("maxmemory") and policy != "noeviction":
        raise StalledError(
            f"{server} may evict jobs: its maxmemory-policy is {policy}. "
            "Set maxmemory-policy to noeviction, or give Trueup a server of its own"
        )


async def blocking_pop(client: Redis, key: str, seconds: float, *, grace_seconds: float) -> bool:
    """Wait in Redis until the list has an element and take that; False after `seconds`.

    Past `seconds` plus `grace_seconds` without an answer the connection is given up: TransientError.
    """
    words = ("BLPOP", key, max(seconds, 0.001))
    return await send_blocking(client, *words, seconds_max=seconds + grace_seconds) is not None


async def send_blocking(client: Redis, *words: str | bytes | float, seconds_max: float) -> Any:
    """One command that blocks in Redis, and its plain reply; without one after `seconds_max`, TransientError."""
    REDIS_CALLS.labels(str(words[0]).lower()).inc()
    with redis_errors(client):
        connection = await client.connection_pool.get_connection()  # type: ignore[no-untyped-call]
        try:
            async with asyncio.timeout(seconds_max):
                await connection.send_command(*words)
                # The client's own reading timeout is made for replies that come at once.
                return await connection.read_response(timeout=math.inf)
        except TimeoutError as error:
            raise exceptions.TimeoutError(f"no answer to {words[0]!s}") from error
        finally:
            await client.connection_pool.release(connection)


async def blocking_read(
    client: Redis, key: str, after: bytes, *, entries_max: int, seconds: float, grace_seconds: float
) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """The entries of a stream behind the one of this id, once there are any; none after `seconds`.

    Past `seconds` plus `grace_seconds` without an answer the connection is given up: TransientError.
    """
    REDIS_CALLS.labels("xread").inc()
    with redis_errors(client):
        connection = await client.connection_pool.get_connection()  # type: ignore[no-untyped-call]
        try:
            async with asyncio.timeout(seconds + grace_seconds):
                block = max(1, round(seconds * 1000))
                await connection.send_command("XREAD", "COUNT", entries_max, "BLOCK", block, "STREAMS", key, after)
                answer = await connection.read_response(timeout=math.inf)
        except TimeoutError as error:
            raise exceptions.TimeoutError("no answer to XREAD") from error
        finally:
            await client.connection_pool.release(connection)
    entries = answer[0][1] if answer else []
    return [(name, dict(zip(words[::2], words[1::2], strict=True))) for name, words in entries]


def _named(error: Exception, server: str) -> TrueupError:
    word = next((w for kind, w in _WORDS.items() if isinstance(error, kind)), str(error).partition(" ")[0])
    if word in _PASSING:
        return TransientError(f"{server} {_PASSING[word]}")
    if word in _REFUSING:
        return StalledError(f"{server} {_REFUSING[word]}")
    if isinstance(error, exceptions.TimeoutError):
        return TransientError(f"{server} did not answer in time")
    if isinstance(error, exceptions.ConnectionError | OSError):
        return TransientError(f"{server} cannot be reached: {error}")
    return StalledError(f"{server} answered what Trueup does not expect: {error}")
