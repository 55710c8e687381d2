"""Which Git host is speaking, from the names of the headers alone.

The order is part of the meaning: Forgejo, Gitea and Gogs also send `X-GitHub-Event`, and Gitea
also sends `X-Gogs-Event`, so the most particular name is asked first.
"""

from __future__ import annotations

from . import github
from .event import Headers, Provider

#: One line per host that Trueup understands.
PROVIDERS: dict[str, Provider] = {
    github.NAME: github.PROVIDER,
}

#: The header that tells a host, and the host: those not understood yet are here so that none of them
#: is taken for one that is.
MARKS: tuple[tuple[str, str], ...] = (
    ("X-Vss-ActivityId", "azure"),
    ("X-Forgejo-Event", "forgejo"),
    ("X-Gitea-Event", "gitea"),
    ("X-Gogs-Event", "gogs"),
    ("X-GitHub-Event", "github"),
    ("X-Gitlab-Event", "gitlab"),
    ("X-Hook-UUID", "bitbucket"),
    ("X-Event-Key", "bitbucket-server"),
)


def detect(headers: Headers) -> str:
    """The host's name, in `PROVIDERS` or not; empty where no header tells."""
    return next((name for mark, name in MARKS if mark in headers), "")
