"""The service as a process: from its environment to its exit code."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import IO

import aiohttp
import orjson
import pytest

from tests.support.github import SECRET, delivery, push_of
from tests.support.sandbox import SandboxFacts
from tests.support.service import REPO, SECONDS, create_application, set_webhook_secret
from tests.support.wait import wait_until
from trueup.clients.cluster import Cluster
from trueup.clients.process import Child, spawn


def environment(sandbox: SandboxFacts, namespace: str, redis_url: str, data_dir: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(data_dir),
        "KUBECONFIG": str(sandbox.kubeconfig),
        "TRUEUP_REDIS_URL": redis_url,
        "TRUEUP_NAMESPACE": namespace,
        "TRUEUP_DATA_DIR": str(data_dir),
        "TRUEUP_LISTEN": "127.0.0.1:0",
        "TRUEUP_OPS_LISTEN": "127.0.0.1:0",
    }


async def started(module: str, env: dict[str, str], log: IO[bytes]) -> Child:
    return await spawn([sys.executable, "-m", module], cwd=Path(__file__).parents[2], env=env, stdout=log, stderr=log)


@pytest.mark.parametrize(
    ("module", "number"), [("service", signal.SIGTERM), ("trueup.service", signal.SIGINT)], ids=["term", "int"]
)
async def test_signal_ends_it_in_order(
    sandbox: SandboxFacts,
    cluster: Cluster,
    namespace: str,
    valkey_url: str,
    tmp_path: Path,
    module: str,
    number: signal.Signals,
) -> None:
    await set_webhook_secret(cluster, namespace, webhook_github_secret=SECRET)
    await create_application(cluster, namespace, "shop", REPO)
    log = tmp_path / "log"
    file = tmp_path / "data" / "service.json"
    with log.open("wb") as sink:
        child = await started(module, environment(sandbox, namespace, valkey_url, tmp_path / "data"), sink)
    try:
        await wait_until(file.exists, SECONDS, "ready")
        facts = orjson.loads(file.read_bytes())
        assert facts["pid"] == child.pid
        body = push_of(REPO)
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"http://{facts['listen']}/api/webhook", data=body, headers=delivery(body)) as response,
        ):
            assert response.status == 202
        os.kill(child.pid, number)
        assert await child.wait() == 0
    finally:
        await child.terminate(grace_seconds=SECONDS)
    assert not file.exists()
    assert "Traceback" not in log.read_text()
    assert SECRET.decode() not in log.read_text()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"TRUEUP_LISTEN": "nonsense"}, "TRUEUP_LISTEN"),
        ({"TRUEUP_OPS_LISTEN": "127.0.0.1:99999"}, "TRUEUP_OPS_LISTEN"),
        ({"TRUEUP_LISTEN": "192.0.2.1:80"}, "TRUEUP_LISTEN"),
        ({"TRUEUP_REDIS_URL": "nonsense://user:hunter2@here"}, "Redis URL"),
        ({"TRUEUP_CONNECTIONS_MAX": "0"}, "TRUEUP_CONNECTIONS_MAX"),
        ({"KUBECONFIG": "/nowhere/at/all"}, "kubeconfig"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
async def test_what_does_not_hold_ends_the_start_with_a_sentence(
    sandbox: SandboxFacts, namespace: str, valkey_url: str, tmp_path: Path, changed: dict[str, str], said: str
) -> None:
    log = tmp_path / "log"
    with log.open("wb") as sink:
        child = await started("service", environment(sandbox, namespace, valkey_url, tmp_path) | changed, sink)
    try:
        await wait_until(lambda: child.returncode is not None, SECONDS, "the end")
    finally:
        await child.terminate(grace_seconds=SECONDS)
    text = log.read_text()
    assert child.returncode == 1
    assert said in text
    assert "Traceback" not in text
    assert "hunter2" not in text
