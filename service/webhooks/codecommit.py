"""AWS CodeCommit, through Amazon SNS or through an API destination of EventBridge.

https://docs.aws.amazon.com/codecommit/latest/userguide/monitoring-events.html
https://docs.aws.amazon.com/codecommit/latest/userguide/how-to-notify-lambda.html (a trigger's message)

A topic carries EventBridge's events or those of a repository's trigger; it is known by its ARN, and
SNS signs. An API destination sends a key that was agreed in `X-Api-Key`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from . import sns
from .event import (
    Headers,
    Ignored,
    Lookup,
    MalformedError,
    Provider,
    PushEvent,
    RefChange,
    WebhookEvent,
    printable,
)
from .payload import Payload, decode, decode_text
from .refs import change
from .signature import verify_token

NAME = "codecommit"
SECRET_KEY = "webhook.codecommit.secret"  # noqa: S105 -- the name of a key
TOPIC_KEY = "webhook.codecommit.topic"
API_KEY = "X-Api-Key"
SOURCE = "aws.codecommit"
DETAIL_TYPE = "CodeCommit Repository State Change"
REGION = re.compile(r"[a-z0-9-]{1,32}")
REPOSITORY = re.compile(r"[A-Za-z0-9._-]{1,100}")
#: Where a trigger says which repository it belongs to.
ARN = re.compile(r"arn:aws:codecommit:([a-z0-9-]{1,32}):[0-9]{12}:([A-Za-z0-9._-]{1,100})")


def parse(headers: Headers, body: bytes, secrets: Sequence[bytes]) -> WebhookEvent:
    """Verify, then decode, then build; UnauthorizedError or MalformedError and no other error.

    A secret that is the ARN of a topic lets that topic in, any other the API destination that sends it.
    """
    if sns.MARK in headers:
        topics = [secret for secret in secrets if sns.TOPIC.fullmatch(secret.decode("latin-1"))]
        return sns.receive(body, topics, _message)
    verify_token(headers, secrets, header=API_KEY)
    return _event(decode(headers, body))


def _message(text: str, message_id: str) -> WebhookEvent:
    payload = decode_text(text)
    return _trigger(payload, message_id) if payload.has("Records") else _event(payload)


def _event(payload: Payload) -> WebhookEvent:
    """EventBridge's event: one ref."""
    if payload.text("source") != SOURCE or payload.text("detail-type") != DETAIL_TYPE:
        return Ignored("Only the events that CodeCommit sends when a ref changes move refs.")
    detail = payload.child("detail")
    what = detail.text("event")
    if not what.startswith("reference"):
        return Ignored(f"The event {printable(what)!r} moves no ref.")
    moved = change(
        detail.text("referenceFullName"),
        detail.text("oldCommitId", default=""),
        detail.text("commitId", default=""),
        created=what == "referenceCreated",
        deleted=what == "referenceDeleted",
    )
    urls = _addresses(payload.text("region"), detail.text("repositoryName"))
    return PushEvent(NAME, urls, (moved,), printable(payload.text("id", default="")))


def _trigger(payload: Payload, message_id: str) -> WebhookEvent:
    """A repository's trigger: all refs of one push, though it could be of several repositories."""
    urls: dict[str, None] = {}
    changes: list[RefChange] = []
    for record in payload.children("Records"):
        match = ARN.fullmatch(record.text("eventSourceARN"))
        if match is None:
            raise MalformedError(f"{record.path('eventSourceARN')} must name a repository of CodeCommit.")
        urls |= dict.fromkeys(_addresses(*match.groups()))
        # A trigger that is tried out has no references.
        changes += map(_reference, record.child("codecommit").children("references"))
    if not urls:
        raise MalformedError("Records must not be empty.")
    return PushEvent(NAME, tuple(urls), tuple(changes), message_id)


def _reference(entry: Payload) -> RefChange:
    return change(
        entry.text("ref"),
        after=entry.text("commit", default=""),
        created=entry.flag("created", default=False),
        deleted=entry.flag("deleted", default=False),
    )


def _addresses(region: str, name: str) -> tuple[str, ...]:
    """No payload has an address; it follows from region and name, which are held to what AWS allows."""
    if not REGION.fullmatch(region) or not REPOSITORY.fullmatch(name):
        raise MalformedError("region or repositoryName is none that AWS allows.")
    return tuple(f"{scheme}://git-codecommit.{region}.amazonaws.com/v1/repos/{name}" for scheme in ("https", "ssh"))


def _secrets(lookup: Lookup) -> Sequence[bytes]:
    # An ARN is copied from a page, and often with the end of its line.
    return (*lookup(SECRET_KEY), *(arn.strip() for arn in lookup(TOPIC_KEY)))


PROVIDER = Provider(name=NAME, secret_key=SECRET_KEY, parse=parse, find=_secrets)
