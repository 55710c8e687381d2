"""One installation and one browser for all tests of a file."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.support.browser import chromium
from tests.support.fixtures import in_own_task
from tests.support.product import Installation, installation
from tests.support.sandbox import SandboxFacts
from trueup.clients.cluster import Cluster
from trueup.sandbox.valkey import valkey_server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(
    sandbox: SandboxFacts, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    directory = tmp_path_factory.mktemp("browser")
    async with (
        in_own_task(valkey_server(directory / "valkey")) as valkey,
        in_own_task(installation(sandbox, cluster, directory, valkey)) as place,
    ):
        await place.start_both()
        yield place


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with in_own_task(chromium()) as one:
        yield one
