"""An installation of Trueup for each test, nothing of it started yet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.fixtures import in_own_task
from tests.support.product import Installation, installation
from tests.support.sandbox import SandboxFacts
from trueup.clients.cluster import Cluster
from trueup.sandbox.valkey import valkey_server


@pytest_asyncio.fixture(loop_scope="session")
async def trueup(
    sandbox: SandboxFacts, cluster: Cluster, valkey_url: str, tmp_path: Path
) -> AsyncIterator[Installation]:
    async with in_own_task(installation(sandbox, cluster, tmp_path, valkey_url)) as place:
        yield place


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(
    sandbox: SandboxFacts, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """One installation for all tests of a file, both halves started; what failed is tried again soon."""
    directory = tmp_path_factory.mktemp("running")
    settings = {
        "TRUEUP_RETRY_SECONDS_MIN": "0.2",
        "TRUEUP_RETRY_SECONDS_MAX": "0.5",
        "TRUEUP_ATTEMPTS_MAX": "4",
    }
    async with (
        in_own_task(valkey_server(directory / "valkey")) as valkey,
        in_own_task(installation(sandbox, cluster, directory, valkey, **settings)) as place,
    ):
        await place.start_both()
        yield place
