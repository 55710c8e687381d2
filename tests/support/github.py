"""What GitHub would send: a sample payload, signed."""

from __future__ import annotations

import hmac
import json
from pathlib import Path
from typing import Any

SECRET = b"a webhook secret, of some length"
SAMPLES = Path(__file__).parents[1] / "samples" / "webhooks" / "github"


def sample(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_bytes())
    return document


#: A push that says nothing of what the ref has now: nothing is looked for in vain.
UNSAID = "0" * 40


def push_of(url: str, *, ref: str = "refs/heads/main", after: str = UNSAID) -> bytes:
    """A push to a repository that is cloned from `url`."""
    payload = sample("push")
    payload |= {"ref": ref, "after": after}
    payload["repository"].update(clone_url=url, ssh_url=url, html_url=url)
    return json.dumps(payload).encode()


def sign(body: bytes, secret: bytes = SECRET) -> str:
    return "sha256=" + hmac.digest(secret, body, "sha256").hex()


def delivery(body: bytes, *, event: str = "push", secret: bytes = SECRET) -> dict[str, str]:
    """The headers of a delivery of this body."""
    return {
        "Content-Type": "application/json",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        "X-Hub-Signature-256": sign(body, secret),
    }
