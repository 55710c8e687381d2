"""The queue: client-go's workqueue made durable in Redis, one round trip for each transition.

For each job key at most one job waits and at most one runs. Events that arrive while a job waits are
joined into it; events that arrive while it runs cause exactly one more run. A run holds a lease and a
fencing token; with an invalid token nothing can be changed.

Redis holds hints only, and may lose them: the sweep finds what was lost. A reply that gets lost on
its way is made good by the lease: a job that was claimed by nobody who knows of it is claimed again
when its lease lapses.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from redis.asyncio import Redis

from trueup.clients.queue_records import (
    Announced,
    DeadLetter,
    Depth,
    claim_of,
    dead_letter_of,
    encode,
    job_of,
    key_of,
    token_of,
)
from trueup.clients.queue_scripts import DEFAULT_BOUNDS, QueueBounds, QueueScripts, real_clock
from trueup.clients.redis import blocking_pop, check_server, redis_errors, send
from trueup.domain.errors import SupersededError, TransientError, TrueupError
from trueup.domain.job import Claim, Job, Token
from trueup.telemetry import EVENT_TO_SETTLED_SECONDS, JOBS_ENQUEUED

#: The braces keep all keys in one slot of a Redis Cluster.
DEFAULT_PREFIX = "{trueup}:"
#: How much longer than asked a blocking command may take to answer.
_BLOCK_GRACE_SECONDS = 5.0
_UNKNOWN_DELAY_SECONDS = 60.0
#: For how long it is remembered that a webhook came, or did not.
DAY_SECONDS = 86_400


class EpochMissingError(TransientError):
    """Redis has no epoch: it is new or was emptied. Nothing is claimed until `open_epoch`."""

    def __init__(self) -> None:
        super().__init__("the queue has no epoch: Redis is new or was emptied; it is opened with the next one")


class QueueFullError(TransientError):
    """`queue_jobs_max` jobs wait; nothing of the call was stored."""


class Lease:
    """Until when a run may act, by this host's clock.

    A host that was paused wakes with answers and deadlines at once, and may go on writing before it
    hears from Redis that another run has taken over; so whoever writes asks here first.
    """

    def __init__(self, claim: Claim, *, lease_seconds: float) -> None:
        self._claim = claim
        self._lease_seconds = lease_seconds
        self.lapses_at = 0.0
        self.extend(asyncio.get_running_loop().time())

    def extend(self, asked_at: float) -> None:
        """The whole length again, from the moment before Redis was asked."""
        self.lapses_at = asked_at + self._lease_seconds

    def check(self) -> None:
        """Raise SupersededError where the lease may have lapsed."""
        if asyncio.get_running_loop().time() >= self.lapses_at:
            raise SupersededError(f"{self._claim.job.key}: its lease may have lapsed, another run may have taken over")


class Queue:
    """One queue in one Redis. All times are Redis' own; a host's clock has no say.

    Every method raises TransientError while Redis is away, loading, busy or out of memory, and
    StalledError where it refuses us; then it is not known whether the call took effect, and each can
    be made again: what is enqueued twice is one job, and what is ended twice raises SupersededError.
    """

    def __init__(
        self,
        client: Redis,
        *,
        bounds: QueueBounds = DEFAULT_BOUNDS,
        prefix: str = DEFAULT_PREFIX,
        clock: str | None = None,
    ) -> None:
        """`clock` is the Lua function by which the scripts tell the time, if not by Redis' TIME."""
        self._client = client
        self._bounds = bounds
        self._prefix = prefix
        self._scripts = QueueScripts(client, bounds=bounds, prefix=prefix, clock=clock or real_clock())

    async def check_server(self) -> None:
        """Raise StalledError, with the way out, where this Redis would lose jobs by itself."""
        await check_server(self._client)

    async def open_epoch(self, epoch: int) -> bool:
        """Let jobs be claimed in this epoch, and void the tokens of earlier ones; their jobs wait again.

        False, and nothing changed, where Redis already has this epoch or a later one.
        """
        return bool(await self._scripts.run("epoch", str(epoch)))

    async def current_epoch(self) -> int | None:
        """None where Redis is new or was emptied."""
        with redis_errors(self._client):
            value = await send(self._client, "current_epoch", "HGET", f"{self._prefix}fence", "epoch")
        return int(value) if value is not None and value.isdigit() else None

    async def server_run(self) -> str:
        """Names this run of the server: another one, or its replica, may have come back without its last writes."""
        with redis_errors(self._client):
            info = await send(self._client, "server_run", "INFO", "server")
        return str(info.get("run_id", ""))

    async def enqueue(self, jobs: Sequence[Job]) -> None:
        """Store all the jobs, or none: QueueFullError, a TransientError, where they are too many.

        A job joins what already waits under its key: the union of scopes, the highest priority, the
        earliest due time, the latest tip. New input is due by its own delay even where a failed run
        had put the job off; the count of attempts stays, except that a dead letter starts anew.
        Jobs are stored without an epoch too; they can be claimed once it is opened.
        """
        await self._enqueue(jobs, None, {})

    async def enqueue_and_move_tip(
        self, claim: Claim, jobs: Sequence[Job], moves: Mapping[str, tuple[str | None, str]]
    ) -> None:
        """The repository job's one atomic step: enqueue the affected and move the tips last examined.

        `moves` maps a tip's key to the sealed tip that was read (None where there was none) and the
        sealed new one. Raises SupersededError where the claim's token is no longer valid or somebody
        else moved a tip, and QueueFullError; nothing is changed then.
        """
        await self._enqueue(jobs, claim, moves)

    async def _enqueue(
        self, jobs: Sequence[Job], claim: Claim | None, moves: Mapping[str, tuple[str | None, str]]
    ) -> None:
        if not jobs and not moves:
            return
        answer = await self._scripts.run(
            "enqueue",
            [encode(job) for job in jobs],
            _holder(claim.job.key, claim.token) if claim else "",
            [{"expected": expected, "new": new} for expected, new in moves.values()],
            keys=[self._tip_key(tip) for tip in moves],
        )
        match answer[0]:
            case b"superseded" if claim:
                raise _superseded(claim)
            case b"moved":
                raise SupersededError("another run has moved a tip that this one started from")
            case b"full":
                raise QueueFullError(
                    f"the queue is full: {answer[1]} jobs wait and queue_jobs_max is {self._bounds.queue_jobs_max}; "
                    "add workers, or raise it"
                )
        for job in jobs:
            JOBS_ENQUEUED.labels(job.kind, job.priority.name.lower()).inc()

    async def examined_tips(self, keys: Sequence[str]) -> list[str | None]:
        """The sealed tips last examined, in the order asked; None is unknown."""
        if not keys:
            return []
        with redis_errors(self._client):
            values = await send(self._client, "examined_tips", "MGET", *map(self._tip_key, keys))
        return [None if value is None else value.decode(errors="replace") for value in values]

    async def claim(self, *, wait_seconds_max: float) -> Claim | None:
        """The due job of the highest priority; its lanes take turns, and in a lane who is due longest goes first.

        So a job waits for no more than one job of each other lane, and for those of its own.
        Blocks in Redis for at most `wait_seconds_max` while nothing is due; then None. Raises
        EpochMissingError, a TransientError, where nothing may be claimed. A cancelled claim gives
        back what it had just been given; where even that fails, the lease lapses.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_seconds_max
        while True:
            answer = await self._claim_once()
            if answer is None:
                continue
            if isinstance(answer, Claim):
                return answer
            seconds = min(answer, deadline - loop.time())
            if seconds <= 0:
                return None
            await blocking_pop(self._client, f"{self._prefix}wake", seconds, grace_seconds=_BLOCK_GRACE_SECONDS)

    async def _claim_once(self) -> Claim | float | None:
        """A claim, or for how many seconds it is not worth asking again without being woken; None is at once."""
        asking = asyncio.ensure_future(self._scripts.run("claim"))
        try:
            answer = await asyncio.shield(asking)
        except asyncio.CancelledError:
            with contextlib.suppress(TrueupError):
                await self._return_unseen(await asking)
            raise
        match answer:
            case [b"epoch"]:
                raise EpochMissingError
            case [b"none", milliseconds]:
                return float(milliseconds) / 1000
        _, key, text = answer
        claim = claim_of(key, text)
        if claim is not None:
            return claim
        # Another version's kind of job, or rubbish: left to others, and a dead letter in the end.
        how = _how(failed=True, delay_seconds=_UNKNOWN_DELAY_SECONDS, reason="no worker here knows this kind of job")
        await self._scripts.run("return", _holder(key.decode(errors="replace"), token_of(text)), how)
        return None

    async def _return_unseen(self, answer: list[Any]) -> None:
        if answer[0] == b"job":
            _, key, text = answer
            await self._scripts.run("return", _holder(key.decode(errors="replace"), token_of(text)), _how(failed=False))

    async def heartbeat(self, claim: Claim) -> None:
        """Extend the lease by its whole length. Raises SupersededError where it is lost."""
        await self._end(claim, "heartbeat")

    @asynccontextmanager
    async def running(self, claim: Claim) -> AsyncIterator[Lease]:
        """Keep the lease while the body runs; the body ends the claim by `settle`, `fail` or `release` after it.

        Where the lease is lost the body is cancelled and SupersededError is raised; so it is where Redis
        cannot be asked for as long as the lease lasts. What the body raises passes through as it is.
        """
        lease = Lease(claim, lease_seconds=self._bounds.lease_seconds)
        raised: Exception | None = None
        worker = cast("asyncio.Task[Any]", asyncio.current_task())
        cancellations = worker.cancelling()
        ended = False

        async def keep() -> None:
            try:
                await self._keep(claim, lease)
            except SupersededError:
                # Where the body has ended there is nothing left to cancel.
                if not ended:
                    raise

        try:
            async with asyncio.TaskGroup() as group:
                keeper = group.create_task(keep())
                try:
                    yield lease
                except Exception as error:  # noqa: BLE001 -- raised again below, outside of the group
                    raised = error
                if keeper.done():
                    # It has failed this moment, for which the group cancels this task: that has to happen
                    # inside of the group, or the group does not take it back.
                    await asyncio.sleep(0)
                ended = True
                keeper.cancel()
        except BaseExceptionGroup as lost:
            # A group with errors of its own forgets that its task was cancelled as well.
            if worker.cancelling() > cancellations:
                raise asyncio.CancelledError from lost
            raise lost.exceptions[0] from raised
        if raised is not None:
            raise raised

    async def _keep(self, claim: Claim, lease: Lease) -> None:
        loop = asyncio.get_running_loop()
        seconds = self._bounds.lease_seconds
        pause = seconds / 3
        while True:
            await asyncio.sleep(pause)
            asked_at = loop.time()
            try:
                async with asyncio.timeout_at(lease.lapses_at):
                    await self.heartbeat(claim)
            except (TransientError, TimeoutError) as error:
                if loop.time() >= lease.lapses_at:
                    raise SupersededError(f"{claim.job.key}: Redis was away for longer than the lease") from error
                pause = min(seconds / 12, lease.lapses_at - loop.time())
            else:
                lease.extend(asked_at)
                pause = seconds / 3

    async def settle(self, claim: Claim, *, rest_seconds: float = 0.0) -> None:
        """The job is done; what arrived while it ran becomes one more run.

        For `rest_seconds` pushes and sweeps under its key, also those to come, wait and are joined.
        Raises SupersededError, and changes nothing, where the token is no longer valid.
        """
        milliseconds = await self._end(claim, "settle", str(round(rest_seconds * 1000)))
        EVENT_TO_SETTLED_SECONDS.labels(claim.job.kind).observe(max(0, milliseconds) / 1000)

    async def fail(self, claim: Claim, *, delay_seconds: float | None, reason: str, of_outage: bool = False) -> None:
        """The run failed: what it was to look at waits again, joined with what arrived meanwhile.

        It is due after `delay_seconds`, or by the delay of what arrived. With None, or after
        `attempts_max` failed runs, it is a dead letter with `reason` (redacted by the caller), unless
        something arrived meanwhile: new input starts anew. `of_outage` says of a dead letter that time
        may mend it. SupersededError as in `settle`.
        """
        reason = reason[: self._bounds.reason_chars_max]
        await self._end(
            claim, "return", _how(failed=True, delay_seconds=delay_seconds, reason=reason, outage=of_outage)
        )

    async def release(self, claim: Claim) -> None:
        """Hand the job back unfinished, at its old place and without counting an attempt.

        SupersededError as in `settle`.
        """
        await self._end(claim, "return", _how(failed=False))

    async def _end(self, claim: Claim, script: str, *arguments: Any) -> int:
        answer = await self._scripts.run(script, _holder(claim.job.key, claim.token), *arguments)
        if answer[0] == b"superseded":
            raise _superseded(claim)
        return int(answer[1])

    async def depth(self) -> Depth:
        return Depth(*(await self._scripts.run("depth"))[:5])

    async def delay_seconds(self) -> float | None:
        """How long until the first of the delayed is due, by Redis' clock; None where nobody is delayed."""
        milliseconds = (await self._scripts.run("depth"))[5]
        return None if milliseconds is None else int(milliseconds) / 1000

    async def peek(self, *, jobs_max: int = 100) -> list[Job]:
        """Jobs that are due, by priority, lane and due time: in a lane the order in which they will be claimed."""
        with redis_errors(self._client):
            line = await send(self._client, "peek", "ZRANGE", f"{self._prefix}ready", 0, jobs_max - 1)
            keys = [key_of(entry) for entry in line]
            texts = await send(self._client, "peek", "HMGET", f"{self._prefix}waiting", *keys) if keys else []
        jobs = (job_of(key, text or b"") for key, text in zip(keys, texts, strict=True))
        return [job for job in jobs if job is not None]

    async def dead_letters(self, *, jobs_max: int = 100) -> list[DeadLetter]:
        """The latest dead letters, newest first."""
        with redis_errors(self._client):
            keys = await send(self._client, "dead_letters", "ZREVRANGE", f"{self._prefix}dead_at", 0, jobs_max - 1)
            texts = await send(self._client, "dead_letters", "HMGET", f"{self._prefix}dead", *keys) if keys else []
        letters = (dead_letter_of(key, text or b"") for key, text in zip(keys, texts, strict=True))
        return [letter for letter in letters if letter is not None]

    async def note_hook(self, claim: Claim) -> None:
        """A webhook asked for this run of a repository's job."""
        with redis_errors(self._client):
            key = f"{self._prefix}hooked:{claim.job.subject}"
            await send(self._client, "note_hook", "SET", key, str(claim.token), "EX", DAY_SECONDS)

    async def note_catch(self, claim: Claim) -> Announced | None:
        """A sweep found a ref moved. What is on record then, for the first catch of a day; None for the others."""
        url, token = claim.job.subject, str(claim.token)
        key = f"{self._prefix}caught:{url}"
        with redis_errors(self._client):
            if await send(self._client, "note_catch", "SET", key, token, "NX", "EX", DAY_SECONDS):
                return (await self.announced([url]))[0]
            await send(self._client, "note_catch", "SET", key, token, "XX", "KEEPTTL")
        return None

    async def announced(self, urls: Sequence[str]) -> list[Announced]:
        """What is on record of each repository's webhooks, in the order asked."""
        if not urls:
            return []
        keys = [f"{self._prefix}{kind}:{url}" for kind in ("hooked", "caught") for url in urls]
        with redis_errors(self._client):
            values = [(value or b"").decode() for value in await send(self._client, "announced", "MGET", *keys)]
        return [Announced(*pair) for pair in zip(values[: len(urls)], values[len(urls) :], strict=True)]

    def _tip_key(self, tip: str) -> str:
        return f"{self._prefix}tip:{tip}"


def _holder(key: str, token: Token) -> dict[str, Any]:
    return {"key": key, "epoch": token.epoch, "n": token.n}


def _how(*, failed: bool, delay_seconds: float | None = 0.0, reason: str = "", outage: bool = False) -> dict[str, Any]:
    delay = delay_seconds or 0.0
    return {"failed": failed, "dead": delay_seconds is None, "delay": delay, "reason": reason, "outage": outage}


def _superseded(claim: Claim) -> SupersededError:
    return SupersededError(f"{claim.job.key}: token {claim.token} is no longer valid, another run may have taken over")
