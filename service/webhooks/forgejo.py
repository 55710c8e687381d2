"""Forgejo's deliveries.

https://forgejo.org/docs/latest/user/webhooks/

Argo CD has no key for them and reads Gogs'; that one counts as long as the key of its own is not set.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from . import gogs
from .event import Lookup, Provider
from .github_like import parse_like_gitea

NAME = "forgejo"
SECRET_KEY = "webhook.forgejo.secret"  # noqa: S105 -- the name of a key
parse = partial(parse_like_gitea, provider=NAME, brand="Forgejo")


def _secrets(lookup: Lookup) -> Sequence[bytes]:
    return lookup(SECRET_KEY) or lookup(gogs.PROVIDER.secret_key)


PROVIDER = Provider(name=NAME, secret_key=SECRET_KEY, parse=parse, find=_secrets)
