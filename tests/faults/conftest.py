"""A Trueup whose every word with the API server goes through a proxy that can misbehave."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.api_proxy import proxy_to
from tests.support.fixtures import in_own_task
from tests.support.product import Installation, installation, kubeconfig
from tests.support.sandbox import SandboxFacts
from tests.support.ships import PATIENT
from tests.support.tcp_proxy import FaultyProxy
from trueup.clients.cluster import Cluster
from trueup.sandbox.valkey import valkey_server

#: Patience short enough for a test to outlast it, so that what comes after it is tried as well.
IMPATIENT = {
    "TRUEUP_RETRY_SECONDS_MIN": "0.2",
    "TRUEUP_RETRY_SECONDS_MAX": "0.5",
    "TRUEUP_ATTEMPTS_MAX": "3",
    "TRUEUP_SWEEP_INTERVAL_SECONDS": "2",
    "TRUEUP_WATCH_SECONDS": "2",
    "TRUEUP_WATCH_SILENCE_SECONDS_MAX": "3",
    "TRUEUP_WATCH_RETRY_SECONDS_MAX": "0.5",
    "TRUEUP_API_REQUEST_SECONDS_MAX": "3",
}


@dataclass
class Troubled:
    """An installation that runs, and the trouble it can be given."""

    trueup: Installation
    proxy: FaultyProxy


@pytest_asyncio.fixture(loop_scope="session")
async def troubled(sandbox: SandboxFacts, cluster: Cluster, valkey_url: str, tmp_path: Path) -> AsyncIterator[Troubled]:
    async with (
        in_own_task(proxy_to(sandbox)) as proxy,
        in_own_task(installation(sandbox, cluster, tmp_path, valkey_url, **IMPATIENT)) as trueup,
    ):
        trueup.kubeconfig = kubeconfig(tmp_path / "through-proxy", proxy.url, sandbox.users["trueup"])
        await trueup.start_both()
        yield Troubled(trueup, proxy)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def patient(
    sandbox: SandboxFacts, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """One installation for all tests of a file, both halves started; retries alone see it through."""
    directory = tmp_path_factory.mktemp("patient")
    async with (
        in_own_task(valkey_server(directory / "valkey")) as valkey,
        in_own_task(installation(sandbox, cluster, directory, valkey, **PATIENT)) as trueup,
    ):
        await trueup.start_both()
        yield trueup
