"""GitHub's deliveries.

https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
https://docs.github.com/en/webhooks/webhook-events-and-payloads#push

GitHub signs no timestamp, so a delivery can be replayed for ever; it only says where to look.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .event import Headers, Ignored, Ping, Provider, PushEvent, WebhookEvent, printable
from .payload import Payload, decode
from .signature import verify_hmac_sha256

NAME = "github"
#: A SHA-1 or SHA-256 object name; all zeros where a ref begins or ends.
OBJECT_NAME = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")


def parse(headers: Headers, body: bytes, secrets: Sequence[bytes]) -> WebhookEvent:
    """Verify, then decode, then build; UnauthorizedError or MalformedError and no other error."""
    verify_hmac_sha256(headers, body, secrets, header="X-Hub-Signature-256", prefix="sha256=")
    event = headers.one("X-GitHub-Event")
    if event == "ping":
        return Ping()
    if event != "push":
        return Ignored(f"The event {printable(event)!r} moves no ref.")
    return _push(decode(headers, body), delivery_id=printable(headers.one("X-GitHub-Delivery")))


def _push(payload: Payload, *, delivery_id: str) -> PushEvent:
    after = _object_name(payload, "after")
    return PushEvent(
        provider=NAME,
        repository_urls=payload.child("repository").texts(("clone_url", "ssh_url", "html_url")),
        ref=payload.text("ref"),
        before=_object_name(payload, "before"),
        after=after,
        deleted=payload.flag("deleted", default=bool(after) and not after.strip("0")),
        delivery_id=delivery_id,
    )


def _object_name(payload: Payload, name: str) -> str:
    value = payload.text(name, default="")
    return value if OBJECT_NAME.match(value) else ""


PROVIDER = Provider(name=NAME, secret_key="webhook.github.secret", parse=parse)  # noqa: S106 -- the name of a key
