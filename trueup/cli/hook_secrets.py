"""The Secret of a repository as far as its webhook goes: found, read, written."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trueup.clients.cluster import Cluster
from trueup.domain.credentials import (
    REPOSITORY_SECRETS,
    SECRET_TYPE_LABEL,
    WEBHOOK_SECRET_KEY,
    parse_secrets,
    select,
)
from trueup.domain.errors import StalledError
from trueup.domain.lenient import as_mapping
from trueup.domain.repository import normalize_url, redact_url
from trueup.domain.webhook_secret import Hook, decoded, parse_hook, secret_lines


@dataclass(frozen=True, slots=True, repr=False)
class HookSecret:
    """The repository's own Secret, there or to be made."""

    name: str
    #: As the cluster has it; None where it is to be made.
    raw: Mapping[str, Any] | None
    lines: tuple[bytes, ...]
    #: What a new Secret has to say beside the URL, so that the repository is reached as before.
    settings: Mapping[str, str]


class HookSecrets:
    """The repository Secrets of one namespace."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace

    async def hook_for(self, url: str) -> Hook:
        """The hook that vouches for this repository: its own, else the closest above; StalledError without one."""
        key = normalize_url(url)
        hooks = [hook for raw in await self._all() if (hook := parse_hook(raw)) and hook.reach.covers(key)]
        closest = max(hooks, key=lambda h: (not h.reach.below, len(h.reach.key or ""), h.name), default=None)
        if closest is None:
            raise StalledError(
                f"no Secret in namespace {self._namespace} holds a {WEBHOOK_SECRET_KEY} for {redact_url(url)}; "
                "`trueup webhook setup` writes one"
            )
        return closest

    async def own(self, url: str) -> HookSecret:
        """The Secret of just this repository; one with a webhook secret first, then one of no project."""
        key, everything = normalize_url(url), await self._all()
        own = [
            raw
            for raw in everything
            if as_mapping(raw["metadata"].get("labels")).get(SECRET_TYPE_LABEL) == "repository"
            and normalize_url(_value(raw, "url").decode(errors="replace")) == key
        ]
        if own:
            raw = min(own, key=lambda r: (not _lines(r), bool(_value(r, "project")), r["metadata"]["name"]))
            return HookSecret(str(raw["metadata"]["name"]), raw, _lines(raw), {})
        # Beside a Secret of its own, the repository would lose what one for all below a URL says of TLS.
        login = select(url, parse_secrets(everything)[0])
        return HookSecret(_name_for(key), None, (), {"insecure": "true"} if login and login.insecure else {})

    async def write(self, secret: HookSecret, url: str, lines: tuple[bytes, ...]) -> None:
        """Put these lines into the Secret; ConflictError or AlreadyExistsError where somebody else was quicker."""
        resource = await self._cluster.resource("", "Secret")
        data = {WEBHOOK_SECRET_KEY: base64.b64encode(b"\n".join(lines)).decode()}
        if secret.raw is not None:
            version = secret.raw["metadata"]["resourceVersion"]
            body = {"metadata": {"resourceVersion": version}, "data": data}
            await self._cluster.merge_patch(resource, self._namespace, secret.name, body)
            return
        made: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": secret.name, "labels": {SECRET_TYPE_LABEL: "repository"}},
            "stringData": {"type": "git", "url": url, **secret.settings},
            "data": data,
        }
        await self._cluster.create(resource, self._namespace, made)

    async def _all(self) -> list[dict[str, Any]]:
        resource = await self._cluster.resource("", "Secret")
        page = await self._cluster.list_all(resource, self._namespace, label_selector=REPOSITORY_SECRETS)
        return list(page.items)


def new_secret() -> bytes:
    """Of 256 bits; letters, digits, `-` and `_`, which every Git host takes."""
    return secrets.token_urlsafe(32).encode()


def _value(raw: Mapping[str, Any], key: str) -> bytes:
    return decoded(as_mapping(raw.get("data")).get(key)).strip()


def _lines(raw: Mapping[str, Any]) -> tuple[bytes, ...]:
    return secret_lines(_value(raw, WEBHOOK_SECRET_KEY))


def _name_for(key: str) -> str:
    """A name that a person recognises and that no other repository has."""
    slug = re.sub(r"[^a-z0-9]+", "-", key.partition("/")[2].lower()).strip("-")[-40:].strip("-")
    return f"repo-{slug}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
