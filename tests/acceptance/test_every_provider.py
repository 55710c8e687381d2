"""Each host's delivery through the true service: taken, forged, malformed; and Amazon's subscription."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest_asyncio
from aiohttp import web

from service.webhooks.event import PushEvent
from tests.support.amazon import TOPIC, Stand, make_signer, standing
from tests.support.fixtures import in_own_task
from tests.support.hosts import (
    BITBUCKET_BY_UUID,
    BITBUCKET_SERVER,
    DELIVERIES,
    GITLAB,
    JSON_TYPE,
    SECRET,
    SIGNING,
    SNS_EVENT,
    SNS_HEADERS,
    enveloped,
    sample,
)
from tests.support.service import Service, create_application, running_service, set_webhook_secret, settings_for
from trueup.clients.cluster import Cluster
from trueup.domain.repository import normalize_url

#: Where there is something better, the weaker proof does not count.
TAKEN = [delivery for delivery in DELIVERIES if delivery not in (GITLAB, BITBUCKET_BY_UUID)]
SECRETS = {
    "webhook_github_secret": SECRET,
    "webhook_gitlab_secret": SIGNING,
    "webhook_bitbucket_secret": SECRET,
    "webhook_bitbucketserver_secret": SECRET,
    "webhook_gogs_secret": SECRET,
    "webhook_azuredevops_username": b"hooks",
    "webhook_azuredevops_password": b"p:ss",
    "webhook_codecommit_secret": SECRET,
    "webhook_codecommit_topic": TOPIC + b"\n",
    "webhook_harbor_secret": SECRET,
    "webhook_generic_secret": SIGNING,
}


@dataclass(frozen=True, slots=True)
class Place:
    service: Service
    amazon: Stand


def address_of(number: int) -> str:
    """The last of the addresses that a host gives the repository: any of them may be the followed one.

    Charts in registries cannot be followed yet; an Application of the same address without `oci` can.
    """
    event = TAKEN[number].send(TAKEN[number].document)
    assert isinstance(event, PushEvent)
    return event.repository_urls[-1].replace("oci://", "https://")


@pytest_asyncio.fixture(loop_scope="session")
async def place(cluster: Cluster, namespace: str, valkey_url: str, tmp_path: Path) -> AsyncIterator[Place]:
    await set_webhook_secret(cluster, namespace, **SECRETS)
    for number in range(len(TAKEN)):
        await create_application(cluster, namespace, f"app-{number}", address_of(number))
    async with AsyncExitStack() as stack:
        stand = await stack.enter_async_context(in_own_task(standing(tmp_path)))
        settings = settings_for(namespace, valkey_url, tmp_path / "data")
        running = running_service(settings, cluster, stand.reader())
        service = await stack.enter_async_context(in_own_task(running))
        await service.jobs()
        yield Place(service, stand)


async def test_a_delivery_of_every_provider_is_accepted_and_a_forged_or_malformed_one_is_not(place: Place) -> None:
    service = place.service
    for number, delivery in enumerate(TAKEN):
        body = delivery.wrap(delivery.document)
        headers = delivery.signed(body)
        key = normalize_url(address_of(number))
        answer = await service.post(body, headers)
        assert (answer.status, answer.body.get("repositories")) == (202, [key]), (delivery.name, answer.body)
        assert answer.body["refs"]
        assert [job.key for job in await service.jobs()] == [f"repository:{key}"]

        rubbish = delivery.wrap([])
        assert (await service.post(rubbish, delivery.signed(rubbish))).status == 400, delivery.name
        forged = [headers | {name: "x" + value} for name, value in delivery.prove(delivery.secret, body).items()]
        for wrong in forged:
            assert (await service.post(body, wrong)).status == 401, delivery.name
        assert await service.jobs() == []
    assert len(place.amazon.asked) == 1, "Amazon's certificate is fetched once"


async def test_a_forged_message_of_amazon_is_refused(place: Place) -> None:
    envelope = sample("codecommit", "notification") | {"Message": "{}"}
    assert (await place.service.post(make_signer().sign(envelope), SNS_HEADERS)).status == 401
    asked = len(place.amazon.asked)
    elsewhere = envelope | {"TopicArn": "arn:aws:sns:eu-west-1:999999999999:deploy"}
    assert (await place.service.post(make_signer().sign(elsewhere), SNS_HEADERS)).status == 401
    assert len(place.amazon.asked) == asked, "nobody is asked about a topic that is not known"


async def test_a_subscription_of_amazon_is_confirmed(place: Place) -> None:
    answer = await place.service.post(enveloped("", "subscription"), SNS_HEADERS)
    assert (answer.status, answer.body["reason"]) == (200, "The subscription is confirmed.")
    assert "Action=ConfirmSubscription" in place.amazon.asked[-1]


async def test_a_message_that_cannot_be_judged_now_is_asked_for_again(place: Place) -> None:
    place.amazon.answer = web.Response(status=500)
    body = SNS_EVENT.wrap(SNS_EVENT.document)
    answer = await place.service.post(body, SNS_HEADERS)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    place.amazon.answer = None
    assert (await place.service.post(body, SNS_HEADERS)).status == 202


async def test_a_connection_that_is_tried_out_is_answered_200(place: Place) -> None:
    headers = JSON_TYPE | {"X-Event-Key": "diagnostics:ping"}
    assert (await place.service.post(b'{"test": true}', headers)).body == {"status": "pong"}
    body = BITBUCKET_SERVER.wrap(sample("bitbucket-server", "comment"))
    told = BITBUCKET_SERVER.signed(body) | {"X-Event-Key": "repo:comment:added"}
    assert (await place.service.post(body, told)).body["status"] == "ignored"
