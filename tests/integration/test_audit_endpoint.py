"""`POST /api/audit` on a real service: who may send, what is taken, and what reaches Redis."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from service.audit_secrets import TOKEN_BYTES_MIN
from tests.support.audit_writes import KEY, event, write
from tests.support.fixtures import in_own_task
from tests.support.queues import client_of
from tests.support.service import (
    REPO,
    SECONDS,
    Answer,
    Service,
    create_application,
    running_service,
    settings_for,
)
from tests.support.wait import wait_until
from trueup.clients.audit_stream import AuditStream, AuditStreamBounds
from trueup.clients.cluster import Cluster
from trueup.clients.epoch import ensure_keys_secret
from trueup.clients.seal import Sealer
from trueup.domain.application import HOME_SERVER
from trueup.domain.audit import AuditRecord
from trueup.sandbox.ports import free_port
from trueup.sandbox.valkey import valkey_server

TOKEN = "t" * TOKEN_BYTES_MIN
OTHER = "o" * TOKEN_BYTES_MIN
OTHER_SERVER = "https://other.example.com:6443"
CANARY = "canary-in-a-body"
BODY_BYTES_MAX = 64 * 1024
BOUNDS: dict[str, Any] = {"audit_body_bytes_max": BODY_BYTES_MAX, "audit_events_per_batch_max": 20}
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def happened(**changed: Any) -> dict[str, Any]:
    """An event of just now."""
    now = datetime.now(UTC).isoformat()
    return event(requestReceivedTimestamp=now, stageTimestamp=now, **changed)


def batch(*events: object, **changed: Any) -> bytes:
    return orjson.dumps({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": events, **changed})


async def send(service: Service, body: bytes, headers: Mapping[str, str] = BEARER, path: str = "") -> Answer:
    return await service.post(body, {"Content-Type": "application/json", **headers}, f"/api/audit{path}")


async def keep_tokens(cluster: Cluster, namespace: str, **tokens: str) -> None:
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "trueup-audit"}}
    data = {name.replace("_", "."): value for name, value in tokens.items()}
    await cluster.apply(await cluster.resource("", "Secret"), namespace, "trueup-audit", {**body, "stringData": data})


async def install(cluster: Cluster, namespace: str) -> None:
    """An Application that owns Deployment shop/web at home."""
    await create_application(cluster, namespace, "shop", REPO)
    resources = [{"group": "apps", "version": "v1", "kind": "Deployment", "namespace": "shop", "name": "web"}]
    await cluster.merge_patch(
        await cluster.resource("argoproj.io", "Application"), namespace, "shop", {"status": {"resources": resources}}
    )


@pytest_asyncio.fixture(loop_scope="session")
async def service(cluster: Cluster, namespace: str, valkey_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    await install(cluster, namespace)
    settings = settings_for(namespace, valkey_url, tmp_path / "data", **BOUNDS)
    async with in_own_task(running_service(settings, cluster)) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def opened(service: Service) -> Service:
    """The service with tokens and a sealing key."""
    await ensure_keys_secret(service.cluster, service.namespace)
    await keep_tokens(service.cluster, service.namespace, token=TOKEN, token_other=OTHER)
    await wait_until(lambda: is_open(service), SECONDS, "audit events are taken")
    return service


async def is_open(service: Service) -> bool:
    return (await send(service, batch())).status == 200


async def kept(service: Service, redis_url: str) -> list[tuple[str, AuditRecord]]:
    """What a worker would hear."""
    sealer = Sealer(await ensure_keys_secret(service.cluster, service.namespace))
    found: list[tuple[str, AuditRecord]] = []
    async with client_of(redis_url) as client:
        entries = await client.xlen("{trueup}:audit")
        news = AuditStream(client).read(sealer)
        for _ in range(entries):
            heard = await anext(news)
            found += [(heard.server, record) for record in heard.records]
        await news.aclose()
    return found


async def test_without_a_secret_the_door_is_closed_and_says_how_to_open_it(service: Service) -> None:
    answer = await send(service, batch(happened()))
    assert answer.status == 403
    assert "make the Secret trueup-audit" in answer.body["error"]


async def test_without_a_sealing_key_nothing_is_taken_yet(service: Service) -> None:
    await keep_tokens(service.cluster, service.namespace, token=TOKEN)

    async def status() -> bool:
        return (await send(service, batch())).status == 503

    await wait_until(status, SECONDS, "503 once the token is known")
    await ensure_keys_secret(service.cluster, service.namespace)
    await wait_until(lambda: is_open(service), SECONDS, "taken once there is a key")


@pytest.mark.parametrize(
    ("authorization", "path"),
    [
        ("", ""),
        (f"Bearer {TOKEN}x", ""),
        (f"Bearer {TOKEN[:-1]}", ""),
        (f"Bearer {OTHER}", ""),
        (TOKEN, ""),
        ("Bearer ", ""),
        ("Basic not-base64", ""),
        (f"Basic {base64.b64encode(f'{TOKEN}:'.encode()).decode()}", ""),
        (f"Bearer {TOKEN}", "/other"),
        (f"Bearer {TOKEN}", "/token"),
        (f"Bearer {OTHER}", "/other"),
        ("Bearer ünïcode", ""),
    ],
)
async def test_a_stranger_is_turned_away(opened: Service, authorization: str, path: str) -> None:
    # `other` has a token and no cluster of that name.
    answer = await send(opened, batch(happened()), {"Authorization": authorization}, path)
    assert answer.status == 401
    assert TOKEN not in str(answer.body)


async def test_a_token_may_stand_in_a_kubeconfig_as_token_or_as_password(opened: Service, valkey_url: str) -> None:
    basic = base64.b64encode(f"anybody:{TOKEN}".encode()).decode()
    for authorization in (f"Bearer {TOKEN}", f"Basic {basic}"):
        answer = await send(opened, batch(happened()), {"Authorization": authorization})
        assert (answer.status, answer.body["kept"]) == (200, 1)
    assert [server for server, _ in await kept(opened, valkey_url)] == [HOME_SERVER] * 2


async def test_while_a_token_is_changed_the_old_and_the_new_count(opened: Service) -> None:
    await keep_tokens(opened.cluster, opened.namespace, token=f"{OTHER}\n{TOKEN}\nshort")

    async def is_known() -> bool:
        return (await send(opened, batch(), {"Authorization": f"Bearer {OTHER}"})).status == 200

    await wait_until(is_known, SECONDS, "the new one counts")
    assert (await send(opened, batch())).status == 200
    assert (await send(opened, batch(), {"Authorization": "Bearer short"})).status == 401


async def test_another_cluster_speaks_for_itself_alone(opened: Service, valkey_url: str) -> None:
    config = orjson.dumps({"bearerToken": "t", "tlsClientConfig": {"insecure": True}}).decode()
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "other", "labels": {"argocd.argoproj.io/secret-type": "cluster"}},
        "stringData": {"name": "other", "server": OTHER_SERVER, "config": config},
    }
    await opened.cluster.create(await opened.cluster.resource("", "Secret"), opened.namespace, secret)
    headers = {"Authorization": f"Bearer {OTHER}"}

    async def is_known() -> bool:
        return (await send(opened, batch(), headers, "/other")).status == 200

    await wait_until(is_known, SECONDS, "the other cluster is known")
    # The object is owned at home; of the same name elsewhere nobody asked.
    answer = await send(opened, batch(happened()), headers, "/other")
    assert (answer.status, answer.body["foreign"]) == (200, 1)
    assert (await send(opened, batch(), headers)).status == 401
    assert await kept(opened, valkey_url) == []


async def test_only_the_writes_of_what_is_owned_are_kept_and_of_them_no_content(
    opened: Service, valkey_url: str
) -> None:
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "web", "env": [{"name": "A", "value": CANARY}]}]}}}}
    foreign = {"resource": "deployments", "namespace": "shop", "name": "db", "apiGroup": "apps", "apiVersion": "v1"}
    events = [
        happened(auditID="mine", requestObject=patch),
        happened(objectRef=foreign),
        happened(verb="get"),
        happened(stage="RequestReceived"),
        {"auditID": 5},
        "rubbish",
        event(),
    ]
    answer = await send(opened, batch(*events))
    assert answer.status == 200
    assert answer.body == {
        "status": "taken",
        "events": 7,
        "kept": 1,
        "foreign": 1,
        "ignored": 2,
        "malformed": 2,
        "old": 1,
    }
    ((server, record),) = await kept(opened, valkey_url)
    assert (server, record.id, record.key, record.person.user) == (HOME_SERVER, "mine", KEY, "alice")
    async with client_of(valkey_url) as client:
        for name in await client.keys("*"):
            assert CANARY.encode() not in (await client.dump(name) or b"")


async def test_a_batch_that_is_sent_again_changes_nothing(opened: Service, valkey_url: str) -> None:
    body = batch(happened(), happened())
    assert (await send(opened, body)).body["kept"] == 2
    assert (await send(opened, body)).body["repeated"] == 2
    twice = happened()
    assert (await send(opened, batch(twice, twice))).body["repeated"] == 1
    assert len(await kept(opened, valkey_url)) == 3


async def test_a_client_that_chooses_its_audit_id_hides_no_write_behind_another(
    opened: Service, valkey_url: str
) -> None:
    first, second, third = (happened(auditID="chosen", user={"username": "mallory"}) for _ in range(3))
    assert (await send(opened, batch(first, second))).body["kept"] == 2
    assert (await send(opened, batch(first, third))).body == {
        "status": "taken",
        "events": 2,
        "kept": 1,
        "repeated": 1,
    }
    assert len(await kept(opened, valkey_url)) == 3


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"", 400),
        (b"[]", 400),
        (b"null", 400),
        (batch(kind="List"), 400),
        (batch(apiVersion="audit.k8s.io/v1beta1"), 400),
        (batch(items={}), 400),
        (b"[" * 50_000, 400),
        (b"\xff\xfe", 400),
        (batch(*[{}] * 21), 413),
        (b" " * (BODY_BYTES_MAX + 1), 413),
    ],
)
async def test_what_is_no_batch_is_refused_with_a_sentence(opened: Service, body: bytes, status: int) -> None:
    answer = await send(opened, body)
    assert (answer.status, bool(answer.body["error"])) == (status, True)
    assert await is_open(opened)


async def test_what_redis_does_not_take_is_to_be_sent_again(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    port = free_port()
    settings = settings_for(namespace, f"redis://127.0.0.1:{port}/0", tmp_path / "data")
    await install(cluster, namespace)
    await ensure_keys_secret(cluster, namespace)
    await keep_tokens(cluster, namespace, token=TOKEN)
    body = batch(happened())
    async with valkey_server(tmp_path / "one", port=port):
        running = in_own_task(running_service(settings, cluster))
        service = await running.__aenter__()
        await wait_until(lambda: is_open(service), SECONDS, "open")
    answer = await send(service, body)
    assert (answer.status, int(answer.headers["Retry-After"]) > 0) == (503, True)
    async with valkey_server(tmp_path / "two", port=port):

        async def is_taken() -> bool:
            return (await send(service, body)).body.get("kept") == 1

        await wait_until(is_taken, SECONDS, "taken once Redis is back")
        assert len(await kept(service, settings.redis_url)) == 1
        await running.__aexit__(None, None, None)


async def test_whoever_writes_to_redis_can_name_nobody(valkey_url: str) -> None:
    ours, theirs = Sealer(b"a" * 32), Sealer(b"b" * 32)
    async with client_of(valkey_url) as client:
        stream = AuditStream(client)
        await stream.add(theirs, HOME_SERVER, [write("forged")])
        await stream.add(ours, OTHER_SERVER, [write("of another cluster")])
        ((_, entry),) = (await client.xrevrange("{trueup}:audit", count=1)) or [(b"", {})]
        await client.xadd("{trueup}:audit", {"server": HOME_SERVER, "sealed": entry[b"sealed"]})
        await client.xadd("{trueup}:audit", {"rubbish": b"\xff"})
        await client.xadd("{trueup}:audit", {"server": HOME_SERVER, "sealed": "no seal"})
        await stream.add(ours, HOME_SERVER, [write("alice")])
        news = stream.read(ours)
        heard = [await anext(news) for _ in range(6)]
        await news.aclose()
    said = {(each.server, record.person.user) for each in heard for record in each.records}
    assert said == {(OTHER_SERVER, "of another cluster"), (HOME_SERVER, "alice")}


async def test_the_stream_is_bounded_and_mortal_and_wakes_who_waits(valkey_url: str) -> None:
    sealer = Sealer(b"a" * 32)
    async with client_of(valkey_url) as client, client_of(valkey_url) as other:
        stream = AuditStream(client, bounds=AuditStreamBounds(entries_max=50, seconds_max=60.0))
        for number in range(40):
            await stream.add(sealer, HOME_SERVER, [write(f"u{number}-{n}") for n in range(1_000)])
        # Redis trims whole nodes of a stream, of a hundred entries each.
        assert await client.xlen("{trueup}:audit") <= 50 + 100
        assert 0 < await client.ttl("{trueup}:audit") <= 60
        await client.delete("{trueup}:audit")
        news = AuditStream(other).read(sealer)
        waiting = asyncio.ensure_future(anext(news))
        await wait_until(lambda: has_blocked(client), SECONDS, "the reader waits in Redis")
        await stream.add(sealer, HOME_SERVER, [write("alice")])
        assert [record.person.user for record in (await waiting).records] == ["alice"]
        await news.aclose()


async def has_blocked(client: Redis) -> bool:
    info: dict[str, Any] = await client.info("clients")
    return int(info["blocked_clients"]) > 0
