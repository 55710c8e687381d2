"""Tells the channel of incidents: one message for each, changed as the incident changes.

Level-triggered from the records: which version of the incident the channel was told stands in the
incident itself, so that neither a restart nor a loss of Redis loses or repeats a message, and
workers of two releases do not outdo each other. Of several workers the one that wins the claim on
an incident tells of it. Slack has no say in when anything is synced.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from trueup.clients.incidents import IncidentStore
from trueup.clients.slack import ChannelRefusedError, MessageGoneError, SlackChannel
from trueup.domain.errors import StalledError, TransientError, TrueupError
from trueup.domain.incident import Incident, Message
from trueup.domain.slack_message import announcement
from trueup.telemetry import SLACK_MESSAGES, place_of

from .clock import utc_now

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class NotifyBounds:
    #: After a change so much is waited for the next one: what is healed at once is one message.
    settle_seconds: float = 1.0
    #: What goes on changing is told so long after its first change all the same.
    settle_seconds_max: float = 10.0
    #: How long a worker may take to tell what it has claimed.
    claim_seconds: float = 60.0
    #: An incident that ended longer ago is no news, nor one that began longer ago to a channel that
    #: never heard of it.
    age_seconds_max: float = 86_400.0
    #: After a record could not be written. Well below the claim, or somebody else tells meanwhile.
    record_retry_seconds: float = 2.0
    retry_seconds_max: float = 300.0
    #: At the stop, what is being said may take so long to be said and noted.
    stop_seconds_max: float = 10.0


class _RecordError(Exception):
    """The record could not be written: nothing that the channel is to blame for."""


class Notifier:
    """Runs beside the jobs of one worker process."""

    def __init__(
        self, incidents: IncidentStore, channel: SlackChannel, *, holder: str, bounds: NotifyBounds, public_url: str
    ) -> None:
        """`holder` names this process among all workers. To be made before the records are first read."""
        self._incidents = incidents
        self._channel = channel
        self._holder = holder
        self._bounds = bounds
        self._public_url = public_url
        #: By the name of the incident, when to see to it, by the loop's clock.
        self._due: dict[str, float] = {}
        #: Since when it has been news.
        self._since: dict[str, float] = {}
        #: The version that Slack does not take.
        self._refused: dict[str, datetime] = {}
        #: What went while it was open: its message is changed once more.
        self._gone: dict[str, Incident] = {}
        self._changed = asyncio.Event()
        self._all_told = asyncio.Event()
        self._all_told.set()
        #: What was said and could not be noted.
        self._unnoted: dict[str, Message] = {}
        self._failures = 0
        #: How long the whole channel is left alone after the latest attempt.
        self._pause = 0.0
        incidents.on_change(self._observe)

    async def run(self) -> None:
        """Until cancelled. Whatever goes wrong, the next incident is told."""
        clock = asyncio.get_running_loop().time
        while True:
            self._changed.clear()
            name = min(self._due, key=lambda name: self._due[name], default=None)
            wait = None if name is None else self._due[name] - clock()
            if name is None or (wait is not None and wait > 0):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._changed.wait()
                continue
            telling = asyncio.create_task(self._attempt(name))
            try:
                await asyncio.shield(telling)
            except asyncio.CancelledError:
                # Said and not noted would be said again by the next worker.
                await asyncio.wait([telling], timeout=self._bounds.stop_seconds_max)
                telling.cancel()
                await asyncio.wait([telling])
                raise
            await asyncio.sleep(self._pause)

    async def _attempt(self, name: str) -> None:
        """Tell of the incident, and choose what is to come before the next one."""
        self._pause = 0.0
        try:
            await self._tell(name)
            self._failures = 0
        except _RecordError as error:
            log.warning("what the channel is told cannot be recorded", incident=name, reason=str(error))
            self._wait(name, self._bounds.record_retry_seconds)
        except TransientError as error:
            self._rest(name, error, error.retry_after_seconds or 0.0)
        except ChannelRefusedError as error:
            self._rest(name, error, self._bounds.retry_seconds_max)
        except StalledError as error:
            log.warning("Slack does not take a message", incident=name, reason=str(error))
            self._postpone(name)
        except Exception as error:  # noqa: BLE001 - what one incident says must not silence the others
            where = f"{type(error).__name__} at {place_of(error)}"
            log.warning("an incident cannot be told", incident=name, error=where)
            self._done(name)

    async def idle(self, *, seconds_max: float) -> None:
        """Wait until the channel knows everything, or until that takes too long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds_max):
                await self._all_told.wait()

    def _observe(self, incident: Incident, gone: bool) -> None:
        name = incident.name
        if gone:
            self._see_off(incident, self._unnoted.pop(name, incident.message))
        elif not self._is_news(incident):
            self._done(name)
        elif self._refused.get(name) != incident.updated_at or name not in self._due:
            self._gone.pop(name, None)
            self._settle(name)
        self._changed.set()

    def _is_news(self, incident: Incident) -> bool:
        """Whether the incident has moved since the channel was told, however the words would be today."""
        if incident.message is not None and incident.message.updated_at == incident.updated_at:
            return False
        since = incident.closed_at or (incident.opened_at if incident.message is None else None)
        return since is None or (utc_now() - since).total_seconds() < self._bounds.age_seconds_max

    async def _tell(self, name: str) -> None:
        if name in self._gone:
            await self._say_gone(self._gone[name])
            self._done(name)
            return
        incident = self._incidents.get(name)
        if incident is None or not self._is_news(incident):
            self._done(name)
            return
        now = utc_now()
        if name in self._unnoted:
            await self._note(incident, self._unnoted[name])
            return
        if incident.claimed_until is not None and incident.claimed_by != self._holder and incident.claimed_until > now:
            self._wait(name, (incident.claimed_until - now).total_seconds())
            return
        until = now + timedelta(seconds=self._bounds.claim_seconds)
        try:
            claimed = await self._incidents.claim_message(incident, self._holder, until)
        except TrueupError as error:
            raise _RecordError(str(error)) from error
        if claimed is None:
            # It has changed, or somebody else was faster: the watch tells which.
            self._settle(name)
            return
        message = await self._say(claimed)
        await self._note(claimed, message)
        told = self._incidents.get(name)
        if told is None:
            self._see_off(claimed, message)
        elif not self._is_news(told):
            self._done(name)
        else:
            # It has changed while it was said, which begins anew.
            self._since.pop(name, None)
            self._settle(name)

    async def _say(self, incident: Incident) -> Message:
        says, message = announcement(incident, public_url=self._public_url), incident.message
        with _counted("post" if message is None else "update"):
            try:
                if message is None:
                    channel, told = await self._channel.post(says.text, says.blocks)
                    return Message(channel, told, incident.updated_at)
                await self._channel.update(message.channel, message.id, says.text, says.blocks)
            except StalledError as error:
                if message is None or not isinstance(error, MessageGoneError):
                    self._refused[incident.name] = incident.updated_at
                    raise
            return replace(message, updated_at=incident.updated_at)

    async def _say_gone(self, incident: Incident) -> None:
        """Without a record there is no claim: each worker says the same of it, into the same message."""
        says, message = announcement(incident, public_url=self._public_url, gone=True), incident.message
        if message is not None:
            with _counted("update"), contextlib.suppress(MessageGoneError):
                await self._channel.update(message.channel, message.id, says.text, says.blocks)

    async def _note(self, incident: Incident, message: Message) -> None:
        """Where this fails it is made good before anything else is said of the incident."""
        self._unnoted[incident.name] = message
        try:
            await self._incidents.note_message(incident, message)
        except TrueupError as error:
            raise _RecordError(str(error)) from error
        self._unnoted.pop(incident.name, None)

    def _see_off(self, incident: Incident, message: Message | None) -> None:
        if incident.is_open and message is not None:
            self._gone[incident.name] = replace(incident, message=message)
            self._wait(incident.name, 0.0)
        else:
            self._done(incident.name)

    def _settle(self, name: str) -> None:
        """Tell once nothing has changed for a while, or when that has been waited for long enough."""
        now = asyncio.get_running_loop().time()
        latest = self._since.setdefault(name, now) + self._bounds.settle_seconds_max
        self._wait(name, min(self._bounds.settle_seconds, max(0.0, latest - now)))

    def _postpone(self, name: str) -> None:
        """Try this message later, or when the incident moves; the others go on."""
        incident = self._incidents.get(name)
        self._since.pop(name, None)
        if incident is None:
            self._done(name)
        elif incident.updated_at != self._refused.get(name):
            self._settle(name)
        else:
            self._wait(name, self._bounds.retry_seconds_max)

    def _wait(self, name: str, seconds: float) -> None:
        self._due[name] = asyncio.get_running_loop().time() + seconds
        self._all_told.clear()

    def _done(self, name: str) -> None:
        for kept in (self._due, self._since, self._refused, self._gone):
            kept.pop(name, None)
        if not self._due:
            self._all_told.set()

    def _rest(self, name: str, error: TrueupError, seconds: float) -> None:
        """Leave the whole channel alone for a while, and longer with each failure in a row."""
        log.warning("the channel is not told", incident=name, reason=str(error))
        self._pause = max(seconds, min(self._bounds.retry_seconds_max, 2.0 ** min(self._failures, 16)))
        self._failures += 1


@contextlib.contextmanager
def _counted(kind: str) -> Iterator[None]:
    try:
        yield
    except TrueupError:
        SLACK_MESSAGES.labels(kind, "failed").inc()
        raise
    SLACK_MESSAGES.labels(kind, "told").inc()
