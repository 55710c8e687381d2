"""The secrets that deliveries are verified with, as the cluster's Secrets hold them now.

Those of Secret `argocd-secret` vouch for every repository. Those under `webhookSecret` of a repository's
Secret, or of one for all repositories below a URL, vouch for just these, and each of these Secrets is
a hook with an address of its own.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import structlog

from trueup.domain.credentials import WEBHOOK_SECRET_KEY
from trueup.domain.lenient import as_mapping, as_text
from trueup.domain.webhook_secret import (
    EVERY_REPOSITORY,
    Candidates,
    Hook,
    at_most,
    candidates_of,
    decoded,
    parse_hook,
)

from .webhooks.event import Provider

SECRET_NAME = "argocd-secret"  # noqa: S105 -- the name of an object
#: A value that begins so points at another key, as in Argo CD.
REFERENCE = b"$"
KEY_PREFIX = "webhook."
#: What is kept of a repository's Secret. Passwords and keys are none of the service's business.
KEPT_KEYS = frozenset({"url", WEBHOOK_SECRET_KEY})

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, repr=False)
class _Hooks:
    by_name: Mapping[str, Hook]
    candidates: tuple[Candidates, ...]
    #: Of the hook that has most.
    secrets_of_one_max: int


class WebhookSecrets:
    """Immutable snapshots, replaced whole when a Secret changes: a rotation takes effect at once."""

    def __init__(self, *, webhook_secrets_tried_max: int) -> None:
        self._tried_max = webhook_secrets_tried_max
        self._values: Mapping[str, bytes] = MappingProxyType({})
        self._parsed: dict[str, Hook] = {}
        self._snapshot: _Hooks | None = None
        # Nobody knows them, so nothing is signed with them.
        self._decoys = tuple(secrets.token_hex().encode() for _ in range(webhook_secrets_tried_max))

    def observe(self, _old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
        """What the informer of `argocd-secret` calls."""
        self._values = MappingProxyType(_webhook_values(as_mapping((new or {}).get("data"))))

    def observe_hook(self, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
        """What the informer of repository Secrets calls."""
        name = as_text(as_mapping((new or old or {}).get("metadata")).get("name"))
        hook = parse_hook(new) if new else None
        if hook:
            self._parsed[name] = hook
        elif self._parsed.pop(name, None) is None:
            return
        self._snapshot = None

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

    def of_everybody(self, shared: Sequence[bytes]) -> tuple[tuple[Candidates, ...], int]:
        """What to try where no hook is named, and how many secrets stay untried.

        `shared` are those of the Git host that vouch for every repository. They come first, then the hooks'
        by their names; `webhook_secrets_tried_max` in all.
        """
        first = (Candidates(tuple(shared), (EVERY_REPOSITORY,)),) if shared else ()
        return at_most((*first, *self._hooks().candidates), self._tried_max)

    def of_hook(self, name: str) -> Candidates:
        """What to try at the address of this hook, where no other secret counts.

        Every name gets as many secrets, filled up with some that nobody knows: how long an answer
        takes tells a stranger neither which hooks there are nor which of them is being rotated.
        """
        hooks = self._hooks()
        hook = hooks.by_name.get(name)
        own = hook.secrets[: self._tried_max] if hook else ()
        reaches = (hook.reach,) if hook else ()
        return Candidates(own + self._decoys[: max(1, hooks.secrets_of_one_max) - len(own)], reaches)

    def is_hook(self, name: str) -> bool:
        return name in self._hooks().by_name

    def _hooks(self) -> _Hooks:
        if self._snapshot is None:
            hooks = MappingProxyType(dict(self._parsed))
            most = max((len(hook.secrets) for hook in hooks.values()), default=0)
            self._snapshot = _Hooks(hooks, candidates_of(hooks.values()), min(most, self._tried_max))
        return self._snapshot


def only_webhook_data(body: dict[str, Any]) -> dict[str, Any]:
    """Of a repository's Secret what a hook is made of, and nothing else."""
    metadata, data = as_mapping(body.get("metadata")), as_mapping(body.get("data"))
    return {
        "metadata": {key: metadata.get(key) for key in ("namespace", "name", "labels", "resourceVersion")},
        "data": {key: data[key] for key in KEPT_KEYS & data.keys()},
    }


def _webhook_values(data: Mapping[str, Any]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for name in data:
        if not name.startswith(KEY_PREFIX):
            continue
        value = decoded(data.get(name))
        if value.startswith(REFERENCE):
            target = value.removeprefix(REFERENCE).decode(errors="replace")
            value = decoded(data.get(target))
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
