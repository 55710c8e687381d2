"""Seals for what passes through Redis: whoever can write there can only make us forget.

A seal is HMAC-SHA256 over the kind of value, its subject and the value itself, with a key that is
never in Redis. What was sealed for one subject opens for no other.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode

from trueup.domain.errors import StalledError

KEY_BYTES_MIN = 32
_LABEL = "trueup seal 1"


class Sealer:
    """Seals with the first key; opens with any, so that a key can be rotated.

    `key` and each of `older` are random and at least `KEY_BYTES_MIN` bytes long, or StalledError.
    """

    def __init__(self, key: bytes, *older: bytes) -> None:
        self._keys = (key, *older)
        if any(len(k) < KEY_BYTES_MIN for k in self._keys):
            raise StalledError(f"a sealing key has fewer than {KEY_BYTES_MIN} bytes: generate it anew")

    def seal(self, kind: str, subject: str, value: str) -> str:
        """The value with its seal before it. It is not hidden, only bound."""
        return f"{_mac(self._keys[0], kind, subject, value)}.{value}"

    def open(self, kind: str, subject: str, sealed: str) -> str | None:
        """The value, or None, which means unknown, where the seal is not ours for this kind and subject."""
        mac, _, value = sealed.partition(".")
        given = _bytes(mac)
        opened = [hmac.compare_digest(_bytes(_mac(key, kind, subject, value)), given) for key in self._keys]
        return value if any(opened) else None


def _mac(key: bytes, *parts: str) -> str:
    # Each part with its length before it, so that no two lists of parts read alike.
    message = b"".join(len(part).to_bytes(8) + part for part in map(_bytes, (_LABEL, *parts)))
    return urlsafe_b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
