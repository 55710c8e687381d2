"""Proof that the Git host sent these very bytes."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from .event import Headers, UnauthorizedError


def verify_hmac_sha256(headers: Headers, body: bytes, secrets: Sequence[bytes], *, header: str, prefix: str) -> None:
    """Raise UnauthorizedError unless `header` is there once and signs the raw body with one of the secrets.

    Without a secret nothing is let in. The comparison takes the same time wherever the first
    difference stands, and every secret is tried, so that time tells nothing of which one matched.
    """
    keys = [secret for secret in secrets if secret]
    if not keys:
        raise UnauthorizedError("No webhook secret is set for this Git host, so its deliveries are refused.")
    stated = headers.all(header)
    if not stated:
        raise UnauthorizedError(f"The header {header} is missing: set the webhook's secret at the Git host.")
    if len(stated) > 1:
        raise UnauthorizedError(f"The header {header} is there {len(stated)} times; once is meant.")
    signature = stated[0].encode("utf-8", "backslashreplace")
    matched = False
    for key in keys:
        expected = f"{prefix}{hmac.digest(key, body, 'sha256').hex()}".encode()
        matched |= hmac.compare_digest(expected, signature)
    if not matched:
        raise UnauthorizedError(f"The header {header} does not sign this body with a secret that is known here.")
