"""Where the HTTP API of a repository's Git host is, from the repository's URL."""

from __future__ import annotations

from dataclasses import dataclass

from trueup.domain.errors import StalledError
from trueup.domain.repository import check_url, normalize_url, redact_url, split_url
from trueup.domain.webhook_secret import WEBHOOK_PATH

REPOSITORIES_PATH = "/api/v1/repositories"
#: By provider: the path of its API (GitHub's: of an Enterprise Server), and the variable with the token.
_APIS = {
    "github": ("/api/v3", "GITHUB_TOKEN"),
    "gitlab": ("/api/v4", "GITLAB_TOKEN"),
    "gitea": ("/api/v1", "GITEA_TOKEN"),
    "forgejo": ("/api/v1", "FORGEJO_TOKEN"),
}
PROVIDERS = tuple(_APIS)
_HOSTS = {"github.com": "github", "gitlab.com": "gitlab", "gitea.com": "gitea", "codeberg.org": "forgejo"}
_GITHUB_API = "https://api.github.com"


@dataclass(frozen=True, slots=True)
class GitHost:
    """A repository as its host's API knows it."""

    provider: str
    #: Without a slash at the end.
    api_url: str
    #: `owner/name`; at GitLab groups may nest.
    path: str
    #: The environment variable that holds the token.
    token_variable: str


def provider_of(url: str, provider: str = "") -> str:
    """The provider that is named, else the one of a well-known host; StalledError where there is none."""
    host = normalize_url(url).partition("/")[0]
    found = provider or _HOSTS.get(host, "")
    if found not in _APIS:
        said = f"{found} is not a provider whose API is known" if found else f"nothing tells what {host} runs"
        raise StalledError(f"{said}; say --provider with one of {', '.join(PROVIDERS)}")
    return found


def git_host(url: str, *, provider: str = "", api_url: str = "", token_variable: str = "") -> GitHost:
    """What is named counts, else what the URL tells. Raises StalledError where that is not enough.

    A token goes over plain HTTP only where `api_url` says so.
    """
    check_url(url, {"http"})
    name = provider_of(url, provider)
    prefix, variable = _APIS[name]
    host = normalize_url(url).partition("/")[0]
    path = split_url(url).path.strip("/").removesuffix(".git")
    if "/" not in path:
        raise StalledError(f"{redact_url(url)} does not look like host/owner/repository")
    if not api_url:
        # Of an SSH address the port says nothing about where HTTPS is spoken.
        named = host if split_url(url).scheme == "https" else host.partition(":")[0]
        api_url = _GITHUB_API if host == "github.com" else f"https://{named}{prefix}"
    if split_url(api_url).scheme not in {"http", "https"} or not split_url(api_url).host:
        raise StalledError("--api-url is no address; give it as https://host/path")
    return GitHost(name, api_url.rstrip("/"), path, token_variable or variable)


def repositories_address(base: str) -> str:
    """Where the service says which webhooks came; `base` as in `hook_address`."""
    return hook_address(base).removesuffix(WEBHOOK_PATH) + REPOSITORIES_PATH


def hook_address(base: str, provider: str = "", hook: str = "") -> str:
    """Where the service takes deliveries: of this hook, or of all where none is named.

    `base` is the service's address, with or without the path of its webhook.
    """
    parts = split_url(base)
    if parts.scheme not in {"http", "https"} or not parts.host or parts.user or "?" in base or "#" in base:
        raise StalledError("--url is not the address of a service; give it as https://trueup.example")
    root = base.rstrip("/").removesuffix(WEBHOOK_PATH) + WEBHOOK_PATH
    return f"{root}/{provider}/{hook}" if hook else root
