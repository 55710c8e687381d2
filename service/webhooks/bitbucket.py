"""Bitbucket Cloud's deliveries.

https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/
https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/#Push

Bitbucket signs where the hook has a secret. Argo CD's users have the hook's UUID instead, which
Bitbucket sends along and shows to everybody who may see the hook: an identifier, hardly a proof. It is
taken only where nothing better is known here. A payload over 256 KB is never sent; the sweep finds what
it would have told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .event import (
    Headers,
    Ignored,
    Lookup,
    MalformedError,
    Provider,
    PushEvent,
    RefChange,
    UnauthorizedError,
    WebhookEvent,
    printable,
)
from .payload import Payload, decode
from .refs import change, full_name
from .signature import any_equal, stated, usable, verify_hmac_sha256

NAME = "bitbucket"
SECRET_KEY = "webhook.bitbucket.secret"  # noqa: S105 -- the name of a key
UUID_KEY = "webhook.bitbucket.uuid"
SIGNATURE = "X-Hub-Signature"
IDENTIFIER = "X-Hook-UUID"
HOST = "bitbucket.org"
UUID = re.compile(rb"\{?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}?", re.IGNORECASE)


def parse(headers: Headers, body: bytes, secrets: Sequence[bytes]) -> WebhookEvent:
    """Verify, then decode, then build; UnauthorizedError or MalformedError and no other error."""
    _verify(headers, body, usable(secrets))
    event = headers.one("X-Event-Key")
    if event != "repo:push":
        return Ignored(f"The event {printable(event)!r} moves no ref.")
    payload = decode(headers, body)
    return PushEvent(
        provider=NAME,
        repository_urls=_addresses(payload.child("repository")),
        changes=tuple(_change(entry) for entry in payload.child("push").children("changes")),
        delivery_id=printable(headers.one("X-Request-UUID")),
    )


def _verify(headers: Headers, body: bytes, known: Sequence[bytes]) -> None:
    """A secret that has the shape of a UUID may be either; the host's signature always counts."""
    identifiers = [secret for secret in known if UUID.fullmatch(secret.strip())]
    if SIGNATURE in headers or len(identifiers) < len(known):
        verify_hmac_sha256(headers, body, known, header=SIGNATURE, prefix="sha256=")
    elif not any_equal([_bare(secret) for secret in identifiers], _bare(stated(headers, IDENTIFIER))):
        raise UnauthorizedError(f"The header {IDENTIFIER} names no hook that is known here.")


def _bare(uuid: bytes) -> bytes:
    return uuid.strip().strip(b"{}").lower()


def _change(entry: Payload) -> RefChange:
    new, old = (entry.child(name) if entry.has(name) else None for name in ("new", "old"))
    named = new or old
    if named is None:
        raise MalformedError(f"{entry.path('new')} or {entry.path('old')} must be there.")
    return change(
        full_name(named.text("name"), named.text("type", default="branch")),
        _target(old),
        _target(new),
        created=old is None,
        forced=entry.flag("forced", default=False),
        deleted=new is None,
    )


def _target(side: Payload | None) -> str:
    if side is None or not side.has("target"):
        return ""
    return side.child("target").text("hash", default="")


def _addresses(repository: Payload) -> tuple[str, ...]:
    name = repository.text("full_name")
    found = [f"https://{HOST}/{name}.git", f"git@{HOST}:{name}.git"]
    if repository.has("links") and repository.child("links").has("html"):
        found.append(repository.child("links").child("html").text("href"))
    return tuple(dict.fromkeys(found))


def _secrets(lookup: Lookup) -> Sequence[bytes]:
    return (*lookup(SECRET_KEY), *lookup(UUID_KEY))


PROVIDER = Provider(name=NAME, secret_key=SECRET_KEY, parse=parse, find=_secrets)
