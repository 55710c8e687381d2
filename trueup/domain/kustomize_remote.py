"""Kustomizations in other repositories, by the addresses that kustomize clones.

Source: the rules of kustomize's own parser of `git clone` addresses, held against the tool itself by
`tests/integration/test_kustomize_attacks.py`.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from urllib.parse import parse_qs

_SCHEME = re.compile(r"(?i)(ssh|https?|file)://")
_USER = re.compile(r"[a-zA-Z][a-zA-Z0-9-]*@")
_GITHUB = re.compile(r"(?i)github\.com[/:]")


@dataclass(frozen=True, slots=True)
class RemoteBase:
    """A directory of another repository."""

    #: As a repository is named in a source.
    url: str
    #: From that repository's root; empty is the root.
    path: str
    #: The tag, branch or commit; empty where none is named.
    ref: str


@dataclass(frozen=True, slots=True)
class _Parts:
    #: With what stands behind it, such as `https://host/` or `git@host:`.
    host: str
    repository: str
    below: str


def is_remote_repository(text: str) -> bool:
    """Whether kustomize takes the name of a kustomization for that of a Git repository."""
    return _parts(text) is not None


def remote_base(text: str) -> RemoteBase | None:
    """What the address stands for; None where it is none."""
    parts = _parts(text)
    if parts is None:
        return None
    query = parse_qs(text.partition("?")[2])
    refs = [values[-1] for name in ("ref", "version") if (values := query.get(name))]
    path = posixpath.normpath(parts.below.strip("/"))
    return RemoteBase(parts.host + parts.repository, "" if path == "." else path, refs[0] if refs else "")


def _parts(text: str) -> _Parts | None:
    """A known scheme, `user@host:` or github.com in front, and a path behind it that tells the repository."""
    if text.startswith("/"):
        return None
    rest = text.partition("?")[0]
    rest = rest[5:] if rest[:5].lower() == "git::" else rest
    scheme = _SCHEME.match(rest)
    front = scheme[0] if scheme else ""
    rest = rest[len(front) :]
    if scheme and scheme[1].lower() == "file":
        return _told(front, rest, segments=0)
    user = _USER.match(rest)
    front += user[0] if user else ""
    rest = rest[user.end() :] if user else rest
    is_github = _GITHUB.match(rest) is not None
    is_scp = scheme is None and (user is not None or is_github)
    if scheme is None and not is_scp:
        return None
    end = rest.find("/")
    colon = rest.find(":")
    if is_scp and (end < 0 or 0 < colon < end):
        end = colon
    host, path = (rest[: end + 1], rest[end + 1 :]) if end >= 0 else (rest, "")
    if not host:
        return None
    if is_scp and user is None:
        # github.com may be named without a scheme.
        host = f"https://{host[:-1]}/"
    return _told(front + host, path, segments=2)


def _told(host: str, path: str, *, segments: int) -> _Parts | None:
    """By `_git/`, `//`, `.git` or the first segments; None where it cannot be told, or the rest leads out of it."""
    if (at := path.find("_git/")) >= 0:
        name, _, below = path[at + 5 :].partition("/")
        repository = path[: at + 5] + name
    elif "//" in path:
        repository, _, below = path.partition("//")
    elif ".git" in path:
        repository, _, below = path.partition(".git")
        repository += ".git"
    elif not segments:
        repository, below = path, ""
    else:
        parts = path.split("/")
        if len(parts) < segments:
            return None
        repository, below = "/".join(parts[:segments]), "/".join(parts[segments:])
    return _Parts(host, repository, below) if repository and not _leads_out(below) else None


def _leads_out(below: str) -> bool:
    depth = 0
    for part in below.split("/"):
        depth += {"": 0, ".": 0, "..": -1}.get(part, 1)
        if depth < 0:
            return True
    return False
