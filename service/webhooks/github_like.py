"""The payloads that GitHub made and that Gitea, Forgejo and Gogs took over.

`create` and `delete` come beside a push at GitHub; at the others a branch that is deleted is told by
`delete` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .event import Headers, Ignored, Ping, PushEvent, WebhookEvent, printable
from .payload import Payload, decode_text, form_or_body
from .refs import change, full_name
from .signature import usable, verify_hmac_sha256

ADDRESSES = ("clone_url", "ssh_url", "html_url")


def event_of(event: str, payload: Callable[[], Payload], *, provider: str, delivery_id: str) -> WebhookEvent:
    """What a genuine delivery says; the payload is decoded only where it matters."""
    if event == "push":
        document = payload()
        moved = change(
            document.text("ref"),
            document.text("before", default=""),
            document.text("after", default=""),
            created=document.flag("created", default=False),
            forced=document.flag("forced", default=False),
            deleted=document.flag("deleted", default=False),
        )
    elif event in {"create", "delete"}:
        document = payload()
        ref = full_name(document.text("ref"), document.text("ref_type"))
        moved = change(ref, created=event == "create", deleted=event == "delete")
    else:
        return Ignored(f"The event {printable(event)!r} moves no ref.")
    return PushEvent(
        provider=provider,
        repository_urls=document.child("repository").texts(ADDRESSES),
        changes=(moved,),
        delivery_id=delivery_id,
    )


def parse_like_gitea(
    headers: Headers, body: bytes, secrets: Sequence[bytes], *, provider: str, brand: str
) -> WebhookEvent:
    """A delivery of Gitea's family, whose headers begin with `X-<brand>-`.

    The signature is bare hexadecimal. Of a form it covers the JSON inside, not the form, so a form is
    taken apart before anything is proved; that is all that is.
    """
    keys = usable(secrets)
    text = form_or_body(headers, body)
    verify_hmac_sha256(headers, text, keys, header=f"X-{brand}-Signature", prefix="")
    event = headers.one(f"X-{brand}-Event")
    if event == "ping":
        return Ping()
    delivery_id = printable(headers.one(f"X-{brand}-Delivery"))
    return event_of(event, lambda: decode_text(text), provider=provider, delivery_id=delivery_id)
