"""Where charts lie: how an Application names a repository of charts, and what of it is never asked for.

A repository is one of two kinds. `https://host/path` has an `index.yaml` that lists its charts. `oci://host/path`,
or the same without a scheme as Argo CD wants it, is a registry, where each chart is a repository of its own.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from trueup.domain.errors import InvalidSpecError
from trueup.domain.repository import check_url, normalize_url, redact_url, split_url

OCI = "oci"
NAME_CHARS_MAX = 250

#: As Helm has it, and a slash between parts as Argo CD takes it for registries.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*")
#: The distribution specification's form of a repository's name.
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
#: What people call Docker Hub, and where its registry is.
_HUB_NAMES = frozenset({"docker.io", "index.docker.io"})
_HUB = "registry-1.docker.io"
#: Addresses at which clouds tell a machine its own secrets, and that are not link-local.
_METADATA = frozenset(map(ip_address, ("100.100.100.200", "168.63.129.16", "fd00:ec2::254", "fd20:ce::254")))
#: The 96 bits under which an IPv6 address stands for an IPv4 one (RFC 6052).
_NAT64 = 0x0064FF9B << 64


@dataclass(frozen=True, slots=True)
class RegistryPlace:
    """One repository of an OCI registry, which holds the versions of one chart."""

    #: `https`, or `http` where that is allowed.
    scheme: str
    #: With the port where one is given.
    host: str
    #: Lower case, slashes between its parts.
    repository: str

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.host}"

    @property
    def base(self) -> str:
        """What the paths of the distribution specification begin with."""
        return f"{self.origin}/v2/{self.repository}"

    @property
    def shown(self) -> str:
        """For messages."""
        return f"{OCI}://{self.host}/{self.repository}"


def is_registry(repo_url: str) -> bool:
    """Whether the URL names a registry: by its scheme, or by having none."""
    return split_url(repo_url).scheme in {OCI, ""}


def chart_key(repo_url: str, chart: str) -> str:
    """The key of what a push of this chart moves, as `normalize_url` makes it of what webhooks announce.

    In a registry that is the chart's own repository: `host/path` with chart `name`, `host` with chart
    `path/name` and `oci://host/path/name` without a chart are one. A repository with an index is one for all
    of its charts.
    """
    if not is_registry(repo_url):
        return normalize_url(repo_url)
    return normalize_url(f"{OCI}://{split_url(repo_url).host}{_port(repo_url)}{split_url(repo_url).path}/{chart}")


def registry_place(repo_url: str, chart: str, *, plain_http: bool) -> RegistryPlace:
    """Where a chart lies in a registry. Without a chart's name the URL is that of the chart itself."""
    parts = split_url(repo_url)
    repository = "/".join(part for part in f"{parts.path}/{chart}".split("/") if part)
    if len(repository) > NAME_CHARS_MAX or not _REPOSITORY.fullmatch(repository):
        raise InvalidSpecError(
            f"spec.source.repoURL {redact_url(repo_url)} with chart {chart[:80]!r} names no repository that a registry "
            "can have; use lower-case letters, digits, '.', '_', '-' and '/'"
        )
    return RegistryPlace("http" if plain_http else "https", registry_host(repo_url), repository)


def registry_host(repo_url: str) -> str:
    """Where the registry of this URL is asked, with the port where one is given."""
    host = split_url(repo_url).host
    return (_HUB if host in _HUB_NAMES else host) + _port(repo_url)


def is_loopback(host: str) -> bool:
    """Whether the host is this machine, by name or by address, with or without a port."""
    name = split_url(f"{OCI}://{host}").host.strip("[]")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def check_chart_repository(repo_url: str, schemes: Collection[str]) -> None:
    """Raise InvalidSpecError unless charts may be fetched from there. `schemes` are those that a repository may have.

    SSH is none of them: charts are fetched over HTTP alone.
    """
    parts = split_url(repo_url)
    if parts.is_scp or parts.scheme not in {"https", "http", OCI, ""}:
        raise InvalidSpecError(
            f"spec.source.repoURL {redact_url(repo_url)} is no repository of charts; give one as https://host/path "
            "or oci://host/path, or drop spec.source.chart for a chart in Git"
        )
    if parts.scheme == "http" and "http" not in schemes:
        raise InvalidSpecError(
            f"spec.source.repoURL {redact_url(repo_url)} is refused: plain http shows the charts and the login to "
            "whoever listens; use https, or add http to TRUEUP_GIT_SCHEMES"
        )
    # What may be handed to git may be asked for here too; a registry alone may be named without a path.
    as_https = f"https://{repo_url}" if not parts.scheme else f"https{repo_url[len(parts.scheme) :]}"
    named = as_https if parts.path.strip("/") else as_https.rstrip("/") + "/-"
    check_url(named, schemes)
    if parts.user:
        raise InvalidSpecError(
            f"spec.source.repoURL {redact_url(repo_url)} carries a user name; put it into a repository Secret"
        )
    check_host(parts.host, redact_url(repo_url))


def check_chart_name(name: str) -> None:
    """Raise InvalidSpecError unless a chart may be called so."""
    if len(name) > NAME_CHARS_MAX or not _NAME.fullmatch(name) or ".." in name:
        raise InvalidSpecError(
            f"spec.source.chart {name[:80]!r} is not the name of a chart; use letters, digits, '.', '_' and '-'"
        )


def check_host(host: str, shown: str) -> None:
    """Raise InvalidSpecError where the host is an address at which nothing is ever asked for."""
    try:
        refused = is_refused_address(host.strip("[]"))
    except ValueError:
        return
    if refused:
        raise InvalidSpecError(f"{shown} is refused: {host} is {WHY_REFUSED}")


WHY_REFUSED = "an address of a link or of a cloud's metadata, where no charts lie"


def is_refused_address(text: str) -> bool:
    """Whether nothing is asked for at this IP address: link-local, metadata of a cloud, multicast, unspecified.

    Loopback and private networks are allowed: that is where many registries are. Raises ValueError for what
    is no IP address.
    """
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address.sixtofour or _translated(address) or address
    return address.is_link_local or address.is_multicast or address.is_unspecified or address in _METADATA


def _translated(address: IPv6Address) -> IPv4Address | None:
    return IPv4Address(int(address) & 0xFFFFFFFF) if int(address) >> 32 == _NAT64 else None


def _port(url: str) -> str:
    port = split_url(url).port
    return f":{port}" if port else ""
