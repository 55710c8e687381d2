"""GitLab's deliveries, of projects, groups and of the whole instance ("system hooks").

https://docs.gitlab.com/user/project/integrations/webhooks/
https://docs.gitlab.com/user/project/integrations/webhook_events/

Two proofs: the secret token, which GitLab sends as it is, and the signing token, which signs as
Standard Webhooks says. Where a signing token is known here, it is required. A push of more than three
refs is not told at all; the sweep finds it.
"""

from __future__ import annotations

from collections.abc import Sequence

from .event import Headers, Ignored, Provider, PushEvent, RefChange, WebhookEvent, printable
from .payload import Payload, decode
from .refs import change
from .signature import usable, verify_token
from .standard import PREFIX, signing_keys, verify_standard

NAME = "gitlab"
PUSHES = frozenset({"push", "tag_push"})
#: Of a system hook: one event for all refs that a push moved.
MANY = "repository_update"
ADDRESSES = ("git_http_url", "git_ssh_url", "web_url", "http_url", "ssh_url")


def parse(headers: Headers, body: bytes, secrets: Sequence[bytes]) -> WebhookEvent:
    """Verify, then decode, then build; UnauthorizedError or MalformedError and no other error."""
    known = usable(secrets)
    if any(secret.startswith(PREFIX) for secret in known):
        verify_standard(headers, body, signing_keys(known))
    else:
        verify_token(headers, known, header="X-Gitlab-Token")
    payload = decode(headers, body)
    kind = payload.text("object_kind", default="") or payload.text("event_name")
    if kind in PUSHES:
        changes: tuple[RefChange, ...] = (_change(payload),)
    elif kind == MANY:
        changes = tuple(_change(entry) for entry in payload.children("changes"))
    else:
        return Ignored(f"The event {printable(kind)!r} moves no ref.")
    delivery_id = headers.one("Idempotency-Key") or headers.one("X-Gitlab-Webhook-UUID")
    return PushEvent(
        provider=NAME,
        repository_urls=payload.child("project").texts(ADDRESSES),
        changes=changes,
        delivery_id=printable(delivery_id),
    )


def _change(payload: Payload) -> RefChange:
    return change(payload.text("ref"), payload.text("before", default=""), payload.text("after", default=""))


PROVIDER = Provider(name=NAME, secret_key="webhook.gitlab.secret", parse=parse)  # noqa: S106 -- the name of a key
