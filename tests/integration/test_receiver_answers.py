"""What a delivery is answered, by a service on a real Valkey and a real API server."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from tests.support.github import SECRET, delivery, push_of, sample
from tests.support.service import (
    REPO,
    REPO_KEY,
    SECONDS,
    Service,
    counter,
    running_service,
    service,
    serving,
    set_webhook_secret,
    settings_for,
)
from tests.support.wait import wait_until
from trueup.clients.cluster import Cluster
from trueup.domain.job import NOTHING_MORE, Priority

__all__ = ["service"]

OTHER = b"the secret of another repository"


def enqueue_calls() -> float:
    return counter("trueup_redis_calls_total", call="enqueue")


def answered(code: int, provider: str = "github") -> float:
    return counter("trueup_webhooks_total", provider=provider, code=str(code))


async def test_push_to_a_followed_repository_is_accepted_and_becomes_one_job(service: Service) -> None:
    before = answered(202)
    answer = await service.push()
    assert (answer.status, answer.body["status"]) == (202, "accepted")
    assert answered(202) == before + 1
    jobs = await service.jobs()
    assert [(job.key, job.priority, job.scope) for job in jobs] == [(REPO_KEY, Priority.PUSH, NOTHING_MORE)]


async def test_every_spelling_of_the_address_finds_the_repository(service: Service) -> None:
    for url in ("git@git.example.com:acme/deploy.git", "HTTPS://user@GIT.example.com:443/acme/deploy/"):
        assert (await service.push(url)).status == 202


async def test_many_deliveries_of_one_push_are_one_job(service: Service) -> None:
    answers = await asyncio.gather(*(service.push() for _ in range(50)))
    assert {answer.status for answer in answers} == {202}
    assert [job.key for job in await service.jobs()] == [REPO_KEY]


async def test_push_that_nobody_follows_asks_nothing_of_redis(service: Service) -> None:
    before = enqueue_calls()
    answer = await service.push("https://git.example.com/acme/other.git")
    assert (answer.status, answer.body["status"]) == (200, "ignored")
    assert enqueue_calls() == before
    assert await service.jobs() == []


async def test_ping_and_other_events_are_answered_200(service: Service) -> None:
    body = json.dumps(sample("ping")).encode()
    assert (await service.post(body, delivery(body, event="ping"))).body == {"status": "pong"}
    assert (await service.post(body, delivery(body, event="star"))).body["status"] == "ignored"


async def test_bad_signature_is_refused_without_a_call_to_redis(service: Service) -> None:
    before, refused = enqueue_calls(), answered(401)
    answer = await service.push(secret=OTHER)
    assert answer.status == 401
    assert answered(401) == refused + 1
    assert enqueue_calls() == before
    assert await service.jobs() == []


async def test_rotated_secret_counts_at_once(service: Service) -> None:
    await set_webhook_secret(service.cluster, service.namespace, webhook_github_secret=OTHER)

    async def is_refused() -> bool:
        return (await service.push()).status == 401

    await wait_until(is_refused, SECONDS, "the old secret is refused")
    assert (await service.push(secret=OTHER)).status == 202


async def test_old_and_new_secret_may_stand_side_by_side(service: Service) -> None:
    values = {"webhook_github_secret": OTHER, "webhook_github_secret_old": SECRET}
    await set_webhook_secret(service.cluster, service.namespace, **values)

    async def is_taken() -> bool:
        return (await service.push(secret=OTHER)).status == 202

    await wait_until(is_taken, SECONDS, "the new secret is known")
    assert (await service.push()).status == 202


async def test_without_a_secret_every_delivery_is_refused(
    cluster: Cluster, namespace: str, valkey_url: str, tmp_path: Path
) -> None:
    async with running_service(settings_for(namespace, valkey_url, tmp_path), cluster) as bare:
        answer = await bare.push()
        assert (answer.status, "No webhook secret" in answer.body["error"]) == (401, True)


async def test_repository_that_is_followed_from_now_on_is_matched(service: Service) -> None:
    url = "https://git.example.com/acme/new.git"
    assert (await service.push(url)).status == 200
    await service.application("new", url)

    async def is_matched() -> bool:
        return (await service.push(url)).status == 202

    await wait_until(is_matched, SECONDS, "the new repository is matched")


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"ref": NaN}', b'{"ref": "\\ud800"}']
)
async def test_signed_rubbish_is_malformed(service: Service, body: bytes) -> None:
    answer = await service.post(body, delivery(body))
    assert answer.status == 400
    assert answer.body["error"]


async def test_large_payload_is_verified_and_parsed_too(service: Service) -> None:
    payload = json.loads(push_of(REPO)) | {"commits": [{"message": "x" * 1000}] * 2000}
    body = json.dumps(payload).encode()
    assert (await service.post(body, delivery(body))).status == 202


async def test_stranger_wrong_path_and_wrong_method_are_answered_in_json(service: Service) -> None:
    assert (await service.post(b"{}", {})).status == 400
    assert (await service.post(b"{}", {}, "/api/webhook/github/mine")).status == 404
    assert (await service.get("/api/webhook")).status == 405
    assert (await service.get("/nowhere")).status == 404


async def test_no_address_of_a_payload_is_opened(service: Service) -> None:
    connections = 0

    def count(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.close()

    trap = await asyncio.start_server(count, "127.0.0.1", 0)
    async with trap:
        url = f"http://127.0.0.1:{trap.sockets[0].getsockname()[1]}/acme/deploy.git"
        assert (await service.push(url)).status == 200
        await service.application("trapped", url)

        async def is_matched() -> bool:
            return (await service.push(url)).status == 202

        await wait_until(is_matched, SECONDS, "followed")
        assert connections == 0


async def test_no_secret_stands_in_an_answer_of_the_api(service: Service) -> None:
    url = "https://user:hunter2@git.example.com/acme/leaky.git"
    await service.application("leaky", url)
    await wait_until(lambda: service.listed("leaky"), SECONDS, "leaky is listed")
    answer = await service.get("/api/v1/applications")
    assert "hunter2" not in json.dumps(answer.body)
    shop = await service.listed("shop")
    assert shop == {
        "namespace": service.namespace,
        "name": "shop",
        "project": "default",
        "repository": REPO,
        "path": "shop",
        "targetRevision": "main",
        "sync": "Unknown",
        "health": "Unknown",
        "revision": "",
        "sources": [{"repository": REPO, "path": "shop", "chart": "", "targetRevision": "main", "revision": ""}],
    }


async def test_metrics_and_probes_are_served(service: Service) -> None:
    for path in ("/healthz", "/readyz"):
        assert (await service.get(path)).body == {"status": "ok"}
        assert (await service.get(path, ops=True)).body == {"status": "ok"}
    async with service.http.get(f"http://{service.ops}/metrics") as response:
        assert b"trueup_webhooks_total" in await response.read()
    assert (await service.get("/metrics")).status == 404


async def test_addresses_are_gone_after_the_end(
    cluster: Cluster, namespace: str, valkey_url: str, tmp_path: Path
) -> None:
    async with serving(settings_for(namespace, valkey_url, tmp_path / "data"), cluster) as file:
        await wait_until(file.exists, SECONDS, "ready")
    assert os.listdir(tmp_path / "data") == []  # noqa: PTH208 -- asks nothing but what is there
