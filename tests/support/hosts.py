"""What each host would send: its samples, with the headers and the proof that go with them."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from time import time
from typing import Any

from service.webhooks.detect import PROVIDERS
from service.webhooks.event import Fetch, Headers, WebhookEvent
from tests.support.amazon import TOPIC, amazon

SECRET = b"a webhook secret, of some length"
SIGNING = b"whsec_" + base64.b64encode(bytes(range(32)))
UUID = b"{6f7a0c9e-3d8b-4c41-9a55-0c1d2e3f4a5b}"
SAMPLES = Path(__file__).parents[1] / "samples" / "webhooks"
JSON_TYPE = {"Content-Type": "application/json"}

Prove = Callable[[bytes, bytes], dict[str, str]]


@cache
def _text(host: str, name: str) -> str:
    return (SAMPLES / host / f"{name}.json").read_text()


def sample(host: str, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(_text(host, name))
    return document


def hexadecimal(secret: bytes, body: bytes) -> str:
    return hmac.digest(secret, body, "sha256").hex()


def standard(secret: bytes, body: bytes, *, age_seconds: float = 0.0) -> dict[str, str]:
    """The headers of Standard Webhooks, signed so long ago."""
    at = str(int(time() - age_seconds))
    key = base64.b64decode(secret.removeprefix(b"whsec_"))
    signature = base64.b64encode(hmac.digest(key, b".".join((b"msg_1", at.encode(), body)), "sha256")).decode()
    return {"webhook-id": "msg_1", "webhook-timestamp": at, "webhook-signature": f"v1,{signature}"}


def _family(brand: str) -> Prove:
    return lambda secret, body: {f"X-{brand}-Signature": hexadecimal(secret, body)}


def _basic(secret: bytes, _body: bytes) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(secret).decode()}


def _hub(secret: bytes, body: bytes) -> dict[str, str]:
    return {"X-Hub-Signature": f"sha256={hexadecimal(secret, body)}"}


def enveloped(message: Mapping[str, Any] | str, kind: str = "notification") -> bytes:
    """An envelope of Amazon SNS around this, signed."""
    text = message if isinstance(message, str) else json.dumps(message)
    envelope = sample("codecommit", kind)
    return amazon().sign(envelope | {"Message": text} if kind == "notification" else envelope)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One kind of delivery of one provider, genuine."""

    #: The name of a provider, and of its samples' directory.
    provider: str
    sample: str
    headers: Mapping[str, str]
    prove: Prove
    secret: bytes = SECRET
    #: From the document to the body that is sent.
    wrap: Callable[[Any], bytes] = lambda document: json.dumps(document).encode()

    @property
    def name(self) -> str:
        return f"{self.provider}-{self.sample}"

    @property
    def document(self) -> dict[str, Any]:
        return sample(self.provider, self.sample)

    def signed(self, body: bytes) -> dict[str, str]:
        return {**JSON_TYPE, **self.headers, **self.prove(self.secret, body)}

    def send(self, document: Any, *, secrets: Sequence[bytes] | None = None) -> WebhookEvent:
        """What the parser makes of this document, signed; a certificate that it asks for is there."""
        body = self.wrap(document)
        return self.parse(self.signed(body), body, [self.secret] if secrets is None else secrets)

    def parse(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes]) -> WebhookEvent:
        event = PROVIDERS[self.provider].parse(Headers(headers.items()), body, secrets)
        while isinstance(event, Fetch):
            event = event.resume(amazon().certificate)
        return event


GITHUB = Delivery(
    "github",
    "push",
    {"X-GitHub-Event": "push", "X-GitHub-Delivery": "72d3162e"},
    lambda secret, body: {"X-Hub-Signature-256": f"sha256={hexadecimal(secret, body)}"},
)
GITLAB = Delivery(
    "gitlab",
    "push",
    {"X-Gitlab-Event": "Push Hook", "Idempotency-Key": "f0a1"},
    lambda secret, _body: {"X-Gitlab-Token": secret.decode()},
)
GITLAB_SIGNED = replace(GITLAB, prove=standard, secret=SIGNING)
BITBUCKET = Delivery(
    "bitbucket", "push", {"X-Event-Key": "repo:push", "X-Hook-UUID": UUID.decode(), "X-Request-UUID": "r1"}, _hub
)
BITBUCKET_BY_UUID = replace(BITBUCKET, prove=lambda secret, _body: {"X-Hook-UUID": secret.decode()}, secret=UUID)
BITBUCKET_SERVER = Delivery("bitbucket-server", "push", {"X-Event-Key": "repo:refs_changed"}, _hub)
GITEA = Delivery(
    "gitea", "push", {"X-Gitea-Event": "push", "X-Gogs-Event": "push", "X-GitHub-Event": "push"}, _family("Gitea")
)
FORGEJO = Delivery(
    "forgejo",
    "push",
    {"X-Forgejo-Event": "push", "X-Gitea-Event": "push", "X-GitHub-Event": "push"},
    _family("Forgejo"),
)
GOGS = Delivery("gogs", "push", {"X-Gogs-Event": "push", "X-GitHub-Event": "push"}, _family("Gogs"))
AZURE = Delivery("azure", "push", {"X-Vss-ActivityId": "a1"}, _basic, secret=b"hooks:p:ss")
EVENTBRIDGE = Delivery("codecommit", "event", {}, lambda secret, _body: {"X-Api-Key": secret.decode()})
SNS_HEADERS = {"X-Amz-Sns-Message-Type": "Notification", "Content-Type": "text/plain; charset=UTF-8"}
SNS_EVENT = Delivery("codecommit", "event", SNS_HEADERS, lambda *_: {}, secret=TOPIC, wrap=enveloped)
SNS_TRIGGER = replace(SNS_EVENT, sample="trigger")
GHCR = replace(GITHUB, sample="package", headers={"X-GitHub-Event": "package"})
HARBOR = Delivery("harbor", "push", {}, lambda secret, _body: {"Authorization": secret.decode()})
GENERIC = Delivery("generic", "push", {}, standard, secret=SIGNING)

DELIVERIES = (
    GITHUB,
    GITLAB,
    GITLAB_SIGNED,
    BITBUCKET,
    BITBUCKET_BY_UUID,
    BITBUCKET_SERVER,
    GITEA,
    FORGEJO,
    GOGS,
    AZURE,
    EVENTBRIDGE,
    SNS_EVENT,
    SNS_TRIGGER,
    GHCR,
    HARBOR,
    replace(HARBOR, sample="push_cloudevents", headers={"Content-Type": "application/cloudevents+json"}),
    GENERIC,
)
