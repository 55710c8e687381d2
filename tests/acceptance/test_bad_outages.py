"""Redis or the API server away, at the start or in the middle: both halves stay up, say so, and go on."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from redis.asyncio import Redis

from tests.support.api_proxy import proxy_to
from tests.support.bad_input import fresh, healed, phase
from tests.support.fixtures import in_own_task
from tests.support.product import (
    AUTOMATED,
    Installation,
    config_map,
    installation,
    is_synced,
    kubeconfig,
    sync_status,
)
from tests.support.sandbox import SandboxFacts
from tests.support.tcp_proxy import FaultyProxy, Seen
from tests.support.wait import wait_until
from trueup.clients.cluster import Cluster
from trueup.sandbox.ports import free_port
from trueup.sandbox.valkey import valkey_server

HALVES = {"service": "TRUEUP_OPS_LISTEN", "worker": "TRUEUP_WORKER_OPS_LISTEN"}
SECONDS = 60.0
SOON = {"TRUEUP_RETRY_SECONDS_MIN": "0.2", "TRUEUP_RETRY_SECONDS_MAX": "0.5"}


@pytest.mark.parametrize("signalled", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hung"])
async def test_without_redis_at_the_start_or_later_both_wait_and_say_so(
    sandbox: SandboxFacts, cluster: Cluster, tmp_path: Path, signalled: signal.Signals
) -> None:
    port = free_port()
    async with _installed(sandbox, cluster, tmp_path, f"redis://127.0.0.1:{port}/0") as trueup:
        for half in HALVES:
            await trueup.start(half, wait=False)
        await _all_say(trueup, 503, "Redis")
        async with in_own_task(valkey_server(tmp_path / "first", port=port)) as valkey:
            await _all_say(trueup, 200, "")
            repository, name, one = await trueup.repository(), fresh("steady"), fresh("one")
            revision = await repository.push({"app/one.yaml": config_map(one)})
            await trueup.apply(name, repository.url, syncPolicy=AUTOMATED)
            await healed(trueup, name, revision)
            os.kill(valkey.pid, signalled)
            await _all_say(trueup, 503, "Redis")
            revision = await repository.push({"app/one.yaml": config_map(one, at="meanwhile")})
            await wait_until(lambda: _is_answered(trueup, repository.url, 503), SECONDS, "the delivery is refused")
            if signalled == signal.SIGSTOP:
                os.kill(valkey.pid, signal.SIGCONT)
                await _all_say(trueup, 200, "")
                await healed(trueup, name, revision)
                await trueup.stop()
        if signalled == signal.SIGKILL:
            async with valkey_server(tmp_path / "second", port=port):
                await _all_say(trueup, 200, "")
                await healed(trueup, name, revision)
                await trueup.stop()


async def test_without_the_api_server_at_the_start_both_wait_and_say_so(
    sandbox: SandboxFacts, cluster: Cluster, tmp_path: Path, valkey_url: str
) -> None:
    async with proxy_to(sandbox) as proxy, _installed(sandbox, cluster, tmp_path, valkey_url) as trueup:
        _through(trueup, proxy)
        away = proxy.answer(_anything, 503)
        for half in HALVES:
            await trueup.start(half, wait=False)
        await wait_until(lambda: away.used >= 2, SECONDS, "both have asked")
        await _all_say(trueup, 503, "")
        await wait_until(lambda: _says(trueup, "worker", "503"), SECONDS, "the worker says what it waits for")
        proxy.lift(away)
        await _all_say(trueup, 200, "")
        repository, name = await trueup.repository(), fresh("late")
        revision = await repository.push({"app/one.yaml": config_map(fresh("one"))})
        await trueup.apply(name, repository.url, syncPolicy=AUTOMATED)
        await healed(trueup, name, revision)
        await trueup.stop()


@pytest.mark.parametrize("kind", ["refused", "cut", "throttled"])
async def test_an_api_server_that_goes_away_in_the_middle_of_a_sync_costs_haste_only(
    sandbox: SandboxFacts, cluster: Cluster, tmp_path: Path, valkey_url: str, kind: str
) -> None:
    async with proxy_to(sandbox) as proxy, _installed(sandbox, cluster, tmp_path, valkey_url, **SOON) as trueup:
        _through(trueup, proxy)
        await trueup.start_both()
        repository, name, one, web = await trueup.repository(), fresh("cut-off"), fresh("one"), fresh("web")
        revision = await repository.push({"app/one.yaml": config_map(one), "app/web.yaml": _service(web)})
        hung = proxy.black_hole(lambda seen: seen.method == "PATCH" and f"/services/{web}" in seen.target)
        await trueup.apply(name, repository.url, syncPolicy=AUTOMATED)
        await wait_until(lambda: hung.used, SECONDS, "the sync hangs at the Service")
        away = proxy.answer(_anything, 429 if kind == "throttled" else 503)
        proxy.lift(hung)
        proxy.cut_all()
        await wait_until(lambda: away.used >= 3, SECONDS, "the worker has asked again")
        raw = await trueup.application(name)
        assert raw is not None
        assert phase(raw) == "Running"
        if kind == "cut":
            proxy.cut_all()
        for half in HALVES:
            assert trueup.children[half].returncode is None, half
            assert (await _said(trueup, half, "/healthz"))[0] == 200, half
        proxy.lift(away)
        await healed(trueup, name, revision)
        assert await trueup.live("Service", web) is not None
        await trueup.stop()


async def test_what_was_given_up_while_the_api_server_was_away_is_found_by_the_sweep(
    sandbox: SandboxFacts, cluster: Cluster, tmp_path: Path, valkey_url: str
) -> None:
    settings = {**SOON, "TRUEUP_ATTEMPTS_MAX": "2", "TRUEUP_SWEEP_INTERVAL_SECONDS": "2"}
    async with proxy_to(sandbox) as proxy, _installed(sandbox, cluster, tmp_path, valkey_url, **settings) as trueup:
        _through(trueup, proxy)
        await trueup.start_both()
        repository, name, one, web = await trueup.repository(), fresh("given-up"), fresh("one"), fresh("web")
        revision = await repository.push({"app/one.yaml": config_map(one), "app/web.yaml": _service(web)})
        # Only what delivers is away: the fence stands, and no condition can tell of it.
        away = proxy.answer(lambda seen: f"/services/{web}" in seen.target and seen.method == "PATCH", 503)
        await trueup.apply(name, repository.url, syncPolicy=AUTOMATED)
        await wait_until(lambda: _dead_letters(trueup), SECONDS, "the application's job is given up")
        raw = await trueup.application(name)
        assert raw is not None
        assert phase(raw) == "Running"
        proxy.lift(away)
        await healed(trueup, name, revision)
        await trueup.stop()


async def test_a_sync_that_could_not_be_written_down_is_written_down_by_the_next_run(
    sandbox: SandboxFacts, cluster: Cluster, tmp_path: Path, valkey_url: str
) -> None:
    async with proxy_to(sandbox) as proxy, _installed(sandbox, cluster, tmp_path, valkey_url, **SOON) as trueup:
        _through(trueup, proxy)
        trueup.settings["TRUEUP_LEASE_SECONDS"] = "1"
        await trueup.start("service")
        repository, name, one = await trueup.repository(), fresh("unwritten"), fresh("one")
        revision = await repository.push({"app/one.yaml": config_map(one)})
        patches = 0

        def is_the_outcome(seen: Seen) -> bool:
            nonlocal patches
            patches += seen.method == "PATCH" and f"/applications/{name}" in seen.target
            return patches == 2

        hung = proxy.black_hole(is_the_outcome)
        await trueup.apply(name, repository.url, syncPolicy=AUTOMATED)
        await trueup.start("worker")
        await wait_until(lambda: hung.used, SECONDS, "all is applied, and the outcome hangs")
        assert await trueup.live("ConfigMap", one) is not None
        await trueup.kill("worker")
        proxy.lift(hung)
        await trueup.start("worker")
        raw = await healed(trueup, name, revision)
        assert phase(raw) == "Succeeded"
        assert [entry["revision"] for entry in raw["status"]["history"]] == [revision]
        await trueup.stop()


async def test_a_try_that_was_due_and_forgotten_by_redis_is_made_after_the_sweep(trueup: Installation) -> None:
    """The second heal of a revision waits, and it waits in Redis alone."""
    repository, name, one = await trueup.repository(), fresh("waits"), fresh("one")
    revision = await repository.push({"app/one.yaml": config_map(one, mood="calm")})
    await trueup.start_both()
    await trueup.apply(name, repository.url, syncPolicy={"automated": {"selfHeal": True}})
    await healed(trueup, name, revision)
    await _edit(trueup, one)
    await trueup.until(name, lambda raw: _heals(raw) == 1 and is_synced(revision)(raw), "healed at once")
    await _edit(trueup, one)
    await trueup.until(name, lambda raw: sync_status(raw) == "OutOfSync", "seen")
    async with Redis.from_url(trueup.redis_url) as redis:
        assert await redis.flushall()
    await trueup.until(name, lambda raw: _heals(raw) == 2 and is_synced(revision)(raw), "healed once more")


async def _edit(trueup: Installation, name: str) -> None:
    resource = await trueup.cluster.resource("", "ConfigMap")
    await trueup.cluster.merge_patch(
        resource, trueup.delivered_to, name, {"data": {"mood": fresh("stormy")}}, field_manager="kubectl-edit"
    )


def _heals(raw: Mapping[str, Any]) -> int:
    state = (raw.get("status") or {}).get("operationState") or {}
    return int((state.get("operation") or {}).get("sync", {}).get("autoHealAttemptsCount") or 0)


@asynccontextmanager
async def _installed(
    sandbox: SandboxFacts, cluster: Cluster, directory: Path, redis_url: str, **settings: str
) -> AsyncIterator[Installation]:
    """An installation whose probes can be asked before it is ready."""
    listen = {variable: f"127.0.0.1:{free_port()}" for variable in HALVES.values()}
    async with installation(sandbox, cluster, directory, redis_url, **listen, **settings) as place:
        yield place


def _through(trueup: Installation, proxy: FaultyProxy) -> None:
    """Both halves reach the API server through the proxy; the test itself does not."""
    file = kubeconfig(trueup.directory / "through-proxy", proxy.url, trueup.sandbox.users["trueup"])
    trueup.settings["KUBECONFIG"] = str(file)


def _anything(_: Seen) -> bool:
    return True


async def _all_say(trueup: Installation, status: int, word: str) -> None:
    """Wait until every half answers /readyz so; meanwhile none of them ends or counts as dead."""

    async def so() -> bool:
        for half in HALVES:
            assert trueup.children[half].returncode is None, trueup.log(half).read_text()[-3000:]
            answered, text = await _said(trueup, half, "/readyz")
            if answered != status or word not in text:
                return False
            assert (await _said(trueup, half, "/healthz"))[0] == 200, half
        return True

    await wait_until(so, SECONDS, f"/readyz of both halves is {status} {word}")


async def _says(trueup: Installation, half: str, words: str) -> bool:
    return words in (await _said(trueup, half, "/readyz"))[1]


async def _said(trueup: Installation, half: str, path: str) -> tuple[int, str]:
    address = trueup.settings[HALVES[half]]
    timeout = aiohttp.ClientTimeout(total=20)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(f"http://{address}{path}") as answer:
            return answer.status, await answer.text()
    except aiohttp.ClientError:
        return 0, ""


async def _is_answered(trueup: Installation, url: str, status: int) -> bool:
    return await trueup.webhook(url) == status


async def _dead_letters(trueup: Installation) -> bool:
    metrics = await trueup.metrics("worker")
    return metrics.total("trueup_jobs_run_total", outcome="failed", kind="application") >= 2


def _service(name: str) -> str:
    spec = {"selector": {"app": name}, "ports": [{"name": "http", "port": 80}]}
    return orjson.dumps({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}).decode()
