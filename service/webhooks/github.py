"""GitHub's deliveries: pushes of its repositories, and of the packages at ghcr.io.

https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
https://docs.github.com/en/webhooks/webhook-events-and-payloads#push

GitHub signs no timestamp, so a delivery can be replayed for ever; it only says where to look.
"""

from __future__ import annotations

from collections.abc import Sequence

from . import ghcr
from .event import Headers, Ping, Provider, WebhookEvent, printable
from .github_like import event_of
from .payload import decode
from .signature import verify_hmac_sha256

NAME = "github"


def parse(headers: Headers, body: bytes, secrets: Sequence[bytes]) -> WebhookEvent:
    """Verify, then decode, then build; UnauthorizedError or MalformedError and no other error."""
    verify_hmac_sha256(headers, body, secrets, header="X-Hub-Signature-256", prefix="sha256=")
    event, delivery_id = headers.one("X-GitHub-Event"), printable(headers.one("X-GitHub-Delivery"))
    if event == "ping":
        return Ping()
    if event in ghcr.EVENTS:
        return ghcr.event_of(event, decode(headers, body), provider=NAME, delivery_id=delivery_id)
    return event_of(event, lambda: decode(headers, body), provider=NAME, delivery_id=delivery_id)


PROVIDER = Provider(name=NAME, secret_key="webhook.github.secret", parse=parse)  # noqa: S106 -- the name of a key
