"""Harbor's notifications, in its own format and as CloudEvents.

https://goharbor.io/docs/main/working-with-projects/project-configuration/configure-webhooks/

Harbor signs nothing: it sends the "Auth Header" of the policy as it was typed in, and no header that
names Harbor. That value is all the proof there is, so serve this endpoint over TLS alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from .event import Headers, Ignored, MalformedError, Provider, PushEvent, RefChange, WebhookEvent, printable
from .oci import addresses, split_reference
from .payload import decode
from .refs import change
from .signature import verify_token

NAME = "harbor"
PUSHED = frozenset({"PUSH_ARTIFACT", "harbor.artifact.pushed"})


def parse(headers: Headers, body: bytes, secrets: Sequence[bytes]) -> WebhookEvent:
    """Verify, then decode, then build; UnauthorizedError or MalformedError and no other error."""
    verify_token(headers, secrets, header="Authorization")
    payload = decode(headers, body)
    kind = payload.text("type")
    if kind not in PUSHED:
        return Ignored(f"The event {printable(kind)!r} pushes nothing.")
    # CloudEvents has the same inside, under another name, and an id.
    data = payload.child("data" if payload.has("specversion") else "event_data")
    urls: dict[str, None] = {}
    changes: list[RefChange] = []
    for resource in data.children("resources"):
        host, path = split_reference(resource.text("resource_url"))
        urls |= dict.fromkeys(addresses(host, path))
        digest = resource.text("digest", default="")
        changes.append(change(resource.text("tag", default="") or digest))
    if not urls:
        raise MalformedError(f"{data.path('resources')} must name what was pushed.")
    return PushEvent(
        provider=NAME,
        repository_urls=tuple(urls),
        changes=tuple(changes),
        delivery_id=printable(payload.text("id", default="")),
    )


PROVIDER = Provider(name=NAME, secret_key="webhook.harbor.secret", parse=parse)  # noqa: S106 -- the name of a key
