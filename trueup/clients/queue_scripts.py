"""The queue's scripts and the keys they work on: one round trip for each transition.

Layout, for the prefix `{trueup}:` (the braces keep all keys in one slot of a Redis Cluster):

* `waiting`: job key → what waits for it, also while it runs. `ready` and `delayed` are the lines:
  by priority, lane and due time, and by due time. A job whose key is running stands in neither.
* `turns`: which lane of which priority is served next; each with something in `ready` has one turn.
* `running`: job key → what the run was given and its token; `leases`: job key → when it lapses.
* `dead`, `dead_at`: what ran out of attempts, and since when.
* `fence`: the epoch and the last token's number, in one key so that they are lost together.
* `wake`: tokens that workers block on.
* `tip:…`: the sealed tips last examined. `hooked:…`, `caught:…`: per repository, that a webhook came
  within the day, and that a sweep found what none had announced.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import orjson
from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from trueup.clients.redis import redis_errors, send
from trueup.domain.job import JOB_VERSION, SCOPE_MEMBERS_MAX

#: In the order in which the scripts take them.
FIXED_KEYS = (
    "fence",
    "waiting",
    "ready",
    "delayed",
    "running",
    "leases",
    "dead",
    "dead_at",
    "wake",
    "turns",
    "resting",
)

#: Every key that has no TTL, and why. Their size is bounded by `queue_jobs_max` and by the number of workers.
PERMANENT_KEYS: Mapping[str, str] = {
    "fence": "tokens only grow as long as Redis lives; without it nothing is claimed until a new epoch",
    "waiting": "a job waits as long as no worker is there; each leaves when it is claimed",
    "ready": "the line of the jobs in `waiting` that are due",
    "turns": "the order in which the lanes of `ready` are served; each leaves when its lane is empty",
    "delayed": "the line of the jobs in `waiting` that are not due yet",
    "running": "a run lasts as long as its worker keeps its lease; each leaves when it ends or the lease lapses",
    "leases": "when the leases of `running` lapse",
}

#: A script that runs where memory is full must still be able to empty the queue. Enqueueing may not.
_FULL_SERVER = "allow-oom"
_FLAGS = {"enqueue": "", "depth": "no-writes"}
_NAMES = ("enqueue", "claim", "heartbeat", "settle", "return", "epoch", "depth")

#: How many entries one claim takes over from lapsed leases, or moves to the line of the due.
_BATCH_MAX = 1_000
#: More waking tokens than this help nobody: each worker that claims wakes the next.
_WAKES_MAX = 64
_WAKE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class QueueBounds:
    #: A worker that is silent for this long has lost its job; it extends the lease at a third of it.
    lease_seconds: float = 15.0
    #: Failed runs, crashes among them, after which a job is a dead letter.
    attempts_max: int = 5
    #: Jobs waiting at once; more are refused.
    queue_jobs_max: int = 100_000
    dead_letters_max: int = 10_000
    dead_letter_seconds_max: float = 7 * 86_400.0
    reason_chars_max: int = 500
    #: A tip that was not moved for this long is forgotten, which costs one check of its followers by content.
    tip_seconds_max: float = 30 * 86_400.0
    #: How long an idle worker blocks at the longest: how late it may see that Redis was emptied.
    block_seconds_max: float = 5.0


DEFAULT_BOUNDS = QueueBounds()


def real_clock() -> str:
    """The Lua function `clock` by which the scripts tell the time."""
    return _lua("clock")


class QueueScripts:
    """Runs the scripts by their digest, and sends one anew when Redis has forgotten it."""

    def __init__(self, client: Redis, *, bounds: QueueBounds, prefix: str, clock: str) -> None:
        self._client = client
        self._keys = [prefix + name for name in FIXED_KEYS]
        self._bounds = _json(
            {
                "version": JOB_VERSION,
                "scope_members_max": SCOPE_MEMBERS_MAX,
                "batch_max": _BATCH_MAX,
                "wakes_max": _WAKES_MAX,
                "wake_ms": _WAKE_SECONDS * 1000,
                # A lease made while a worker blocks must not lapse unseen before the worker looks again.
                "block_ms": milliseconds(min(bounds.block_seconds_max, bounds.lease_seconds)),
                "lease_ms": milliseconds(bounds.lease_seconds),
                "dead_letter_ms": milliseconds(bounds.dead_letter_seconds_max),
                "tip_ms": milliseconds(bounds.tip_seconds_max),
                "attempts_max": bounds.attempts_max,
                "queue_jobs_max": bounds.queue_jobs_max,
                "dead_letters_max": bounds.dead_letters_max,
            }
        )
        self._sources = {name: _compose(name, clock) for name in _NAMES}
        self._digests = {
            name: hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
            for name, source in self._sources.items()
        }

    async def run(self, name: str, *arguments: Any, keys: Sequence[str] = ()) -> Any:
        """The script's reply. Strings go as they are, everything else as JSON.

        Raises TransientError or StalledError, and then says nothing of whether the script ran.
        """
        all_keys = [*self._keys, *keys]
        given = [a if isinstance(a, str) else _json(a) for a in arguments]
        words = (len(all_keys), *all_keys, self._bounds, *given)
        with redis_errors(self._client):
            try:
                return await send(self._client, name, "EVALSHA", self._digests[name], *words)
            except NoScriptError:
                return await send(self._client, name, "EVAL", self._sources[name], *words)


def milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _compose(name: str, clock: str) -> str:
    flags = _FLAGS.get(name, _FULL_SERVER)
    return "\n".join((f"#!lua flags={flags}", clock, _lua("common"), _lua(name)))


def _lua(name: str) -> str:
    return (files("trueup.clients") / "lua" / f"{name}.lua").read_text()


def _json(value: Any) -> bytes:
    return orjson.dumps(value)
