"""Fixture: a channel as Slack serves it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.fixtures import in_own_task
from trueup.sandbox import SlackServer, slack_server


@pytest_asyncio.fixture(loop_scope="session")
async def slack() -> AsyncIterator[SlackServer]:
    async with in_own_task(slack_server()) as server:
        yield server
