"""Whoever can sign as Standard Webhooks says: a script, a pipeline, a host that Trueup does not know.

The payload is `{"repo": URL, "ref": "refs/heads/main", "before"?: SHA, "after"?: SHA}`, or `{"type": "ping"}`.
"""

from __future__ import annotations

from collections.abc import Sequence

from .event import Headers, Ping, Provider, PushEvent, UnauthorizedError, WebhookEvent, printable
from .payload import decode
from .refs import change
from .signature import usable
from .standard import signing_keys, verify_standard

NAME = "generic"


def parse(headers: Headers, body: bytes, secrets: Sequence[bytes]) -> WebhookEvent:
    """Verify, then decode, then build; UnauthorizedError or MalformedError and no other error."""
    keys = signing_keys(usable(secrets))
    if not keys:
        raise UnauthorizedError("No webhook secret here begins with whsec_ and goes on in base64.")
    verify_standard(headers, body, keys)
    payload = decode(headers, body)
    if payload.text("type", default="") == "ping":
        return Ping()
    return PushEvent(
        provider=NAME,
        repository_urls=(payload.text("repo"),),
        changes=(change(payload.text("ref"), payload.text("before", default=""), payload.text("after", default="")),),
        delivery_id=printable(headers.one("webhook-id")),
    )


PROVIDER = Provider(name=NAME, secret_key="webhook.generic.secret", parse=parse)  # noqa: S106 -- the name of a key
