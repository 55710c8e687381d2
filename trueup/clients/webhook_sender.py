"""Sends a delivery to a service as a Git host would, and gives back what came of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import aiohttp

from trueup.domain.errors import TransientError
from trueup.domain.repository import redact_url
from trueup.domain.webhook_delivery import Delivery

ANSWER_SECONDS_MAX = 30.0
ANSWER_BYTES_MAX = 4_096


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    #: What came back, for a person to read.
    text: str


async def send(address: str, delivery: Delivery) -> Answer:
    """Raises TransientError where nobody answers."""
    try:
        async with (
            asyncio.timeout(ANSWER_SECONDS_MAX),
            aiohttp.ClientSession(trust_env=True) as session,
            session.post(address, data=delivery.body, headers=delivery.headers, allow_redirects=False) as response,
        ):
            text = await response.content.read(ANSWER_BYTES_MAX)
            return Answer(response.status, text.decode(errors="replace").strip())
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise TransientError(
            f"nobody answers at {redact_url(address)} ({type(error).__name__}); is the service running, is --url right?"
        ) from error
