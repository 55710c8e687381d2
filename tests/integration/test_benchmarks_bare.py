"""The bare client of the benchmark's floor hears of everything, or ends."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from benchmarks.bare import Api
from tests.support.api_proxy import proxy_to
from tests.support.sandbox import SandboxFacts
from tests.support.tcp_proxy import FaultyProxy

SECONDS_MAX = 30.0


def named(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}


@asynccontextmanager
async def reached(sandbox: SandboxFacts) -> AsyncIterator[tuple[Api, FaultyProxy]]:
    async with proxy_to(sandbox) as proxy, asyncio.timeout(SECONDS_MAX):
        api = Api(proxy.url, sandbox.users["trueup"], base64.b64decode(sandbox.ca_data).decode())
        await api.open()
        try:
            yield api, proxy
        finally:
            await api.close()


async def test_a_watch_that_the_server_ends_goes_on_after_its_last_event(sandbox: SandboxFacts, namespace: str) -> None:
    async with reached(sandbox) as (api, proxy):
        begin = (await api.list("ConfigMap", namespace))["metadata"]["resourceVersion"]
        first, _ = [await api.apply("ConfigMap", namespace, name, named(name)) for name in ("first", "second")]
        proxy.end_watches_with(orjson.dumps({"type": "ADDED", "object": first}) + b"\n", times=1)
        watch = api.watch("ConfigMap", namespace, begin)
        heard = []
        while "second" not in heard:
            heard.append((await anext(watch))["object"]["metadata"]["name"])
        await watch.aclose()
    assert heard.count("first") == heard.count("second") == 1
    assert proxy.watches() == 2


async def test_a_watch_that_has_lost_its_place_ends_with_an_error(sandbox: SandboxFacts, namespace: str) -> None:
    gone = {"kind": "Status", "code": 410, "reason": "Expired"}
    async with reached(sandbox) as (api, proxy):
        proxy.end_watches_with(orjson.dumps({"type": "ERROR", "object": gone}) + b"\n")
        with pytest.raises(RuntimeError, match="Expired"):
            await anext(api.watch("ConfigMap", namespace, "1"))
