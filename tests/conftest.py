"""What tests share: one real control plane a session, and everything else fresh."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.fixtures import in_own_task
from tests.support.sandbox import SandboxFacts, read_facts
from tests.support.second_cluster import SecondCluster
from trueup.clients.cluster import Cluster
from trueup.clients.credentials import KubeconfigSource
from trueup.sandbox import ensure_tools
from trueup.sandbox.sandbox import running
from trueup.sandbox.valkey import valkey_server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxFacts]:
    """A running sandbox: that of `TRUEUP_TEST_SANDBOX` (a folder with a sandbox.json), or one of this session's own."""
    if directory := os.environ.get("TRUEUP_TEST_SANDBOX"):
        yield read_facts(Path(directory))
        return
    directory = tmp_path_factory.mktemp("sandbox")
    progress = sys.stderr
    async with in_own_task(running(directory, progress=lambda line: print(line, file=progress))):
        yield read_facts(directory)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def tools() -> Path:
    """The folder with the real helm, kustomize, jsonnet and registry, built where they must be."""
    return await ensure_tools()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cluster(sandbox: SandboxFacts) -> AsyncIterator[Cluster]:
    """A client of the sandbox's API server, as the user `trueup`."""
    async with Cluster(KubeconfigSource(str(sandbox.kubeconfig))) as client:
        yield client


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def second(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SecondCluster]:
    """Another control plane than the sandbox's, for the tests that need two."""
    directory = tmp_path_factory.mktemp("second")
    async with in_own_task(running(directory, progress=lambda _: None)):
        facts = read_facts(directory)
        async with Cluster(KubeconfigSource(str(facts.kubeconfig))) as client:
            yield SecondCluster(facts, client)


@pytest_asyncio.fixture(loop_scope="session")
async def namespace(cluster: Cluster) -> AsyncIterator[str]:
    """A new namespace, deleted afterwards."""
    name = f"test-{secrets.token_hex(6)}"
    resource = await cluster.resource("", "Namespace")
    created = await cluster.create(resource, "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    try:
        yield name
    finally:
        await cluster.delete(resource, "", name, uid=created["metadata"]["uid"], propagation="Background")


@pytest_asyncio.fixture(loop_scope="session")
async def valkey_url(tmp_path: Path) -> AsyncIterator[str]:
    """URL of a Valkey of this test's own."""
    async with in_own_task(valkey_server(tmp_path / "valkey")) as valkey:
        yield valkey.url
