"""Webhook secrets of repositories and organisations, and for which repositories each may speak.

They stand in the Secrets that Argo CD users already have for repositories (`repository`) and for all
repositories below a URL (`repo-creds`), under a key of our own.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueup.domain.credentials import SECRET_TYPE_LABEL, WEBHOOK_SECRET_KEY, is_below
from trueup.domain.lenient import as_mapping, as_text
from trueup.domain.repository import normalize_url

#: Where deliveries are taken; a hook's own address is this, its Git host and its name.
WEBHOOK_PATH = "/api/webhook"


@dataclass(frozen=True, slots=True)
class Reach:
    """The repositories that somebody may speak for."""

    #: A normalised URL; None for every repository there is.
    key: str | None
    #: Whether what stands below the URL is meant, instead of just the one of that URL.
    below: bool = False

    def covers(self, repository: str) -> bool:
        """`repository` is a normalised URL."""
        if self.key is None:
            return True
        return is_below(repository, self.key) if self.below else repository == self.key


EVERY_REPOSITORY = Reach(None)


@dataclass(frozen=True, slots=True, repr=False)
class Hook:
    """One Secret with webhook secrets; its name is the name of the hook in its address."""

    name: str
    reach: Reach
    #: Each once, in the order of the lines; at least one.
    secrets: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"Hook({self.name})"


def secret_lines(text: bytes) -> tuple[bytes, ...]:
    """The secrets, one a line, without the space around each; an empty line is none."""
    return tuple(dict.fromkeys(line for raw in text.split(b"\n") if (line := raw.strip())))


def decoded(value: object) -> bytes:
    """What a Secret holds under a key; nothing where it is no base64."""
    try:
        return base64.b64decode(as_text(value), validate=True)
    except (binascii.Error, ValueError):
        return b""


def parse_hook(secret: Mapping[str, Any]) -> Hook | None:
    """The hook of this Kubernetes Secret; None where it has no webhook secret or no URL to speak for."""
    metadata = as_mapping(secret.get("metadata"))
    kind = as_mapping(metadata.get("labels")).get(SECRET_TYPE_LABEL)
    name = as_text(metadata.get("name"))
    data = as_mapping(secret.get("data"))
    secrets = secret_lines(decoded(data.get(WEBHOOK_SECRET_KEY)))
    url = decoded(data.get("url")).decode(errors="replace").strip()
    if kind not in {"repository", "repo-creds"} or not name or not secrets or not url:
        return None
    key = normalize_url(url)
    # A URL of which nothing is left would vouch for whatever has no host.
    return Hook(name, Reach(key, below=kind == "repo-creds"), secrets) if key != "/" else None


@dataclass(frozen=True, slots=True, repr=False)
class Candidates:
    """Secrets to try together, and whom a delivery that one of them proves may speak for."""

    secrets: tuple[bytes, ...]
    reaches: tuple[Reach, ...]


def candidates_of(hooks: Iterable[Hook]) -> tuple[Candidates, ...]:
    """The hooks by what they have in common: a secret that many repositories share is tried once."""
    shared: dict[tuple[bytes, ...], list[Reach]] = {}
    for hook in sorted(hooks, key=lambda hook: hook.name):
        shared.setdefault(hook.secrets, []).append(hook.reach)
    return tuple(Candidates(secrets, tuple(dict.fromkeys(reaches))) for secrets, reaches in shared.items())


def at_most(candidates: Sequence[Candidates], secrets_max: int) -> tuple[tuple[Candidates, ...], int]:
    """The first of them with `secrets_max` secrets together, and how many secrets that leaves out."""
    taken: list[Candidates] = []
    left, left_out = secrets_max, 0
    for one in candidates:
        some = one.secrets[:left]
        left -= len(some)
        left_out += len(one.secrets) - len(some)
        if some:
            taken.append(Candidates(some, one.reaches))
    return tuple(taken), left_out
