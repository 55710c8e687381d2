"""Reads what a running service answers at its API."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson

from trueup.domain.errors import TransientError
from trueup.domain.lenient import as_list, as_mapping, as_text
from trueup.domain.repository import redact_url

ANSWER_SECONDS_MAX = 30.0
ANSWER_BYTES_MAX = 16 * 1024 * 1024


async def read_items(address: str) -> list[Mapping[str, Any]]:
    """The `items` of an answer. Raises TransientError where nobody answers, or not with such."""
    try:
        async with (
            asyncio.timeout(ANSWER_SECONDS_MAX),
            aiohttp.ClientSession(trust_env=True) as session,
            session.get(address, allow_redirects=False) as response,
        ):
            status, document = response.status, orjson.loads(await _body(response))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise TransientError(
            f"no service answers at {redact_url(address)} ({type(error).__name__}); is it running, is --url right?"
        ) from error
    if status != 200:
        said = as_text(as_mapping(document).get("error"))
        raise TransientError(f"the service at {redact_url(address)} answered {status}: {said[:300] or 'no reason'}")
    return [as_mapping(item) for item in as_list(as_mapping(document).get("items"))]


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """Raises ValueError for one that is too long."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > ANSWER_BYTES_MAX:
            raise ValueError("the answer is too long")
    return bytes(body)
