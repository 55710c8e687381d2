"""What `POST /api/audit` is opened with, and what its events are sealed with on their way to the workers."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from trueup.clients.epoch import SEAL_KEY
from trueup.clients.seal import Sealer
from trueup.domain.errors import StalledError
from trueup.domain.lenient import as_mapping, as_text
from trueup.domain.webhook_secret import decoded

AUDIT_SECRET = "trueup-audit"  # noqa: S105 -- the name of an object
#: The key for the home cluster; that of another one has the cluster's name and a dot between.
TOKEN_KEY = "token"  # noqa: S105 -- the name of a key
#: While one is being changed, the old and the new stand on a line each.
TOKENS_TRIED_MAX = 5
#: A shorter one is guessed.
TOKEN_BYTES_MIN = 16
#: More than any request may carry.
TOKEN_BYTES_MAX = 4_096
TOO_SHORT = f"a token of it is shorter than {TOKEN_BYTES_MIN} bytes and does not count"


class AuditTokens:
    """The tokens of Secret `trueup-audit`, as it holds them now."""

    def __init__(self) -> None:
        self._tokens: Mapping[str, tuple[bytes, ...]] = MappingProxyType({})
        self.is_there = False
        # Nobody knows it, so nothing is opened with it.
        self._decoy = secrets.token_hex().encode()

    def observe(self, _old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
        """What the informer of the Secret calls."""
        data = as_mapping((new or {}).get("data"))
        self.is_there = new is not None
        self._tokens = MappingProxyType({name: _usable(decoded(data.get(name))) for name in data})

    def opens(self, cluster: str, given: bytes) -> bool:
        """Whether this is a token of the cluster, told in constant time; the empty name is home."""
        known = self._tokens.get(f"{TOKEN_KEY}.{cluster}" if cluster else TOKEN_KEY, ())
        tried = (*known, *(self._decoy for _ in range(TOKENS_TRIED_MAX - len(known))))
        equal = [hmac.compare_digest(token, given) for token in tried]
        return any(equal[: len(known)])


def given_token(authorization: str) -> bytes | None:
    """The token of `Authorization: Bearer …`, or the password of `Basic …`; None for anything else."""
    scheme, _, value = authorization.partition(" ")
    value = value.strip()
    if len(value) > TOKEN_BYTES_MAX:
        return None
    if scheme.lower() == "bearer":
        return value.encode("utf-8", "surrogatepass") or None
    if scheme.lower() != "basic":
        return None
    try:
        _, colon, password = base64.b64decode(value, validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return password if colon and password else None


class SealingKey:
    """The key of Secret `trueup-keys`, which a worker makes at its first start."""

    def __init__(self) -> None:
        #: None while there is none, or none that holds.
        self.sealer: Sealer | None = None

    def observe(self, _old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
        """What the informer of the Secret calls."""
        data = as_mapping((new or {}).get("data"))
        try:
            self.sealer = Sealer(base64.b64decode(as_text(data.get(SEAL_KEY)), validate=True))
        except (binascii.Error, StalledError):
            self.sealer = None


def _usable(value: bytes) -> tuple[bytes, ...]:
    tokens = (token for token in value.split() if TOKEN_BYTES_MIN <= len(token) <= TOKEN_BYTES_MAX)
    return tuple(tokens)[:TOKENS_TRIED_MAX]
