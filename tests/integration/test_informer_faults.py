"""An informer's store ends up as the cluster is, whatever happens in between."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import orjson
import pytest

from tests.support.api_proxy import proxy_to, through
from tests.support.informers import IMPATIENT, SECONDS, Editor, agrees, editor, followed, is_watch, running, store
from tests.support.sandbox import SandboxFacts
from tests.support.tcp_proxy import Seen
from tests.support.wait import wait_until
from trueup.clients.cluster import Cluster
from trueup.clients.cluster_bounds import ClusterBounds, InformerBounds
from trueup.clients.informer import Informer
from trueup.clients.transport import TransportBounds

__all__ = ["editor"]


async def test_every_change_is_reported_and_stored_without_managed_fields(
    sandbox: SandboxFacts, namespace: str, editor: Editor
) -> None:
    await editor.put("before", "1")
    async with followed(sandbox, namespace) as (_, seer):
        assert seer.of("before") == [(None, "1")]
        earlier = seer.informer.snapshot()
        await editor.put("one", "1")
        await editor.put("one", "2")
        await editor.remove("one")
        await wait_until(lambda: len(seer.of("one")) == 3, SECONDS, "three changes")
        assert seer.of("one") == [(None, "1"), ("1", "2"), ("2", None)]
        await editor.put("two", "1")
        await wait_until(lambda: seer.value(namespace, "two"), SECONDS, "one more is in the store")
        assert set(earlier) == {(namespace, "before")}
        with pytest.raises(TypeError):
            earlier["a", "b"] = {}  # type: ignore[index]
        body = seer.informer.get(namespace, "before")
        assert body is not None
        assert (body["apiVersion"], body["kind"]) == ("v1", "ConfigMap")
        assert "managedFields" not in body["metadata"]
        assert seer.informer.last_contact


@pytest.mark.parametrize("after_events", [0, 1, 2, 5])
async def test_no_change_is_missed_when_watches_are_cut(
    sandbox: SandboxFacts, namespace: str, editor: Editor, after_events: int
) -> None:
    async with followed(sandbox, namespace) as (proxy, seer):
        fault = proxy.cut_watches(after_events=after_events)
        proxy.cut_all()
        for number in range(30):
            await editor.put(f"m{number % 7}", str(number))
            if number % 5 == 4:
                await editor.remove(f"m{number % 7}")
        await wait_until(lambda: fault.used >= 3, SECONDS, "three watches were cut")
        if after_events == 0:
            proxy.lift(fault)
            proxy.cut_all()
        await agrees(seer, editor)
        told = {name: changes[-1][1] for name in {name for name, _ in seer.changes} if (changes := seer.of(name))}
        assert {name for name, value in told.items() if value is not None} == set(store(seer))


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("form", ["answer", "event"])
async def test_a_gap_is_filled_by_a_list_that_reports_deletions(
    sandbox: SandboxFacts, namespace: str, editor: Editor, form: str, *, streams: bool
) -> None:
    for name in ("stays", "changes", "goes", "is-another"):
        await editor.put(name, "1")
    async with followed(sandbox, namespace, streams=streams) as (proxy, seer):
        hole = proxy.black_hole(is_watch)
        proxy.cut_all()
        await wait_until(lambda: hole.used, SECONDS, "no watch gets through")
        await editor.put("changes", "2")
        await editor.remove("goes")
        await editor.remove("is-another")
        await editor.put("is-another", "1")
        await editor.put("comes", "1")
        lists = proxy.lists()
        status = {"kind": "Status", "status": "Failure", "reason": "Expired", "code": 410, "message": "too old"}
        if form == "answer":
            gone = proxy.answer(is_watch, 410, orjson.dumps(status), times=1)
        else:
            gone = proxy.end_watches_with(orjson.dumps({"type": "ERROR", "object": status}) + b"\n", times=1)
        proxy.lift(hole)
        proxy.cut_all()
        await agrees(seer, editor)
        assert (gone.used, proxy.lists()) == (1, lists if streams else lists + 1)
        assert seer.of("stays") == [(None, "1")]
        assert seer.of("changes") == [(None, "1"), ("1", "2")]
        assert seer.of("goes") == [(None, "1"), ("1", None)]
        assert seer.of("is-another") == [(None, "1"), ("1", None), (None, "1")]
        assert seer.of("comes") == [(None, "1")]


async def test_a_version_that_the_server_itself_calls_too_old_leads_to_a_list(cluster: Cluster, namespace: str) -> None:
    # This kind was installed after the API server had started, so what is before that is not in its watch cache.
    resource = await cluster.resource("argoproj.io", "Application")
    informer = Informer(cluster, resource, namespace=namespace, bounds=IMPATIENT)
    informer._resource_version = "1"
    async with running(informer):
        assert int(informer._resource_version) > 1


async def test_a_silent_connection_is_given_up(sandbox: SandboxFacts, namespace: str, editor: Editor) -> None:
    bounds = replace(IMPATIENT, silence_seconds_max=0.5)
    async with followed(sandbox, namespace, bounds=bounds) as (proxy, seer):
        await wait_until(proxy.watches, SECONDS, "a watch is open")
        proxy.silence()
        await editor.put("one", "1")
        await wait_until(lambda: seer.value(namespace, "one") == "1", SECONDS, "the change is seen")
        hole = proxy.black_hole(is_watch)
        proxy.cut_all()
        await wait_until(lambda: hole.used >= 2, SECONDS, "a watch that is not even answered is given up")
        await editor.put("one", "2")
        proxy.lift(hole)
        await wait_until(lambda: seer.value(namespace, "one") == "2", SECONDS, "the change is seen")


@pytest.mark.parametrize(
    ("status", "headers"), [(401, {}), (403, {}), (429, {"Retry-After": "1"}), (500, {}), (503, {})]
)
async def test_a_wave_of_refusals_is_outlived_without_help(
    sandbox: SandboxFacts, namespace: str, editor: Editor, status: int, headers: dict[str, str]
) -> None:
    await editor.put("goes", "1")
    async with followed(sandbox, namespace) as (proxy, seer):
        wave = proxy.answer(anything, status, headers=headers)
        proxy.cut_all()
        await wait_until(lambda: wave.used >= (2 if headers else 5), SECONDS, "the wave hits")
        await editor.put("comes", "1")
        await editor.remove("goes")
        proxy.lift(wave)
        await agrees(seer, editor)
        assert seer.of("goes") == [(None, "1"), ("1", None)]


async def test_a_throttled_watch_waits_as_long_as_it_is_asked_to(
    sandbox: SandboxFacts, cluster: Cluster, namespace: str
) -> None:
    async with followed(sandbox, namespace) as (proxy, _):
        asked = proxy.answer(is_watch, 429, headers={"Retry-After": "3600"})
        proxy.cut_all()
        await wait_until(lambda: asked.used, SECONDS, "the watch is throttled")
        # Long enough for many retries of an informer that does not listen.
        for _ in range(500):
            await cluster.version()
        assert asked.used == 1


async def test_watches_that_end_at_once_for_no_reason_lead_to_a_list(
    sandbox: SandboxFacts, namespace: str, editor: Editor
) -> None:
    async with followed(sandbox, namespace) as (proxy, seer):
        proxy.end_watches_with(b"")
        proxy.cut_all()
        await editor.put("one", "1")
        await wait_until(lambda: seer.value(namespace, "one") == "1", SECONDS, "a list finds the change")


async def test_watches_that_the_server_ends_in_time_go_on_without_a_list(
    sandbox: SandboxFacts, namespace: str, editor: Editor
) -> None:
    brief = replace(IMPATIENT, watch_seconds=1)
    async with followed(sandbox, namespace, bounds=brief, streams=False) as (proxy, seer):
        await wait_until(lambda: proxy.watches() >= 5, SECONDS, "the server has ended four watches")
        await editor.put("one", "1")
        await wait_until(lambda: seer.value(namespace, "one") == "1", SECONDS, "the change is seen")
        # Two readings of the kinds, and the first list.
        assert proxy.lists() == 3


async def test_an_unreadable_event_is_passed_over_by_a_list(
    sandbox: SandboxFacts, namespace: str, editor: Editor
) -> None:
    async with followed(sandbox, namespace) as (proxy, seer):
        for line in (b"not json\n", b"[]\n", b"{}\n", b'{"type":"ADDED","object":null}\n', b'{"type":1,"object":{}}\n'):
            garbage = proxy.end_watches_with(line, times=1)
            proxy.cut_all()
            await wait_until(lambda garbage=garbage: garbage.used, SECONDS, "the garbage arrives")  # type: ignore[misc]
        odd = b'{"type":"ADDED","object":{"metadata":null}}\n{"type":"MODIFIED","object":{"metadata":[]}}\n'
        proxy.end_watches_with(odd, times=1)
        proxy.cut_all()
        await editor.put("one", "1")
        await agrees(seer, editor)


async def test_an_event_larger_than_any_buffer_arrives(sandbox: SandboxFacts, namespace: str, editor: Editor) -> None:
    async with followed(sandbox, namespace, streams=False) as (proxy, seer):
        await wait_until(lambda: proxy.watches() == 2, SECONDS, "a watch is open")
        # As JSON each of these characters takes six bytes.
        await editor.put("large", "<" * 900_000)
        await wait_until(lambda: seer.value(namespace, "large"), SECONDS, "the large object is seen")
        assert len(seer.value(namespace, "large") or "") == 900_000
        # Two readings of the kinds, and the first list.
        assert proxy.lists() == 3


async def test_an_event_over_the_bound_is_refused_and_found_by_a_list(
    sandbox: SandboxFacts, namespace: str, editor: Editor
) -> None:
    bounds = InformerBounds(
        retry_seconds_min=0.01,
        retry_seconds_max=0.2,
        watch_seconds=20,
        silence_seconds_max=20,
        watch_line_bytes_max=1000,
    )
    async with followed(sandbox, namespace, bounds=bounds) as (proxy, seer):
        await wait_until(proxy.watches, SECONDS, "a watch is open")
        lists = proxy.lists()
        await editor.put("large", "x" * 200_000)
        await wait_until(lambda: seer.value(namespace, "large"), SECONDS, "the large object is seen")
        assert proxy.lists() > lists


async def test_a_poison_object_does_not_stop_the_others(
    sandbox: SandboxFacts, namespace: str, editor: Editor, capsys: pytest.CaptureFixture[str]
) -> None:
    def poisoned(old: dict[str, Any] | None, new: dict[str, Any] | None) -> None:
        body = new or old or {}
        if body["metadata"]["name"] == "poison":
            raise ValueError(body["data"]["value"])

    def transform(body: dict[str, Any]) -> dict[str, Any]:
        if body["metadata"]["name"] == "poison":
            raise KeyError(body["data"]["value"])
        return body

    await editor.put("poison", "canary")
    async with followed(sandbox, namespace, on_change=poisoned, transform=transform) as (_, seer):
        await editor.put("one", "1")
        await editor.put("poison", "canary")
        await wait_until(lambda: seer.value(namespace, "one") == "1", SECONDS, "the other object is seen")
        assert seer.value(namespace, "poison") == "canary"
        assert seer.of("poison")
    said = capsys.readouterr()
    assert "ValueError" in said.out + said.err
    assert "canary" not in said.out + said.err


async def test_watches_are_bounded(sandbox: SandboxFacts, namespace: str, editor: Editor) -> None:
    bounds = ClusterBounds(transport=TransportBounds(watches_max=1))
    async with proxy_to(sandbox) as proxy, through(sandbox, proxy, bounds) as cluster:
        resource = await cluster.resource("", "ConfigMap")
        one, two = (Informer(cluster, resource, namespace=namespace, bounds=IMPATIENT) for _ in range(2))
        async with running(one):
            await wait_until(proxy.watches, SECONDS, "a watch is open")
            async with running(two) as seer:
                # The second one lists instead, with growing patience.
                await editor.put("one", "1")
                await wait_until(lambda: seer.value(namespace, "one"), SECONDS, "a list finds the change")
                assert proxy.watches() == 1


async def test_an_informer_that_starts_without_a_server_comes_to_it(sandbox: SandboxFacts, namespace: str) -> None:
    async with proxy_to(sandbox) as proxy, through(sandbox, proxy) as cluster:
        resource = await cluster.resource("", "ConfigMap")
        away = proxy.answer(lambda seen: "configmaps" in seen.target, 503)
        informer = Informer(cluster, resource, namespace=namespace, bounds=IMPATIENT)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(informer.run())
            await wait_until(lambda: away.used >= 3, SECONDS, "the server is away")
            assert not informer.is_synced
            assert informer.last_contact is None
            proxy.lift(away)
            async with asyncio.timeout(SECONDS):
                await informer.synced()
            task.cancel()


def anything(seen: Seen) -> bool:
    return True
