"""The secrets that deliveries are verified with, as Secret `argocd-secret` holds them now."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import structlog

from trueup.domain.lenient import as_mapping, as_text

from .webhooks.event import Provider

SECRET_NAME = "argocd-secret"  # noqa: S105 -- the name of an object
#: A value that begins so points at another key, as in Argo CD.
REFERENCE = b"$"
KEY_PREFIX = "webhook."

_log = structlog.get_logger(__name__)


class WebhookSecrets:
    """An immutable snapshot, replaced whole when the Secret changes: a rotation takes effect at once."""

    def __init__(self, *, webhook_secrets_tried_max: int) -> None:
        self._tried_max = webhook_secrets_tried_max
        self._values: Mapping[str, bytes] = MappingProxyType({})

    def observe(self, _old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
        """The informer's callback."""
        self._values = MappingProxyType(_webhook_values(as_mapping((new or {}).get("data"))))

    def of(self, key: str) -> Sequence[bytes]:
        """The value under `key`, and those under `key` with a dot and more behind it.

        The latter let an old and a new secret stand side by side while hosts are being changed. At
        most `webhook_secrets_tried_max`, in the order of their keys.
        """
        values = self._values
        keys = sorted(name for name in values if name == key or name.startswith(f"{key}."))
        return tuple(values[name] for name in keys[: self._tried_max])

    def known_to(self, provider: Provider) -> Sequence[bytes]:
        """What deliveries of this host are verified with, at most `webhook_secrets_tried_max`."""
        return tuple(provider.secrets(self.of))[: self._tried_max]


def _webhook_values(data: Mapping[str, Any]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for name in data:
        if not name.startswith(KEY_PREFIX):
            continue
        value = _decoded(data, name)
        if value.startswith(REFERENCE):
            target = value.removeprefix(REFERENCE).decode(errors="replace")
            value = _decoded(data, target)
            # Taken literally, a reference would be a secret that stands in public manifests.
            if not value or value.startswith(REFERENCE):
                _log.warning(
                    "a webhook secret refers to what is not there; put the value itself into this Secret",
                    secret=SECRET_NAME,
                    key=name,
                )
                continue
        if value:
            found[name] = value
    return found


def _decoded(data: Mapping[str, Any], name: str) -> bytes:
    try:
        return base64.b64decode(as_text(data.get(name)), validate=True)
    except binascii.Error:
        return b""
