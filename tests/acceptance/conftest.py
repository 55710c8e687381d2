"""An installation of Trueup for each test, nothing of it started yet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.support.fixtures import in_own_task
from tests.support.product import Installation, installation
from tests.support.sandbox import SandboxFacts
from trueup.clients.cluster import Cluster


@pytest_asyncio.fixture(loop_scope="session")
async def trueup(
    sandbox: SandboxFacts, cluster: Cluster, valkey_url: str, tmp_path: Path
) -> AsyncIterator[Installation]:
    async with in_own_task(installation(sandbox, cluster, tmp_path, valkey_url)) as place:
        yield place
