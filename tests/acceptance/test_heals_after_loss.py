"""kill -9 of the worker in the middle of a sync, of Valkey, a flush right after a 202: each heals by itself."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from tests.support.api_proxy import proxy_to
from tests.support.drift import HEALING, edit, is_healed
from tests.support.fixtures import in_own_task
from tests.support.product import AUTOMATED, Installation, config_map, installation, is_synced, kubeconfig
from tests.support.sandbox import SandboxFacts
from tests.support.wait import wait_until
from trueup.clients.cluster import Cluster
from trueup.clients.queue import Queue
from trueup.domain.status import token_of
from trueup.sandbox.valkey import valkey_server

LEASE_SECONDS = "2"


async def test_a_worker_killed_in_the_middle_of_a_sync_is_taken_over(
    trueup: Installation, sandbox: SandboxFacts, tmp_path: Path
) -> None:
    trueup.settings["TRUEUP_LEASE_SECONDS"] = LEASE_SECONDS
    repository = await trueup.repository()
    files = {f"app/{name}.yaml": config_map(name, at="first") for name in ("a", "b")}
    # A Deployment is applied after every ConfigMap: the sync hangs between the two.
    revision = await repository.push({**files, "app/web.yaml": _service("web")})
    async with proxy_to(sandbox) as proxy:
        hung = proxy.black_hole(lambda seen: seen.method == "PATCH" and "/services/web" in seen.target)
        through_proxy = kubeconfig(tmp_path / "through-proxy", proxy.url, sandbox.users["trueup"])
        await trueup.start("service")
        await trueup.start("worker", KUBECONFIG=str(through_proxy))
        await trueup.apply("harbour", repository.url, syncPolicy=AUTOMATED)
        await wait_until(lambda: hung.used, 30, "the sync hangs at the Service")
        raw = await trueup.until(
            "harbour", lambda raw: raw["status"]["operationState"]["phase"] == "Running", "running"
        )
        first = token_of(raw["status"], raw["metadata"]["uid"])
        assert {entry["name"] for entry in raw["status"]["resources"]} == {"a", "b", "web"}, "the fence knows them all"
        assert await trueup.live("ConfigMap", "a") is not None
        assert await trueup.live("Service", "web") is None
        await trueup.kill("worker")
    await trueup.start("worker")
    raw = await trueup.until("harbour", is_synced(revision), "synced by another worker")
    second = token_of(raw["status"], raw["metadata"]["uid"])
    assert first is not None
    assert second is not None
    assert second > first
    assert await trueup.live("Service", "web") is not None


async def test_a_killed_valkey_costs_haste_only(sandbox: SandboxFacts, cluster: Cluster, tmp_path: Path) -> None:
    async with (
        in_own_task(valkey_server(tmp_path / "valkey")) as valkey,
        installation(sandbox, cluster, tmp_path, valkey) as trueup,
    ):
        repository = await trueup.repository()
        first = await repository.push({"app/one.yaml": config_map("one", at="first")})
        await trueup.start_both()
        await trueup.apply("harbour", repository.url, syncPolicy=AUTOMATED)
        await trueup.until("harbour", is_synced(first), "synced")
        os.kill(valkey.pid, signal.SIGKILL)
        second = await repository.push({"app/one.yaml": config_map("one", at="second")})
        await wait_until(lambda: _refused(trueup, repository.url), 30, "the webhook is refused while Valkey is away")
        async with valkey_server(tmp_path / "valkey-again", port=valkey.port):
            await trueup.until("harbour", is_synced(second), "synced without another webhook")
            await trueup.stop()


async def test_a_flush_right_after_a_202_loses_nothing(trueup: Installation) -> None:
    repository = await trueup.repository()
    first = await repository.push({"app/one.yaml": config_map("one", at="first")})
    await trueup.start_both()
    await trueup.apply("harbour", repository.url, syncPolicy=AUTOMATED)
    await trueup.until("harbour", is_synced(first), "synced")
    worker = trueup.children["worker"]
    worker.signal(signal.SIGSTOP)
    second = await repository.push({"app/one.yaml": config_map("one", at="second")})
    assert await trueup.webhook(repository.url) == 202
    async with Redis.from_url(trueup.redis_url) as redis:
        assert await redis.flushall()
    worker.signal(signal.SIGCONT)
    await trueup.until("harbour", is_synced(second), "synced though the job was flushed away")


async def test_a_flush_right_after_a_live_edit_loses_nothing(trueup: Installation) -> None:
    repository = await trueup.repository()
    revision = await repository.push({"app/one.yaml": config_map("one", mood="calm")})
    await trueup.start_both()
    await trueup.apply("harbour", repository.url, syncPolicy=HEALING)
    await trueup.until("harbour", is_synced(revision), "synced")
    await trueup.at_rest()
    worker = trueup.children["worker"]
    worker.signal(signal.SIGSTOP)
    await edit(trueup, "ConfigMap", "one", {"data": {"mood": "stormy"}})
    async with Redis.from_url(trueup.redis_url) as redis:
        await wait_until(lambda: _has_job(redis, "application:"), 30, "the edit's job waits")
        assert await redis.flushall()
    worker.signal(signal.SIGCONT)
    await trueup.until("harbour", is_healed(revision), "healed though the job was flushed away")


async def _has_job(redis: Redis, prefix: str) -> bool:
    return any(job.key.startswith(prefix) for job in await Queue(redis).peek())


def _is_running(raw: dict[str, Any]) -> bool:
    return bool(raw["status"]["operationState"]["phase"] == "Running")


async def _refused(trueup: Installation, url: str) -> bool:
    return await trueup.webhook(url) == 503


def _service(name: str) -> str:
    return f"""\
apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  selector: {{app: {name}}}
  ports:
    - {{name: http, port: 80}}
"""
