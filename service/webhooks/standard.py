"""Standard Webhooks: how GitLab's signing tokens and our own generic endpoint are signed.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence
from time import time

from .event import Headers, UnauthorizedError
from .signature import any_equal, stated

PREFIX = b"whsec_"
#: How far the sender's clock and ours may be apart.
TOLERANCE_SECONDS = 300
#: A header may carry one signature per key while keys are changed.
SIGNATURES_MAX = 10


def signing_keys(secrets: Sequence[bytes]) -> list[bytes]:
    """The keys of those secrets that are signing secrets, `whsec_` and base64; a broken one is none."""
    keys = []
    for secret in secrets:
        if secret.startswith(PREFIX):
            try:
                keys.append(b64decode(secret.removeprefix(PREFIX).strip(), validate=True))
            except binascii.Error:
                continue
    return [key for key in keys if key]


def verify_standard(headers: Headers, body: bytes, keys: Sequence[bytes]) -> None:
    """Raise UnauthorizedError unless one of the keys signed this body, under this id, just now."""
    identity, timestamp = stated(headers, "webhook-id"), stated(headers, "webhook-timestamp")
    signatures = stated(headers, "webhook-signature").split(b" ")[:SIGNATURES_MAX]
    # A limit on digits keeps `int` cheap; 12 of them last longer than anybody's clock.
    if not (timestamp.isdigit() and len(timestamp) <= 12) or abs(time() - int(timestamp)) > TOLERANCE_SECONDS:
        raise UnauthorizedError(
            f"webhook-timestamp is more than {TOLERANCE_SECONDS} s away from the clock here, or no time at all."
        )
    signed = b".".join((identity, timestamp, body))
    expected = [b"v1," + b64encode(hmac.digest(key, signed, "sha256")) for key in keys]
    matched = [any_equal(expected, signature) for signature in signatures]
    if not any(matched):
        raise UnauthorizedError("webhook-signature does not sign this body with a secret that is known here.")
