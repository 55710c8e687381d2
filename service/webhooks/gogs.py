"""Gogs' deliveries.

https://gogs.io/docs/features/webhook
"""

from __future__ import annotations

from functools import partial

from .event import Provider
from .github_like import parse_like_gitea

NAME = "gogs"
parse = partial(parse_like_gitea, provider=NAME, brand="Gogs")
PROVIDER = Provider(name=NAME, secret_key="webhook.gogs.secret", parse=parse)  # noqa: S106 -- the name of a key
