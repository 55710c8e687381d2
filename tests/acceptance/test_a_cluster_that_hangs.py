"""A cluster that takes requests and never answers: its Applications say so, and no other cluster waits for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.api_proxy import proxy_to
from tests.support.bad_input import fresh, healed, owned, told
from tests.support.product import (
    AUTOMATED,
    STEP_SECONDS,
    Installation,
    config_map,
    installation,
    is_synced,
    sync_status,
)
from tests.support.sandbox import SandboxFacts
from tests.support.second_cluster import CREATE_NAMESPACE, SecondCluster, called, put_cluster_secret
from tests.support.tcp_proxy import FaultyProxy, Seen
from tests.support.wait import wait_until
from trueup.clients.cluster import Cluster
from trueup.domain.application import REFRESH_ANNOTATION, RESOURCES_FINALIZER

APPLICATIONS = 20


@asynccontextmanager
async def _behind_a_proxy(
    sandbox: SandboxFacts, cluster: Cluster, second: SecondCluster, directory: Path, redis_url: str, **settings: str
) -> AsyncIterator[tuple[Installation, FaultyProxy, str]]:
    """Both halves running, the second cluster behind a proxy, and its name."""
    async with (
        proxy_to(second.sandbox) as proxy,
        installation(sandbox, cluster, directory, redis_url, **settings) as trueup,
    ):
        far = fresh("far")
        token = second.sandbox.users["trueup"]
        await put_cluster_secret(trueup, far, server=proxy.url, config={"bearerToken": token})
        await trueup.start_both()
        yield trueup, proxy, far


def _anything(_: Seen) -> bool:
    return True


@pytest.mark.timeout(200)
async def test_a_push_to_home_is_synced_while_every_application_of_a_hanging_cluster_is_refreshed(
    sandbox: SandboxFacts, cluster: Cluster, second: SecondCluster, tmp_path: Path, valkey_url: str
) -> None:
    # A request that hangs does so for the whole test: what goes on does so beside it.
    settings = {"TRUEUP_API_REQUEST_SECONDS_MAX": "600"}
    async with _behind_a_proxy(sandbox, cluster, second, tmp_path, valkey_url, **settings) as (trueup, proxy, far):
        there, here = await trueup.repository(), await trueup.repository()
        revision = await there.push({f"{n}/one.yaml": config_map(f"one-{n}") for n in range(APPLICATIONS)})
        names = [fresh(f"far-{n}") for n in range(APPLICATIONS)]
        policy = {**AUTOMATED, "syncOptions": CREATE_NAMESPACE}
        for n, name in enumerate(names):
            await trueup.apply(name, there.url, path=str(n), destination=called(far, trueup), syncPolicy=policy)
        for name in names:
            await healed(trueup, name, revision)
        one, near = fresh("one"), fresh("near")
        before = await here.push({"app/one.yaml": config_map(one)})
        await trueup.apply(near, here.url, syncPolicy=AUTOMATED)
        await healed(trueup, near, before)
        await trueup.at_rest()

        hung = proxy.black_hole(_anything)
        for name in names:
            await trueup.patch(name, {"metadata": {"annotations": {REFRESH_ANNOTATION: "normal"}}})
        await wait_until(lambda: hung.used, STEP_SECONDS, "the first of them hangs")
        for tide in ("high", "low"):
            after = await here.push({"app/one.yaml": config_map(one, tide=tide)})
            assert await trueup.webhook(here.url) == 202
            await trueup.until(near, is_synced(after), "synced beside the hanging ones")
        waiting = [name for name in names if _is_asked_for(await trueup.application(name))]
        assert len(waiting) == APPLICATIONS, "none of them was answered meanwhile"

        proxy.lift(hung)
        proxy.cut_all()
        for name in names:
            await trueup.until(name, lambda raw: not _is_asked_for(raw) and is_synced(revision)(raw), "refreshed")


@pytest.mark.timeout(200)
async def test_applications_of_a_cluster_that_is_away_say_so_lose_nothing_and_recover_by_themselves(
    sandbox: SandboxFacts, cluster: Cluster, second: SecondCluster, tmp_path: Path, valkey_url: str
) -> None:
    settings = {
        "TRUEUP_API_REQUEST_SECONDS_MAX": "5",
        "TRUEUP_CLUSTER_PAUSE_SECONDS_MAX": "1",
        "TRUEUP_CLUSTER_PROBE_SECONDS_MAX": "1",
        "TRUEUP_WATCH_RETRY_SECONDS_MAX": "1",
        # Were the tries of an outage counted, the third would be the last.
        "TRUEUP_ATTEMPTS_MAX": "2",
    }
    async with _behind_a_proxy(sandbox, cluster, second, tmp_path, valkey_url, **settings) as (trueup, proxy, far):
        repository, name, leaving = await trueup.repository(), fresh("far"), fresh("leaving")
        one, two, last = fresh("one"), fresh("two"), fresh("last")
        revision = await repository.push(
            {"app/one.yaml": config_map(one), "app/two.yaml": config_map(two), "other/last.yaml": config_map(last)}
        )
        policy = {"automated": {"prune": True, "selfHeal": True}, "syncOptions": CREATE_NAMESPACE}
        for app, path in ((name, "app"), (leaving, "other")):
            await trueup.apply(app, repository.url, path=path, destination=called(far, trueup), syncPolicy=policy)
            await healed(trueup, app, revision)
        await trueup.at_rest()

        away = proxy.black_hole(_anything)
        proxy.cut_all()
        after = await repository.push({"app/two.yaml": None, "app/one.yaml": config_map(one, tide="high")})
        assert await trueup.webhook(repository.url) == 202
        raw = await told(trueup, name, "ComparisonError", f"cluster {far} is away")
        assert sync_status(raw) == "Unknown"
        assert owned(raw) == {one, two}
        await trueup.patch(leaving, {"metadata": {"finalizers": [RESOURCES_FINALIZER]}})
        await trueup.delete(leaving)
        await told(trueup, leaving, "DeletionError", f"cluster {far} is away")
        used = away.used
        await wait_until(lambda: away.used >= used + 4, STEP_SECONDS, "it is asked again and again")
        assert {one, two, last} <= await _names(second, trueup)
        metrics = await trueup.metrics("worker")
        assert metrics.total("trueup_jobs_run_total", outcome="put off")
        assert not metrics.total("trueup_jobs_run_total", outcome="failed", kind="application")

        proxy.lift(away)
        proxy.cut_all()
        await healed(trueup, name, after)
        await wait_until(lambda: trueup.is_gone(leaving), STEP_SECONDS, "let go")

        async def only_one_is_left() -> bool:
            return {one, two, last} & await _names(second, trueup) == {one}

        # Synced is said once it is on its way out, and the garbage collector lets it go.
        await wait_until(only_one_is_left, STEP_SECONDS, "what Git dropped goes")

        # Whoever only drains the queue does not wait for it, and says that something is left.
        await trueup.children.pop("worker").terminate(grace_seconds=15)
        proxy.black_hole(_anything)
        await trueup.patch(name, {"metadata": {"annotations": {REFRESH_ANNOTATION: "normal"}}})
        assert (await trueup.trueup("worker", "--drain")).returncode == 3
        await told(trueup, name, "ComparisonError", f"cluster {far} is away")


def _is_asked_for(raw: Any) -> bool:
    return REFRESH_ANNOTATION in (raw["metadata"].get("annotations") or {})


async def _names(second: SecondCluster, trueup: Installation) -> set[str]:
    resource = await second.cluster.resource("", "ConfigMap")
    found = await second.cluster.list_all(resource, trueup.delivered_to)
    return {item["metadata"]["name"] for item in found.items}
