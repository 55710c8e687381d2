"""Listens to the audit events that the service hands on, beside the jobs and for as long as the process lives."""

from __future__ import annotations

import asyncio

import structlog

from trueup.clients.audit_stream import AuditStream
from trueup.clients.seal import Sealer
from trueup.domain.errors import TrueupError

from .attribution import Attributions

log = structlog.get_logger(__name__)

RETRY_SECONDS_MIN = 0.2
RETRY_SECONDS_MAX = 10.0


async def listen(stream: AuditStream, sealer: Sealer, attributions: Attributions) -> None:
    """Until cancelled. While Redis is away nobody is heard of; afterwards all that it has is read again."""
    pause = RETRY_SECONDS_MIN
    while True:
        try:
            async for news in stream.read(sealer):
                attributions.heard(news)
                pause = RETRY_SECONDS_MIN
        except TrueupError as error:
            log.warning("audit events are not heard", reason=str(error))
        await asyncio.sleep(pause)
        pause = min(RETRY_SECONDS_MAX, 2 * pause)
