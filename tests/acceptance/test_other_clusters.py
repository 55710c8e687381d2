"""Applications of other clusters than home are delivered, watched, healed and pruned there, and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest_asyncio

from tests.support.bad_input import fresh, healed, owned, told
from tests.support.drift import HEALING
from tests.support.product import AUTOMATED, STEP_SECONDS, Installation, conditions, config_map, is_synced, sync_status
from tests.support.second_cluster import (
    CREATE_NAMESPACE,
    SecondCluster,
    called,
    delete_secret,
    known,
    put_cluster_secret,
)
from tests.support.wait import wait_until
from trueup.domain.application import HOME_SERVER, RESOURCES_FINALIZER
from trueup.domain.resource import TRACKING_ANNOTATION, tracked_by

THERE = {**HEALING, "syncOptions": CREATE_NAMESPACE}


@pytest_asyncio.fixture(loop_scope="session")
async def east(running: Installation, second: SecondCluster) -> AsyncIterator[str]:
    """What the installation calls the second cluster."""
    async with known(running, second, "east") as name:
        yield name


async def test_a_push_reaches_its_cluster_and_the_same_names_on_two_clusters_are_strangers(
    running: Installation, second: SecondCluster, east: str
) -> None:
    one = fresh("one")
    away, home = await running.repository(), await running.repository()
    first = await away.push({"app/one.yaml": config_map(one, at="east")})
    there, here = fresh("there"), fresh("here")
    await running.apply(there, away.url, destination=called(east, running), syncPolicy=THERE)
    await healed(running, there, first)
    at_home = await home.push({"app/one.yaml": config_map(one, at="home")})
    await running.apply(here, home.url, syncPolicy={"automated": {}})
    await healed(running, here, at_home)
    revision = await away.push({"app/one.yaml": config_map(one, at="east", tide="high")})
    assert await running.webhook(away.url) == 202
    raw = await healed(running, there, revision)
    assert raw["status"]["sync"]["comparedTo"]["destination"] == {**called(east, running), "server": second.server}
    assert await _data(second, running, one) == {"at": "east", "tide": "high"}
    assert await _home_data(running, one) == {"at": "home"}

    # A hand edit on either is the business of that one's owner alone.
    await _watched(running, east)
    await second.edit(running, one, {"data": {"tide": "low"}})
    await running.until(there, lambda raw: _heals(raw) == 1 and is_synced(revision)(raw), "healed by its watch")
    assert await _data(second, running, one) == {"at": "east", "tide": "high"}
    resource = await running.cluster.resource("", "ConfigMap")
    await running.cluster.merge_patch(
        resource, running.delivered_to, one, {"data": {"at": "sea"}}, field_manager="kubectl-edit"
    )
    await running.until(here, lambda raw: sync_status(raw) == "OutOfSync", "drifted at home")
    assert is_synced(revision)(await running.application(there) or {})

    # A second spelling of the same cluster meets the first.
    twin = fresh("twin")
    await running.apply(
        twin,
        away.url,
        destination={"server": f"{second.server}/", "namespace": running.delivered_to},
        syncPolicy={"automated": {}},
    )
    await told(running, twin, "SharedResourceWarning", there)
    await running.patch(twin, {"metadata": {"finalizers": None}})
    await running.delete(twin)

    # The finalizer takes along what is there, and nothing of the same name here.
    await running.patch(there, {"metadata": {"finalizers": [RESOURCES_FINALIZER]}})
    await running.delete(there)
    await wait_until(lambda: running.is_gone(there), STEP_SECONDS, "let go")
    assert await second.live(running, "ConfigMap", one) is None
    assert await _home_data(running, one) == {"at": "sea"}


async def test_a_cluster_secret_that_is_missing_wrong_or_gone_is_named_and_once_right_ends_the_wait(
    running: Installation, second: SecondCluster
) -> None:
    west, name, one = fresh("west"), fresh("waits"), fresh("one")
    repository = await running.repository()
    revision = await repository.push({"app/one.yaml": config_map(one)})
    await running.apply(name, repository.url, destination=called(west, running), syncPolicy=THERE)
    await told(running, name, "InvalidSpecError", west, "no cluster Secret has that name")
    # What owns nothing there can be let go without it.
    empty = fresh("empty")
    await running.apply(empty, repository.url, destination=called(west, running))
    await told(running, empty, "InvalidSpecError", west)
    await running.patch(empty, {"metadata": {"finalizers": [RESOURCES_FINALIZER]}})
    await running.delete(empty)
    await wait_until(lambda: running.is_gone(empty), STEP_SECONDS, "let go")
    await put_cluster_secret(running, west, server=second.server, config={"execProviderConfig": {"command": "token"}})
    await told(running, name, "InvalidSpecError", west, "execProviderConfig")
    await put_cluster_secret(running, west, server=second.server, config=second.config(token="wrong"))
    raw = await told(running, name, "ComparisonError", f"cluster {west} is away", "401")
    assert sync_status(raw) == "Unknown"
    await put_cluster_secret(running, west, server=second.server, config=second.config())
    await healed(running, name, revision)

    # Two Secrets of one name: nobody knows which is meant, and nothing is done about either.
    other = fresh("other")
    await put_cluster_secret(running, other, server="https://192.0.2.1:6443", config={}, name=west)
    await told(running, name, "InvalidSpecError", "2 cluster Secrets have that name", other)
    await delete_secret(running, other)
    await healed(running, name, revision)

    await delete_secret(running, west)
    raw = await told(running, name, "InvalidSpecError", west, "no cluster Secret has that name")
    assert sync_status(raw) == "Unknown"
    assert owned(raw) == {one}
    assert await second.live(running, "ConfigMap", one) is not None
    # What is deleted meanwhile waits too, with all that it owns.
    await running.patch(name, {"metadata": {"finalizers": [RESOURCES_FINALIZER]}})
    await running.delete(name)
    await told(running, name, "DeletionError", west, "remove the finalizer")
    assert await second.live(running, "ConfigMap", one) is not None
    await put_cluster_secret(running, west, server=f"{second.server}/", config=second.config())
    await wait_until(lambda: running.is_gone(name), STEP_SECONDS, "let go")
    assert await second.live(running, "ConfigMap", one) is None
    await delete_secret(running, west)


async def test_an_application_that_moves_leaves_its_objects_and_prunes_nothing_by_the_inventory_of_the_other_cluster(
    running: Installation, second: SecondCluster, east: str
) -> None:
    name, one, two = fresh("moves"), fresh("one"), fresh("two")
    repository = await running.repository()
    first = await repository.push({"app/one.yaml": config_map(one), "app/two.yaml": config_map(two)})
    await running.apply(name, repository.url, syncPolicy={"automated": {}})
    await healed(running, name, first)
    # What stands in the home cluster's inventory exists on the other cluster too, with our tracking id.
    await _namespace(second, running.delivered_to)
    live = await running.live("ConfigMap", two)
    assert live is not None
    assert tracked_by(live) == name
    tracking = {TRACKING_ANNOTATION: live["metadata"]["annotations"][TRACKING_ANNOTATION]}
    resource = await second.cluster.resource("", "ConfigMap")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": two, "annotations": tracking}}
    await second.cluster.create(resource, running.delivered_to, body)

    revision = await repository.push({"app/one.yaml": config_map(one, tide="high"), "app/two.yaml": None})
    assert await running.webhook(repository.url) == 202
    await running.until(name, lambda raw: _synced_to(raw) == revision, "synced to the next commit, without pruning")
    # No commit comes with the move, and nothing heals: it is delivered because it was not yet.
    moved = {"destination": {**called(east, running), "server": None}, "syncPolicy": AUTOMATED}
    await running.patch(name, {"spec": moved})
    raw = await healed(running, name, revision)
    assert owned(raw) == {one}
    assert await second.live(running, "ConfigMap", two) is not None
    for left in (one, two):
        assert await running.live("ConfigMap", left) is not None

    await running.patch(name, {"spec": {"destination": {"server": HOME_SERVER, "name": None}}})
    raw = await running.until(name, lambda raw: is_synced(revision)(raw) and _is_home(raw), "back at home")
    assert owned(raw) == {one}
    assert conditions(raw) == []
    assert await second.live(running, "ConfigMap", one) is not None


async def test_the_home_cluster_may_be_given_another_name_and_whatever_else_its_secret_says(
    running: Installation,
) -> None:
    name, one, harbour = fresh("renamed"), fresh("one"), fresh("harbour")
    await put_cluster_secret(running, harbour, server=HOME_SERVER, config={"awsAuthConfig": {}}, namespaces="a,b")
    repository = await running.repository()
    revision = await repository.push({"app/one.yaml": config_map(one)})
    await running.apply(name, repository.url, destination=called(harbour, running), syncPolicy={"automated": {}})
    await healed(running, name, revision)
    assert await running.live("ConfigMap", one) is not None


async def test_a_diff_reads_the_cluster_that_the_application_is_delivered_to(
    running: Installation, second: SecondCluster, east: str
) -> None:
    name, one = fresh("diff"), fresh("one")
    repository = await running.repository()
    revision = await repository.push({"app/one.yaml": config_map(one, mood="calm")})
    await running.apply(name, repository.url, destination=called(east, running), syncPolicy={**THERE, "automated": {}})
    await healed(running, name, revision)
    assert (await running.trueup("app", "diff", name)).returncode == 0
    await second.edit(running, one, {"data": {"mood": "stormy"}})
    found = await running.trueup("app", "diff", name)
    assert found.returncode == 1, found.stderr.decode()
    assert "stormy" in found.stdout.decode()


async def test_one_replica_watches_a_cluster_and_its_successor_goes_on(
    running: Installation, second: SecondCluster, east: str
) -> None:
    name, one = fresh("watched"), fresh("one")
    repository = await running.repository()
    revision = await repository.push({"app/one.yaml": config_map(one, mood="calm")})
    await running.apply(name, repository.url, destination=called(east, running), syncPolicy=THERE)
    await healed(running, name, revision)
    await _watched(running, east)
    directory = running.directory / "replica"
    directory.mkdir()
    replica = replace(running, directory=directory, children={})
    try:
        await replica.start("service")
        assert (await replica.metrics("service")).total("trueup_watches", cluster=east) == 0
        await running.children.pop("service").terminate(grace_seconds=15)
        await _watched(replica, east)
        await second.edit(running, one, {"data": {"mood": "stormy"}})
        await running.until(name, lambda raw: _heals(raw) == 1 and is_synced(revision)(raw), "healed by its watch")
    finally:
        await replica.stop()
        await running.start("service")


async def _data(second: SecondCluster, trueup: Installation, name: str) -> Any:
    return (await second.live(trueup, "ConfigMap", name) or {}).get("data")


async def _home_data(trueup: Installation, name: str) -> Any:
    return (await trueup.live("ConfigMap", name) or {}).get("data")


async def _watched(trueup: Installation, cluster: str) -> None:
    """Wait until something of that cluster is watched, and what its first list asks for is done."""

    async def is_watched() -> bool:
        metrics = await trueup.metrics("service")
        return bool(metrics.total("trueup_watches", state="watching", cluster=cluster))

    await wait_until(is_watched, STEP_SECONDS, f"{cluster} is watched")


async def _namespace(second: SecondCluster, name: str) -> None:
    resource = await second.cluster.resource("", "Namespace")
    if await second.cluster.get(resource, "", name) is None:
        await second.cluster.create(resource, "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


def _heals(raw: Any) -> int:
    state = (raw.get("status") or {}).get("operationState") or {}
    return int((state.get("operation") or {}).get("sync", {}).get("autoHealAttemptsCount") or 0)


def _synced_to(raw: Any) -> Any:
    state = raw["status"].get("operationState") or {}
    return state.get("phase") == "Succeeded" and state["syncResult"]["revision"]


def _is_home(raw: Any) -> bool:
    return bool(raw["status"]["sync"]["comparedTo"]["destination"].get("server") == HOME_SERVER)
