"""What is particular to one kind of proof."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from service.webhooks.detect import PROVIDERS
from service.webhooks.event import Fetch, Headers, Ignored, MalformedError, Ping, PushEvent, UnauthorizedError
from tests.support.amazon import TOPIC, Signer, amazon, make_signer
from tests.support.hosts import (
    AZURE,
    BITBUCKET,
    BITBUCKET_BY_UUID,
    BITBUCKET_SERVER,
    EVENTBRIDGE,
    GENERIC,
    GITEA,
    GITHUB,
    GITLAB,
    GITLAB_SIGNED,
    HARBOR,
    SECRET,
    SIGNING,
    SNS_EVENT,
    SNS_HEADERS,
    UUID,
    Delivery,
    enveloped,
    sample,
    standard,
)

signed = pytest.mark.parametrize("delivery", [GITLAB_SIGNED, GENERIC], ids=lambda delivery: delivery.provider)


def test_a_signing_token_of_gitlab_is_required_where_one_is_known() -> None:
    with pytest.raises(UnauthorizedError, match="webhook-"):
        GITLAB.send(GITLAB.document, secrets=[SECRET, SIGNING])
    both = replace(GITLAB_SIGNED, headers={**GITLAB_SIGNED.headers, "X-Gitlab-Token": SECRET.decode()})
    assert isinstance(both.send(both.document, secrets=[SECRET, SIGNING]), PushEvent)
    with pytest.raises(UnauthorizedError):
        both.send(both.document, secrets=[b"whsec_not base64"])


@signed
@pytest.mark.parametrize("age", [-301, 302, 10**9])
def test_a_signature_of_another_time_is_refused(delivery: Delivery, age: float) -> None:
    aged = replace(delivery, prove=lambda secret, body: standard(secret, body, age_seconds=age))
    with pytest.raises(UnauthorizedError, match="webhook-timestamp"):
        aged.send(aged.document)


@signed
@pytest.mark.parametrize("stated", ["", "now", "-1", "²", "1e9", "9" * 5_000])
def test_a_time_that_is_none_is_refused(delivery: Delivery, stated: str) -> None:
    body = delivery.wrap(delivery.document)
    with pytest.raises(UnauthorizedError, match="webhook-timestamp"):
        delivery.parse(delivery.signed(body) | {"webhook-timestamp": stated}, body, [SIGNING])


@signed
@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_id_time_and_body_are_signed_together(delivery: Delivery, header: str) -> None:
    body = delivery.wrap(delivery.document)
    headers = delivery.signed(body)
    with pytest.raises(UnauthorizedError):
        delivery.parse(headers, body + b" ", [SIGNING])
    value = headers[header]
    headers[header] = value[:-1] + ("1" if value[-1] != "1" else "2")
    with pytest.raises(UnauthorizedError):
        delivery.parse(headers, body, [SIGNING])


@signed
def test_one_of_several_signatures_is_enough_while_keys_are_changed(delivery: Delivery) -> None:
    body = delivery.wrap(delivery.document)
    headers = delivery.signed(body)
    headers["webhook-signature"] = f"v1a,x v1,AAAA {headers['webhook-signature']}"
    assert isinstance(delivery.parse(headers, body, [SIGNING]), PushEvent)


def test_the_generic_endpoint_takes_no_secret_that_signs_nothing() -> None:
    with pytest.raises(UnauthorizedError, match="whsec_"):
        GENERIC.send(GENERIC.document, secrets=[SECRET])


def test_generic_ping_is_a_ping() -> None:
    assert GENERIC.send(sample("generic", "ping")) == Ping()


def test_the_uuid_of_bitbucket_is_no_proof_where_there_is_a_secret() -> None:
    with pytest.raises(UnauthorizedError, match="X-Hub-Signature"):
        BITBUCKET_BY_UUID.send(BITBUCKET.document, secrets=[UUID, SECRET])
    assert isinstance(BITBUCKET.send(BITBUCKET.document, secrets=[UUID, SECRET]), PushEvent)


def test_the_uuid_of_bitbucket_does_not_make_good_a_wrong_signature() -> None:
    with pytest.raises(UnauthorizedError, match="X-Hub-Signature"):
        BITBUCKET.send(BITBUCKET.document, secrets=[UUID])


@pytest.mark.parametrize("spelled", [UUID.strip(b"{}"), UUID.upper(), UUID + b"\n"])
def test_the_uuid_of_bitbucket_is_the_same_with_braces_and_without(spelled: bytes) -> None:
    assert isinstance(BITBUCKET_BY_UUID.send(BITBUCKET.document, secrets=[spelled]), PushEvent)


def test_a_secret_with_the_shape_of_a_uuid_signs_too() -> None:
    assert isinstance(replace(BITBUCKET, secret=UUID).send(BITBUCKET.document), PushEvent)


def test_user_and_password_count_as_basic_credentials_alone() -> None:
    body = AZURE.wrap(AZURE.document)
    headers = AZURE.signed(body)
    headers["Authorization"] = headers["Authorization"].replace("Basic", "Bearer")
    with pytest.raises(UnauthorizedError, match="Authorization"):
        AZURE.parse(headers, body, [AZURE.secret])


def test_bitbucket_data_center_may_try_the_connection_without_a_signature() -> None:
    headers = {"Content-Type": "application/json", "X-Event-Key": "diagnostics:ping"}
    assert BITBUCKET_SERVER.parse(headers, json.dumps(sample("bitbucket-server", "ping")).encode(), [SECRET]) == Ping()


def test_bitbucket_data_center_is_known_by_its_page_where_it_names_no_clone_address() -> None:
    document = BITBUCKET_SERVER.document
    del document["repository"]["links"]["clone"]
    event = BITBUCKET_SERVER.send(document)
    assert isinstance(event, PushEvent)
    assert event.repository_urls == ("https://bitbucket.example.com/scm/acme/deploy.git",)


def of_amazon(body: bytes, *, topics: tuple[bytes, ...] = (TOPIC,), certificate: bytes | None = None) -> object:
    event = PROVIDERS["codecommit"].parse(Headers(SNS_HEADERS.items()), body, topics)
    assert isinstance(event, Fetch)
    return event.resume(certificate or amazon().certificate)


def envelope(**changed: str) -> dict[str, object]:
    return sample("codecommit", "notification") | {"Message": json.dumps(sample("codecommit", "event"))} | changed


@pytest.mark.parametrize("version", ["1", "2"])
def test_both_signatures_of_amazon_are_understood(version: str) -> None:
    assert isinstance(of_amazon(amazon().sign(envelope(), version=version)), PushEvent)
    assert isinstance(of_amazon(amazon().sign(envelope(Subject="a ref moved"), version=version)), PushEvent)


@pytest.mark.parametrize("field", ["Message", "MessageId", "Timestamp", "Subject", "Type", "SignatureVersion"])
def test_whatever_amazon_signed_cannot_be_changed(field: str) -> None:
    document = json.loads(amazon().sign(envelope(Subject="a ref moved")))
    document[field] = {"Type": "UnsubscribeConfirmation", "SignatureVersion": "2"}.get(field, "{}")
    with pytest.raises((UnauthorizedError, MalformedError)):
        of_amazon(json.dumps(document | {"SubscribeURL": "x", "Token": "x"}).encode())


def test_another_certificate_or_one_past_its_time_proves_nothing() -> None:
    body = enveloped(sample("codecommit", "event"))
    stranger, past = make_signer(), make_signer(days=0)
    with pytest.raises(UnauthorizedError, match="not of this message"):
        of_amazon(body, certificate=stranger.certificate)
    with pytest.raises(UnauthorizedError, match="not valid now"):
        of_amazon(past.sign(envelope()), certificate=past.certificate)
    with pytest.raises(UnauthorizedError, match="cannot be read"):
        of_amazon(body, certificate=b"<Error/>")


def test_a_certificate_of_another_kind_of_key_proves_nothing() -> None:
    key = generate_private_key(SECP256R1())
    name = x509.Name([])
    begins = datetime.now(UTC) - timedelta(hours=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, begins, begins + timedelta(days=1))
    with pytest.raises(UnauthorizedError, match="no RSA key"):
        of_amazon(
            enveloped(sample("codecommit", "event")),
            certificate=builder.sign(key, SHA256()).public_bytes(Encoding.PEM),
        )


def test_a_topic_that_is_not_known_is_refused_before_anything_is_fetched() -> None:
    signer: Signer = amazon()
    body = signer.sign(envelope(TopicArn="arn:aws:sns:eu-west-1:999999999999:deploy"))
    with pytest.raises(UnauthorizedError, match="TopicArn"):
        of_amazon(body)
    with pytest.raises(UnauthorizedError, match="No webhook secret"):
        of_amazon(enveloped(sample("codecommit", "event")), topics=(SECRET,))


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-00000000.pem",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-00000000.pem",
        "https://sns.eu-west-1.amazonaws.com.example.com/SimpleNotificationService-00000000.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/SimpleNotificationService-00000000.pem",
        "https://sns.eu-west-1.amazonaws.com@example.com/SimpleNotificationService-00000000.pem",
        "https://example.com/SimpleNotificationService-00000000.pem",
        "https://sns.eu-west-1.amazonaws.com/../SimpleNotificationService-00000000.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-00000000.pem?x=1",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-00000000.pem\n",
        "file:///etc/passwd",
    ],
)
def test_a_certificate_from_anywhere_else_is_not_asked_for(url: str) -> None:
    with pytest.raises(UnauthorizedError, match="SigningCertURL"):
        of_amazon(amazon().sign(envelope(SigningCertURL=url)))


def test_a_subscription_that_amazon_signed_asks_to_be_confirmed() -> None:
    event = of_amazon(enveloped("", "subscription"))
    assert isinstance(event, Fetch)
    assert event.url == sample("codecommit", "subscription")["SubscribeURL"]
    assert not event.lasting
    assert isinstance(event.resume(b""), Ignored)


def test_a_subscription_is_confirmed_at_amazon_alone() -> None:
    elsewhere = sample("codecommit", "subscription") | {
        "SubscribeURL": "https://example.com/?Action=ConfirmSubscription&T=1"
    }
    with pytest.raises(MalformedError, match="SubscribeURL"):
        of_amazon(amazon().sign(elsewhere))


def test_events_of_other_services_on_the_same_topic_are_ignored() -> None:
    for delivery in (EVENTBRIDGE, SNS_EVENT):
        assert isinstance(delivery.send(delivery.document | {"source": "aws.ec2"}), Ignored)
        document = delivery.document
        document["detail"]["event"] = "commentOnCommitCreated"
        assert isinstance(delivery.send(document), Ignored)


@pytest.mark.parametrize(("field", "value"), [("region", "evil.example/"), ("repositoryName", "a/../b")])
def test_an_address_is_made_only_from_what_aws_allows(field: str, value: str) -> None:
    document = EVENTBRIDGE.document
    (document if field == "region" else document["detail"])[field] = value
    with pytest.raises(MalformedError, match="AWS allows"):
        EVENTBRIDGE.send(document)


@pytest.mark.parametrize(
    "delivery",
    [GITHUB, GITLAB, BITBUCKET_SERVER, GITEA, AZURE, EVENTBRIDGE, HARBOR],
    ids=lambda delivery: delivery.provider,
)
def test_the_arn_of_a_topic_is_nobodys_secret(delivery: Delivery) -> None:
    """A repository's secrets are tried for whatever host a delivery says it comes from."""
    with pytest.raises(UnauthorizedError):
        replace(delivery, secret=TOPIC).send(delivery.document)
