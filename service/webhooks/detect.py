"""Which Git host is speaking, from the names of the headers alone.

The order is part of the meaning: Forgejo, Gitea and Gogs also send `X-GitHub-Event`, Gitea also sends
`X-Gogs-Event`, and GitLab also signs as the generic endpoint asks, so the most particular name is
asked first. Harbor has no header of its own; its `Authorization` is asked last of all.
"""

from __future__ import annotations

from . import azure, bitbucket, bitbucket_server, codecommit, forgejo, generic, gitea, github, gitlab, gogs, harbor, sns
from .event import Headers, Provider

#: The header that tells a host, and the module that understands it.
MARKS: tuple[tuple[str, Provider], ...] = (
    ("X-Vss-ActivityId", azure.PROVIDER),
    ("X-Forgejo-Event", forgejo.PROVIDER),
    ("X-Gitea-Event", gitea.PROVIDER),
    ("X-Gogs-Event", gogs.PROVIDER),
    ("X-GitHub-Event", github.PROVIDER),
    ("X-Gitlab-Event", gitlab.PROVIDER),
    ("X-Hook-UUID", bitbucket.PROVIDER),
    ("X-Event-Key", bitbucket_server.PROVIDER),
    (sns.MARK, codecommit.PROVIDER),
    (codecommit.API_KEY, codecommit.PROVIDER),
    ("webhook-signature", generic.PROVIDER),
    ("Authorization", harbor.PROVIDER),
)

PROVIDERS: dict[str, Provider] = {provider.name: provider for _, provider in MARKS}


def detect(headers: Headers) -> str:
    """The host's name in `PROVIDERS`; empty where no header tells."""
    return next((provider.name for mark, provider in MARKS if mark in headers), "")
