"""The epoch never goes back and is given out once; the sealing key is made once."""

from __future__ import annotations

import asyncio
import base64

import orjson
import pytest

from tests.support.api_proxy import proxy_to, through
from tests.support.sandbox import SandboxFacts
from trueup.clients.cluster import Cluster
from trueup.clients.epoch import (
    EPOCH_ANNOTATION,
    EPOCH_LEASE,
    KEYS_SECRET,
    SEAL_KEY,
    bump_epoch,
    ensure_keys_secret,
    read_epoch,
)
from trueup.domain.errors import StalledError


async def test_an_epoch_is_given_to_one_caller_alone(cluster: Cluster, namespace: str) -> None:
    assert await read_epoch(cluster, namespace) is None
    first = await bump_epoch(cluster, namespace)
    assert await read_epoch(cluster, namespace) == first
    given = await asyncio.gather(*(bump_epoch(cluster, namespace) for _ in range(8)))
    assert len({first, *given}) == 9
    assert min(given) > first
    assert await read_epoch(cluster, namespace) == max(given)


async def test_an_epoch_does_not_go_back_when_its_lease_is_deleted(cluster: Cluster, namespace: str) -> None:
    before = await bump_epoch(cluster, namespace)
    resource = await cluster.resource("coordination.k8s.io", "Lease")
    lease = await cluster.get(resource, namespace, EPOCH_LEASE)
    assert lease is not None
    await cluster.delete(resource, namespace, EPOCH_LEASE, uid=lease["metadata"]["uid"])
    assert await bump_epoch(cluster, namespace) > before


async def test_a_lease_that_vanishes_under_the_bump_is_made_anew(sandbox: SandboxFacts, namespace: str) -> None:
    details = {"name": EPOCH_LEASE, "kind": "leases"}
    status = {"kind": "Status", "reason": "NotFound", "code": 404, "details": details}
    async with proxy_to(sandbox) as proxy, through(sandbox, proxy) as cluster:
        before = await bump_epoch(cluster, namespace)
        gone = proxy.answer(lambda seen: seen.method == "PATCH", 404, orjson.dumps(status), times=1)
        assert await bump_epoch(cluster, namespace) > before
        assert gone.used == 1


async def test_an_epoch_goes_on_from_one_ahead_of_the_clock(cluster: Cluster, namespace: str) -> None:
    await bump_epoch(cluster, namespace)
    resource = await cluster.resource("coordination.k8s.io", "Lease")
    ahead = 10**14
    await cluster.merge_patch(
        resource, namespace, EPOCH_LEASE, {"metadata": {"annotations": {EPOCH_ANNOTATION: str(ahead)}}}
    )
    assert await bump_epoch(cluster, namespace) == ahead + 1


@pytest.mark.parametrize("said", [None, "", "soon", "-1", "1.5", "²", "9" * 16, "9" * 5000])
async def test_a_lease_without_an_epoch_is_not_taken_for_one(
    cluster: Cluster, namespace: str, said: str | None
) -> None:
    await bump_epoch(cluster, namespace)
    resource = await cluster.resource("coordination.k8s.io", "Lease")
    await cluster.merge_patch(resource, namespace, EPOCH_LEASE, {"metadata": {"annotations": {EPOCH_ANNOTATION: said}}})
    with pytest.raises(StalledError, match=f"{namespace}/{EPOCH_LEASE}.*delete the Lease"):
        await read_epoch(cluster, namespace)
    with pytest.raises(StalledError):
        await bump_epoch(cluster, namespace)


async def test_the_sealing_key_is_made_once(cluster: Cluster, namespace: str) -> None:
    keys = await asyncio.gather(*(ensure_keys_secret(cluster, namespace) for _ in range(8)))
    assert len(set(keys)) == 1
    assert len(keys[0]) == 32
    assert await ensure_keys_secret(cluster, namespace) == keys[0]


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"other": base64.b64encode(bytes(32)).decode()},
        {SEAL_KEY: ""},
        {SEAL_KEY: base64.b64encode(b"a secret, but too short").decode()},
    ],
)
async def test_a_malformed_key_is_refused_with_the_way_out(
    cluster: Cluster, namespace: str, data: dict[str, str]
) -> None:
    resource = await cluster.resource("", "Secret")
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": KEYS_SECRET}, "data": data}
    await cluster.create(resource, namespace, body)
    with pytest.raises(StalledError, match=f"{namespace}/{KEYS_SECRET}.*delete the Secret"):
        await ensure_keys_secret(cluster, namespace)
