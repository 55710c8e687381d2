"""A list comes as a stream where the server can do that: whole or not at all, and by a LIST where it cannot."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import orjson
import pytest

from tests.support.api_proxy import proxy_to, through
from tests.support.informers import (
    IMPATIENT,
    SECONDS,
    Editor,
    agrees,
    config_map,
    editor,
    followed,
    is_streamed_list,
    is_watch,
    running,
    store,
)
from tests.support.sandbox import SandboxFacts
from tests.support.tcp_proxy import FaultyProxy, Seen
from tests.support.wait import wait_until
from trueup.clients.informer import Informer

__all__ = ["editor"]

GONE = {"kind": "Status", "status": "Failure", "reason": "Expired", "code": 410, "message": "too old"}


def line(kind: str, body: dict[str, Any]) -> bytes:
    return orjson.dumps({"type": kind, "object": body}) + b"\n"


def bookmark(version: str, **annotations: str) -> bytes:
    metadata = {"resourceVersion": version, "annotations": annotations}
    return line("BOOKMARK", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})


def is_list(seen: Seen) -> bool:
    return not seen.is_watch and "/configmaps?" in seen.target


def streams(proxy: FaultyProxy) -> int:
    return sum(map(is_streamed_list, proxy.requests))


def make_a_gap(proxy: FaultyProxy) -> None:
    """The next watch is told that its version is too old."""
    proxy.answer(lambda seen: is_watch(seen) and not is_streamed_list(seen), 410, orjson.dumps(GONE), times=1)
    proxy.cut_all()


async def test_one_request_brings_what_there_is_and_what_changes(
    sandbox: SandboxFacts, namespace: str, editor: Editor
) -> None:
    await editor.put("before", "1")
    async with followed(sandbox, namespace) as (proxy, seer):
        assert seer.of("before") == [(None, "1")]
        await editor.put("one", "1")
        await editor.remove("before")
        await wait_until(lambda: seer.of("before") == [(None, "1"), ("1", None)], SECONDS, "the changes are seen")
        # Two readings of the kinds, and the stream.
        assert (proxy.lists(), proxy.watches(), streams(proxy)) == (2, 1, 1)


async def test_a_stream_that_is_cut_before_its_end_leaves_the_store_as_it_was(
    sandbox: SandboxFacts, namespace: str, editor: Editor
) -> None:
    for name in ("a", "b", "goes"):
        await editor.put(name, "1")
    async with followed(sandbox, namespace) as (proxy, seer):
        hole = proxy.black_hole(is_watch)
        proxy.cut_all()
        await wait_until(lambda: hole.used, SECONDS, "no watch gets through")
        await editor.remove("goes")
        held = proxy.hold(is_list)
        proxy.lift(hole)
        cut = proxy.cut_watches(after_events=1, of="sendInitialEvents")
        make_a_gap(proxy)
        await wait_until(lambda: held.used, SECONDS, "after the stream that was cut, a LIST")
        assert cut.used == 1
        assert set(store(seer)) == {"a", "b", "goes"}
        assert not [change for _, change in seer.changes if change[1] is None], "nothing is taken for deleted"
        proxy.lift(held)
        await agrees(seer, editor)
        assert seer.of("goes") == [(None, "1"), ("1", None)]
        assert seer.of("a") == seer.of("b") == [(None, "1")]


@pytest.mark.parametrize("refusal", ["400", "422", "ignored"])
async def test_a_server_that_does_not_stream_is_asked_once_for_each_group(
    sandbox: SandboxFacts, namespace: str, editor: Editor, refusal: str
) -> None:
    await editor.put("before", "1")
    async with proxy_to(sandbox) as proxy, through(sandbox, proxy) as cluster:
        if refusal == "ignored":
            # Such a server sends what it has, and then a bookmark now and then.
            proxy.end_watches_with(bookmark("1"), of="sendInitialEvents")
        else:
            proxy.answer(is_streamed_list, int(refusal))
        resource = await cluster.resource("", "ConfigMap")
        for number in (1, 2):
            informer = Informer(cluster, resource, namespace=namespace, bounds=IMPATIENT)
            async with running(informer) as seer:
                assert seer.value(namespace, "before") == "1"
                await editor.put("before", f"{number}")
                make_a_gap(proxy)
                await editor.put("one", f"{number}")
                await wait_until(lambda: seer.value(namespace, "one") == f"{number}", SECONDS, "seen")  # noqa: B023
                await editor.put("before", "1")
        assert streams(proxy) == 1
        assert sum(map(is_list, proxy.requests)) >= 2
        other = Informer(
            cluster, await cluster.resource("argoproj.io", "Application"), namespace=namespace, bounds=IMPATIENT
        )
        async with running(other):
            assert streams(proxy) == 2, "an aggregated server may know what this one does not"


async def test_a_stream_that_stays_silent_is_given_up_for_a_list_this_time(
    sandbox: SandboxFacts, namespace: str, editor: Editor
) -> None:
    await editor.put("before", "1")
    bounds = replace(IMPATIENT, list_silence_seconds_max=0.3, silence_seconds_max=3600.0)
    async with proxy_to(sandbox) as proxy, through(sandbox, proxy) as cluster:
        silent = proxy.black_hole(is_streamed_list, times=1)
        resource = await cluster.resource("", "ConfigMap")
        async with running(Informer(cluster, resource, namespace=namespace, bounds=bounds)) as seer:
            assert (silent.used, seer.value(namespace, "before")) == (1, "1")
            make_a_gap(proxy)
            await wait_until(lambda: streams(proxy) == 2, SECONDS, "the next list is streamed")
            await editor.put("one", "1")
            await wait_until(lambda: seer.value(namespace, "one"), SECONDS, "seen")


async def test_what_goes_while_the_list_is_on_its_way_is_not_in_it(
    sandbox: SandboxFacts, namespace: str, editor: Editor
) -> None:
    await editor.put("one", "1")
    resource = await editor.cluster.resource("", "ConfigMap")
    ghost, one = config_map("ghost", "1"), await editor.cluster.get(resource, namespace, "one")
    assert one is not None
    ghost["metadata"] |= {"namespace": namespace, "uid": "ghost", "resourceVersion": "1"}
    sent = [line("ADDED", ghost), line("ADDED", one), line("DELETED", ghost)]
    end = bookmark(one["metadata"]["resourceVersion"], **{"k8s.io/initial-events-end": "true"})
    async with proxy_to(sandbox) as proxy, through(sandbox, proxy) as cluster:
        proxy.end_watches_with(b"".join([*sent, end]), of="sendInitialEvents", times=1)
        async with running(Informer(cluster, resource, namespace=namespace, bounds=IMPATIENT)) as seer:
            assert seer.changes == [("one", (None, "1"))]
            await editor.put("one", "2")
            await wait_until(lambda: seer.value(namespace, "one") == "2", SECONDS, "watched from there on")
            assert seer.informer.get(namespace, "ghost") is None


async def test_lists_are_streamed_few_at_a_time(sandbox: SandboxFacts, namespace: str) -> None:
    async with proxy_to(sandbox) as proxy, through(sandbox, proxy) as cluster:
        resource = await cluster.resource("", "ConfigMap")
        held = proxy.hold(is_streamed_list)
        informers = [Informer(cluster, resource, namespace=namespace, bounds=IMPATIENT) for _ in range(12)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(informer.run()) for informer in informers]
            await wait_until(
                lambda: held.used == cluster.bounds.relists_in_flight_max, SECONDS, "some are on their way"
            )
            for _ in range(50):
                await cluster.version()
            assert held.used == cluster.bounds.relists_in_flight_max
            proxy.lift(held)
            for informer in informers:
                await informer.synced()
            for task in tasks:
                task.cancel()
