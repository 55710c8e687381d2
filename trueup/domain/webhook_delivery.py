"""Deliveries as Git hosts send them, made or recorded here; for trying and for replaying a hook."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from trueup.domain.errors import StalledError

_NO_COMMIT = "0" * 40
#: What belongs to the connection that a delivery came by, and not to the delivery.
_OF_THE_CONNECTION = frozenset(
    {"host", "content-length", "connection", "transfer-encoding", "accept-encoding", "keep-alive", "expect", "te"}
)


@dataclass(frozen=True, slots=True, repr=False)
class Delivery:
    """Header fields and the very bytes of the body."""

    headers: Mapping[str, str]
    body: bytes


def sample_push(provider: str, url: str, secret: bytes, *, delivery_id: UUID) -> Delivery:
    """A push to the repository that names no commit, proved as this provider proves its own."""
    if provider == "gitlab":
        body = json.dumps(
            {
                "object_kind": "push",
                "ref": "refs/heads/main",
                "before": _NO_COMMIT,
                "after": _NO_COMMIT,
                "project": {"git_http_url": url, "git_ssh_url": url, "web_url": url},
                "commits": [],
            }
        ).encode()
        headers = {"X-Gitlab-Event": "Push Hook", "Idempotency-Key": str(delivery_id)}
    else:
        body = json.dumps(
            {
                "ref": "refs/heads/main",
                "before": _NO_COMMIT,
                "after": _NO_COMMIT,
                "repository": {"clone_url": url, "ssh_url": url, "html_url": url},
                "commits": [],
            }
        ).encode()
        title = {"github": "GitHub", "gitea": "Gitea", "forgejo": "Forgejo"}[provider]
        headers = {f"X-{title}-Event": "push", f"X-{title}-Delivery": str(delivery_id)}
    return proved(provider, Delivery({"Content-Type": "application/json", **headers}, body), secret)


def proved(provider: str, delivery: Delivery, secret: bytes) -> Delivery:
    """The same with the proof that this secret gives, in place of any other."""
    signature = hmac.digest(secret, delivery.body, "sha256").hex()
    name, value = {
        "github": ("X-Hub-Signature-256", f"sha256={signature}"),
        "gitlab": ("X-Gitlab-Token", secret.decode("utf-8", "surrogateescape")),
        "gitea": ("X-Gitea-Signature", signature),
        "forgejo": ("X-Forgejo-Signature", signature),
    }[provider]
    kept = {key: text for key, text in delivery.headers.items() if key.lower() != name.lower()}
    return Delivery({**kept, name: value}, delivery.body)


def parse_recording(text: bytes) -> Delivery:
    """A recorded delivery: header lines, an empty line, and the body to the last byte.

    A request line before them is passed over, and so is what belongs to the connection. Raises
    StalledError where that is not what the text is.
    """
    newline = b"\r\n" if text.partition(b"\n")[0].endswith(b"\r") else b"\n"
    head, divided, body = text.partition(newline * 2)
    lines = head.decode("latin-1").split(newline.decode())
    if lines[0].startswith("POST "):
        lines = lines[1:]
    headers: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        name, colon, value = line.partition(":")
        if not colon or not name or not all(c.isalnum() or c in "-_" for c in name) or not name.isascii():
            raise StalledError(
                f"line {number} of the recording is no header; a file has headers, an empty line, a body"
            )
        if any(ord(c) < 32 or ord(c) == 127 for c in value.replace("\t", " ")):
            raise StalledError(f"the header {name} of the recording has a character that no header can have")
        if name.lower() not in _OF_THE_CONNECTION:
            headers[name] = value.strip()
    if not divided:
        raise StalledError("the recording has no empty line between headers and body")
    return Delivery(headers, body)
