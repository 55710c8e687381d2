"""Bitbucket Data Center's deliveries.

https://confluence.atlassian.com/bitbucketserver/event-payload-938025882.html
https://confluence.atlassian.com/bitbucketserver/manage-webhooks-938025878.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .event import Headers, Ignored, MalformedError, Ping, Provider, PushEvent, RefChange, WebhookEvent, printable
from .payload import Payload, decode
from .refs import change
from .signature import verify_hmac_sha256

NAME = "bitbucket-server"
PUSHES = frozenset({"repo:refs_changed", "mirror:repo_synchronized"})
#: "Test connection"; it carries nothing and is not signed.
PING = "diagnostics:ping"
#: Where the page of a repository stands: the address before it, the project's key and the repository's name.
PAGE = re.compile(r"(https?://[^?#]*?)/(?:projects|users)/([^/?#]+)/repos/([^/?#]+)(?:/[^?#]*)?")


def parse(headers: Headers, body: bytes, secrets: Sequence[bytes]) -> WebhookEvent:
    """Verify, then decode, then build; UnauthorizedError or MalformedError and no other error."""
    event = headers.one("X-Event-Key")
    if event == PING:
        return Ping()
    verify_hmac_sha256(headers, body, secrets, header="X-Hub-Signature", prefix="sha256=")
    if event not in PUSHES:
        return Ignored(f"The event {printable(event)!r} moves no ref.")
    payload = decode(headers, body)
    return PushEvent(
        provider=NAME,
        repository_urls=_addresses(payload.child("repository")),
        changes=tuple(_change(entry) for entry in payload.children("changes")),
        delivery_id=printable(headers.one("X-Request-Id")),
    )


def _change(entry: Payload) -> RefChange:
    # `refId` is left out by some versions, `ref` by none that has changes.
    ref = entry.text("refId", default="") or entry.child("ref").text("id")
    kind = entry.text("type", default="")
    return change(
        ref,
        entry.text("fromHash", default=""),
        entry.text("toHash", default=""),
        created=kind == "ADD",
        deleted=kind == "DELETE",
    )


def _addresses(repository: Payload) -> tuple[str, ...]:
    """What it is cloned by; older versions name only its page, from which that follows."""
    links = repository.child("links")
    found = [link.text("href") for link in links.children("clone")]
    for link in links.children("self"):
        if page := PAGE.fullmatch(link.text("href")):
            base, project, name = page.groups()
            owner = project if "/projects/" in link.text("href") else f"~{project}"
            found.append(f"{base}/scm/{owner.lower()}/{name}.git")
    if not found:
        raise MalformedError(f"{links.path('clone')} or {links.path('self')} must name the repository.")
    return tuple(dict.fromkeys(found))


PROVIDER = Provider(
    name=NAME,
    secret_key="webhook.bitbucketserver.secret",  # noqa: S106 -- the name of a key
    parse=parse,
)
