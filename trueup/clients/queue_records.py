"""Jobs as the queue stores them: JSON that the scripts join, and that is read with suspicion.

A record that cannot be understood is a hint lost: it reads as "look at everything".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import orjson

from trueup.domain.job import (
    EVERYTHING,
    JOB_VERSION,
    SCOPE_MEMBERS_MAX,
    Claim,
    Job,
    JobKind,
    Priority,
    Scope,
    Token,
)


@dataclass(frozen=True, slots=True)
class Depth:
    """How many jobs stand where."""

    #: Due now: what a worker could claim.
    ready: int
    delayed: int
    #: Waiting for the run of the same key to end.
    held: int
    running: int
    dead: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A job that ran out of attempts. A new event for its key revives it."""

    job: Job
    reason: str
    attempts: int
    #: When its last run ended, seconds since the epoch by Redis' clock.
    died_at: float
    #: Whether its last try met an outage: time may mend it.
    of_outage: bool


@dataclass(frozen=True, slots=True)
class Announced:
    """What the last day's runs of a repository's job say of its webhooks: hints, as everything in Redis.

    Each names the run, so that a change tells of another one; empty where there was none within the day.
    """

    #: The last run that a webhook asked for.
    hooked: str = ""
    #: The last run of a sweep that found a ref moved.
    caught: str = ""

    @property
    def is_missed(self) -> bool:
        """Whether refs moved, and no webhook told of any."""
        return bool(self.caught) and not self.hooked

    @property
    def word(self) -> str:
        """`received`, `missed`, or `quiet` where neither a webhook nor a move without one is on record."""
        return "received" if self.hooked else "missed" if self.caught else "quiet"


NOTHING_ANNOUNCED = Announced()


def encode(job: Job) -> dict[str, Any]:
    """What the scripts take; members as the keys of an object, which is Lua's kind of set."""
    members = job.scope.members
    everything = members is None or len(members) > SCOPE_MEMBERS_MAX
    return {
        "v": JOB_VERSION,
        "key": job.key,
        "p": int(job.priority),
        "delay": max(0.0, job.delay_seconds),
        "tip": job.tip,
        "lane": job.lane,
        "all": everything,
        "scope": {} if everything or members is None else dict.fromkeys(sorted(members), 1),
    }


def claim_of(key: bytes, text: bytes) -> Claim | None:
    """The claim that a reply of the claim script stands for; None where the key names no job of ours."""
    record = _record(text)
    job = _job(key, record)
    if job is None:
        return None
    return Claim(job, token_of(text), int(_number(record, "attempt")), _number(record, "at") / 1000)


def token_of(text: bytes) -> Token:
    record = _record(text)
    return Token(int(_number(record, "epoch")), int(_number(record, "n")))


def dead_letter_of(key: bytes, text: bytes) -> DeadLetter | None:
    record = _record(text)
    job = _job(key, record)
    if job is None:
        return None
    reason = str(record.get("reason") or "")
    attempts, died_at = int(_number(record, "attempt")), _number(record, "dead_at") / 1000
    return DeadLetter(job, reason, attempts, died_at, of_outage=record.get("outage") is True)


def key_of(line: bytes) -> bytes:
    """The job key in an entry of the line of the due: priority, lane, NUL, due time in 16 digits, key."""
    return line.partition(b"\0")[2][16:] or line


def job_of(key: bytes, text: bytes) -> Job | None:
    return _job(key, _record(text))


def _record(text: bytes) -> Mapping[str, Any]:
    try:
        record = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return record if isinstance(record, dict) else {}


def _number(record: Mapping[str, Any], name: str) -> float:
    value = record.get(name)
    return value if isinstance(value, int | float) else 0


def _job(key: bytes, record: Mapping[str, Any]) -> Job | None:
    kind, colon, subject = key.decode(errors="replace").partition(":")
    known: JobKind | None = next((k for k in get_args(JobKind) if k == kind), None)
    if known is None or not colon:
        return None
    members = record.get("scope")
    readable = record.get("all") is False and record.get("v") == JOB_VERSION and isinstance(members, dict)
    scope = Scope(frozenset(members)) if readable and isinstance(members, dict) else EVERYTHING
    priority = record.get("p")
    return Job(
        known,
        subject,
        scope,
        Priority(priority) if priority in list(Priority) else Priority.PUSH,
        tip=str(record.get("tip") or ""),
        lane=str(record.get("lane") or ""),
    )
