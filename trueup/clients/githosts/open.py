"""The webhooks of a repository at whichever host it has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import aiohttp

from trueup.clients.githosts import gitea, github, gitlab
from trueup.clients.githosts.http import HookHost, HostApi
from trueup.domain.errors import StalledError
from trueup.domain.githost import GitHost


@asynccontextmanager
async def open_host(
    host: GitHost, environ: Mapping[str, str], *, hidden: Sequence[str] = ()
) -> AsyncIterator[HookHost]:
    """With the token of the environment; StalledError where it has none. `hidden` stands in no error."""
    token = environ.get(host.token_variable, "").strip()
    if not token or not token.isascii() or not token.isprintable():
        raise StalledError(
            f"put a token for {host.api_url} into {host.token_variable}, or name its variable with --token-env"
        )
    module = {"github": github, "gitlab": gitlab}.get(host.provider, gitea)
    async with aiohttp.ClientSession(trust_env=True) as session:
        api = HostApi(session, host, module.headers(token), module.RIGHT, (token, *hidden))
        if host.provider == "github":
            yield github.GitHub(api)
        elif host.provider == "gitlab":
            yield gitlab.GitLab(api)
        else:
            yield gitea.Gitea(api)
