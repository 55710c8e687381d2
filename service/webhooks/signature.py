"""Proof that the Git host sent these very bytes, or at least that it knows what was agreed.

A comparison takes the same time wherever the first difference stands, and every secret is tried, so
that time tells nothing of which one matched. Without a secret nothing is let in.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import b64decode
from collections.abc import Sequence

from .event import Headers, UnauthorizedError

#: A topic of Amazon SNS stands among the secrets by its name, and names are known to many.
TOPIC_PREFIX = b"arn:aws:sns:"


def present(secrets: Sequence[bytes]) -> Sequence[bytes]:
    """Those that are not empty; UnauthorizedError where there is none."""
    keys = [secret for secret in secrets if secret]
    if not keys:
        raise UnauthorizedError("No webhook secret is set for this Git host, so its deliveries are refused.")
    return keys


def usable(secrets: Sequence[bytes]) -> Sequence[bytes]:
    """The secrets that are not empty and no topic's name; UnauthorizedError where none is left."""
    return present([secret for secret in secrets if not secret.startswith(TOPIC_PREFIX)])


def verify_hmac_sha256(headers: Headers, body: bytes, secrets: Sequence[bytes], *, header: str, prefix: str) -> None:
    """Raise UnauthorizedError unless `header` is there once and signs the raw body with one of the secrets."""
    keys = usable(secrets)
    signature = stated(headers, header)
    expected = [f"{prefix}{hmac.digest(key, body, 'sha256').hex()}".encode() for key in keys]
    if not any_equal(expected, signature):
        raise UnauthorizedError(f"The header {header} does not sign this body with a secret that is known here.")


def verify_token(headers: Headers, secrets: Sequence[bytes], *, header: str) -> None:
    """Raise UnauthorizedError unless the value of `header` is one of the secrets."""
    keys = usable(secrets)
    if not any_equal(keys, stated(headers, header)):
        raise UnauthorizedError(f"The header {header} holds no secret that is known here.")


def verify_basic(headers: Headers, secrets: Sequence[bytes]) -> None:
    """Raise UnauthorizedError unless Basic credentials are one of the secrets, each `user:password`."""
    keys = usable(secrets)
    scheme, _, encoded = stated(headers, "Authorization").partition(b" ")
    try:
        given = b64decode(encoded.strip(), validate=True)
    except binascii.Error:
        given = b""
    if not any_equal(keys, given) or scheme.lower() != b"basic":
        raise UnauthorizedError("The header Authorization holds no user and password that are known here.")


def stated(headers: Headers, name: str) -> bytes:
    """The one value of a header that proves something; UnauthorizedError where it is missing or repeated."""
    values = headers.all(name)
    if not values:
        raise UnauthorizedError(f"The header {name} is missing: set the webhook's secret at the Git host.")
    if len(values) > 1:
        raise UnauthorizedError(f"The header {name} is there {len(values)} times; once is meant.")
    return values[0].encode("utf-8", "backslashreplace")


def any_equal(expected: Sequence[bytes], given: bytes) -> bool:
    """Whether `given` is one of these. Digests are compared, so that time does not tell a length either."""
    digest = hashlib.sha256(given).digest()
    matched = False
    for value in expected:
        matched |= hmac.compare_digest(hashlib.sha256(value).digest(), digest)
    return matched
