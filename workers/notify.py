"""Tells the channel of incidents: one message for each, changed as the incident changes.

Level-triggered from the records: what the channel was told last stands in the incident itself, so
that neither a restart nor a loss of Redis loses or repeats a message. Of several workers the one
that wins the claim on an incident tells of it. Slack has no say in when anything is synced.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from trueup.clients.incidents import IncidentStore
from trueup.clients.slack import MessageGoneError, SlackChannel
from trueup.domain.errors import StalledError, TransientError, TrueupError
from trueup.domain.incident import Incident, Message
from trueup.domain.slack_message import Announcement, announcement
from trueup.telemetry import SLACK_MESSAGES, place_of

from .clock import utc_now

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class NotifyBounds:
    #: After a change so much is waited for the next one: what is healed at once is one message.
    settle_seconds: float = 1.0
    #: How long a worker may take to tell what it has claimed.
    claim_seconds: float = 60.0
    #: An incident that began or ended longer ago is no news to a channel that never heard of it.
    age_seconds_max: float = 86_400.0
    retry_seconds_max: float = 300.0


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
        self._changed = asyncio.Event()
        self._all_told = asyncio.Event()
        self._all_told.set()
        #: What was said and could not be noted.
        self._unnoted: dict[str, Message] = {}
        self._failures = 0
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
            try:
                await self._tell(name)
                self._failures = 0
            except TransientError as error:
                await self._rest(name, error, error.retry_after_seconds or 0.0)
            except StalledError as error:
                await self._rest(name, error, self._bounds.retry_seconds_max)
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
        if gone or not self._is_news(incident):
            self._done(incident.name)
        else:
            self._wait(incident.name, self._bounds.settle_seconds)
        self._changed.set()

    def _is_news(self, incident: Incident) -> bool:
        if incident.message is not None:
            return incident.message.digest != self._announcement(incident).digest
        since = incident.closed_at or incident.opened_at
        return (utc_now() - since).total_seconds() < self._bounds.age_seconds_max

    def _announcement(self, incident: Incident) -> Announcement:
        return announcement(incident, public_url=self._public_url)

    async def _tell(self, name: str) -> None:
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
        claimed = await self._incidents.claim_message(incident, self._holder, until)
        if claimed is None:
            # It has changed, or somebody else was faster: the watch tells which.
            self._wait(name, self._bounds.settle_seconds)
            return
        await self._say(claimed)
        # What changed while it was said has come back as a change of its own.
        told = self._incidents.get(name)
        if told is None or not self._is_news(told):
            self._done(name)

    async def _say(self, incident: Incident) -> None:
        says, message = self._announcement(incident), incident.message
        kind = "post" if message is None else "update"
        try:
            if message is None:
                channel, told = await self._channel.post(says.text, says.blocks)
                message = Message(channel, told, says.digest)
            else:
                with contextlib.suppress(MessageGoneError):
                    await self._channel.update(message.channel, message.id, says.text, says.blocks)
                message = replace(message, digest=says.digest)
        except TrueupError:
            SLACK_MESSAGES.labels(kind, "failed").inc()
            raise
        SLACK_MESSAGES.labels(kind, "told").inc()
        await self._note(incident, message)

    async def _note(self, incident: Incident, message: Message) -> None:
        """Where this fails it is made good before anything else is said of the incident."""
        self._unnoted[incident.name] = message
        await self._incidents.note_message(incident, message)
        del self._unnoted[incident.name]

    def _wait(self, name: str, seconds: float) -> None:
        self._due[name] = asyncio.get_running_loop().time() + seconds
        self._all_told.clear()

    def _done(self, name: str) -> None:
        self._due.pop(name, None)
        if not self._due:
            self._all_told.set()

    async def _rest(self, name: str, error: TrueupError, seconds: float) -> None:
        """Leave the whole channel alone for a while, and longer with each failure in a row."""
        log.warning("the channel is not told", incident=name, reason=str(error))
        pause = max(seconds, min(self._bounds.retry_seconds_max, 2.0 ** min(self._failures, 16)))
        self._failures += 1
        await asyncio.sleep(pause)
