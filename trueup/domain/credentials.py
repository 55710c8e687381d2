"""Repository credentials, from the Secrets that Argo CD users already have, and whom they may be shown to."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from trueup.domain.repository import normalize_url, redact_url, split_url
from trueup.domain.source import Source

SECRET_TYPE_LABEL = "argocd.argoproj.io/secret-type"  # noqa: S105 -- the name of a label
#: Read in `webhook_secret`, as bytes: one secret a line, so that an old and a new one are valid side by side.
WEBHOOK_SECRET_KEY = "webhookSecret"  # noqa: S105 -- the name of a key
#: Finds them.
REPOSITORY_SECRETS = f"{SECRET_TYPE_LABEL} in (repository,repo-creds)"
SecretKind = Literal["repository", "repo-creds"]
#: What the Secret says that its URL leads to. A login for one is never shown to another of the same host.
SourceType = Literal["git", "helm", "oci"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_UNSUPPORTED = (
    "githubAppPrivateKey",
    "githubAppID",
    "gcpServiceAccountKey",
    "tlsClientCertData",
    "tlsClientCertKey",
)
_UNSUPPORTED_SWITCHES = ("enableLfs", "useAzureWorkloadIdentity")
#: A chart repository has no keys.
_UNSUPPORTED_OF_CHARTS = ("sshPrivateKey",)
#: A host that takes a token as the password wants some user name, and any will do.
_ANY_USER = "git"


@dataclass(frozen=True, slots=True, repr=False)
class RepositoryCredentials:
    """How to present oneself to a repository, or to every repository below a URL."""

    #: `namespace/name` of the Secret, for messages.
    secret: str
    kind: SecretKind
    url: str
    #: The AppProject whose applications alone may use it; empty for all.
    project: str = ""
    username: str = ""
    password: str = ""
    bearer_token: str = ""
    ssh_private_key: str = ""
    #: Neither the TLS certificate nor the SSH host key is checked.
    insecure: bool = False
    proxy: str = ""
    no_proxy: str = ""
    type: SourceType = "git"
    #: The charts lie in a registry (`enableOCI`, or the type `oci`), not below an index.
    enable_oci: bool = False
    #: The registry is asked over plain HTTP (`insecureOCIForceHttp`).
    force_http: bool = False

    def __repr__(self) -> str:
        return f"RepositoryCredentials({self.secret}, {self.kind} {redact_url(self.url)})"

    @property
    def has_login(self) -> bool:
        return bool(self.password or self.bearer_token or self.ssh_private_key)

    @property
    def authorization(self) -> str:
        """The value of the HTTP header `Authorization` (RFC 7617, RFC 6750); empty without a login."""
        if self.bearer_token:
            return f"Bearer {self.bearer_token}"
        if self.password:
            pair = f"{self.username or _ANY_USER}:{self.password}"
            return "Basic " + base64.b64encode(pair.encode()).decode()
        return ""

    @property
    def secret_values(self) -> tuple[str, ...]:
        """Every text that must not appear in a message, longest first."""
        key_lines = tuple(line for line in self.ssh_private_key.splitlines() if not line.startswith("-----"))
        proxy = split_url(self.proxy).password
        encoded = self.authorization.rpartition(" ")[2]
        values = {self.password, self.bearer_token, self.ssh_private_key, encoded, proxy, *key_lines}
        return tuple(sorted((value for value in values if value), key=len, reverse=True))

    def fits(self, url: str) -> bool:
        """Whether the login may travel the way that the URL names.

        A password goes over plain HTTP only where its own Secret says `http://`, and a key only to SSH.
        """
        scheme = split_url(url).scheme
        if scheme == "ssh":
            return not (self.password or self.bearer_token)
        if scheme == "http" and split_url(self.url).scheme != "http":
            return False
        return not self.ssh_private_key


def parse_secrets(secrets: Iterable[Mapping[str, Any]]) -> tuple[tuple[RepositoryCredentials, ...], tuple[str, ...]]:
    """The credentials in these Kubernetes Secrets, and a sentence for each Secret that cannot be used.

    Secrets that are labelled as something else are passed over.
    """
    good: list[RepositoryCredentials] = []
    faults: list[str] = []
    for secret in secrets:
        metadata = secret.get("metadata") or {}
        kind = (metadata.get("labels") or {}).get(SECRET_TYPE_LABEL)
        if kind not in {"repository", "repo-creds"}:
            continue
        name = f"{metadata.get('namespace') or ''}/{metadata.get('name') or ''}"
        parsed = _parse(name, kind, secret.get("data") or {})
        if isinstance(parsed, RepositoryCredentials):
            good.append(parsed)
        else:
            faults.append(f"Secret {name} is not used: {parsed}")
    return tuple(good), tuple(faults)


def _parse(name: str, kind: SecretKind, data: Mapping[str, Any]) -> RepositoryCredentials | str:
    """The credentials, or why there are none."""
    try:
        values = {
            key: base64.b64decode(value or "", validate=True).decode()
            for key, value in data.items()
            if key != WEBHOOK_SECRET_KEY
        }
    except (binascii.Error, UnicodeDecodeError, TypeError, ValueError):
        return "its data is not base64 of UTF-8 text"
    source_type = _source_type(values.get("type", "").strip())
    if source_type is None:
        return "its type is none of git, helm and oci; correct it"
    url = values.get("url", "").strip()
    if not url:
        return "it has no url"
    if fault := _unsupported(values, source_type):
        return fault
    lines = {
        key: values.get(key, "").rstrip("\r\n")
        for key in ("username", "password", "bearerToken", "proxy", "noProxy", "project")
    }
    for key, value in lines.items():
        if _CONTROL.search(value) or (key == "username" and ":" in value):
            return f"{key} has a character that it cannot have"
    key_text = values.get("sshPrivateKey", "").strip()
    return RepositoryCredentials(
        secret=name,
        kind=kind,
        url=url,
        project=lines["project"],
        username=lines["username"],
        password=lines["password"],
        bearer_token=lines["bearerToken"],
        ssh_private_key=key_text.replace("\r\n", "\n") + "\n" if key_text else "",
        insecure=_is_true(values.get("insecure", "")) or _is_true(values.get("insecureIgnoreHostKey", "")),
        proxy=lines["proxy"],
        no_proxy=lines["noProxy"],
        type=source_type,
        enable_oci=source_type == "oci" or _is_true(values.get("enableOCI", "")),
        force_http=_is_true(values.get("insecureOCIForceHttp", "")),
    )


def _source_type(text: str) -> SourceType | None:
    types: dict[str, SourceType] = {"": "git", "git": "git", "helm": "helm", "oci": "oci"}
    return types.get(text)


def _unsupported(values: Mapping[str, str], source_type: SourceType) -> str:
    for key in _UNSUPPORTED:
        if values.get(key):
            return f"{key} is not supported yet; use a username and password, a bearerToken or an sshPrivateKey"
    if source_type != "git":
        for key in _UNSUPPORTED_OF_CHARTS:
            if values.get(key):
                return f"{key} opens no chart repository; use a username and password or a bearerToken"
    for key in _UNSUPPORTED_SWITCHES:
        if _is_true(values.get(key, "")):
            return f"{key} is not supported yet; take it out"
    return ""


def _is_true(text: str) -> bool:
    return text.strip().lower() in {"true", "1", "t"}


def select(
    url: str, credentials: Iterable[RepositoryCredentials], *, project: str = ""
) -> RepositoryCredentials | None:
    """The credentials for this Git repository, or None.

    The repository's own Secret comes first; one without a login takes its login from the template
    (`repo-creds`) with the longest URL that the repository stands below, whole path segments
    compared, so that `https://host/org` says nothing of `https://host/organisation`. A Secret of
    the application's own project comes before one of no project; another project's is never used.
    """
    return _select(url, [c for c in credentials if c.type == "git"], project)


def select_for_charts(
    url: str, credentials: Iterable[RepositoryCredentials], *, project: str = ""
) -> RepositoryCredentials | None:
    """The credentials for this repository of charts, or None: by the rules of `select`, of Secrets for charts alone.

    A registry's login is not shown to a server of the same name that has an index, nor the other way round.
    """
    oci = split_url(url).scheme in {"oci", ""}
    return _select(url, [c for c in credentials if c.type != "git" and c.enable_oci == oci], project)


def select_for_source(
    source: Source, credentials: Iterable[RepositoryCredentials], *, project: str = ""
) -> RepositoryCredentials | None:
    """The credentials for the repository, of Git or of charts, that the source comes from, or None."""
    chosen = select_for_charts if source.is_chart else select
    return chosen(source.repo_url, credentials, project=project)


def _select(url: str, credentials: Iterable[RepositoryCredentials], project: str) -> RepositoryCredentials | None:
    usable = [c for c in credentials if c.project in {"", project} and c.fits(url)]
    key = normalize_url(url)
    own = [c for c in usable if c.kind == "repository" and normalize_url(c.url) == key]
    repository = max(own, key=lambda c: (bool(c.project), c.has_login, c.secret), default=None)
    if repository is not None and repository.has_login:
        return repository
    above = [c for c in usable if c.kind == "repo-creds" and is_below(key, normalize_url(c.url))]
    template = max(above, key=lambda c: (len(normalize_url(c.url)), bool(c.project), c.secret), default=None)
    if repository is None or template is None:
        return repository or template
    return replace(
        template,
        insecure=repository.insecure,
        proxy=repository.proxy or template.proxy,
        no_proxy=repository.no_proxy or template.no_proxy,
        force_http=repository.force_http,
    )


def is_below(key: str, prefix: str) -> bool:
    """Whether a normalised URL is this one or stands below it, whole path segments compared."""
    return key == prefix or key.startswith(prefix if prefix.endswith("/") else prefix + "/")
