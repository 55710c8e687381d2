"""Names of repositories and revisions: which spellings mean the same, and which are never handed to git."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote_from_bytes, unquote_to_bytes

from trueup.domain.errors import InvalidSpecError
from trueup.domain.version_range import parse_range

#: What a repository may be reached by without anybody saying so.
SCHEMES = frozenset({"https", "ssh"})
URL_CHARS_MAX = 2_048
REVISION_CHARS_MAX = 250
#: Spellings that are not taken apart again.
URLS_REMEMBERED_MAX = 4_096
HEAD = "HEAD"

_DEFAULT_PORTS = {"https": "443", "http": "80", "ssh": "22", "git": "9418", "oci": "443"}
_CASE_INSENSITIVE_HOSTS = frozenset(
    {"github.com", "gitlab.com", "bitbucket.org", "codeberg.org", "dev.azure.com", "ghcr.io"}
)
#: Other names of the same host: SSH over the port that firewalls leave open, and Docker Hub as it is called.
_HOST_ALIASES = {
    "docker.io": "registry-1.docker.io",
    "index.docker.io": "registry-1.docker.io",
    "ssh.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "altssh.bitbucket.org": "bitbucket.org",
}
_AZURE_SSH_HOST = "ssh.dev.azure.com"

_SCHEME_FORM = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/]*)(.*)", re.DOTALL)
_SCP_FORM = re.compile(r"([^/@:]+)@(\[[^\]/]*\]|[^/:\[]+):(.*)", re.DOTALL)
_HELPER_FORM = re.compile(r"[A-Za-z0-9+.-]*::")
_AUTHORITY = re.compile(r"(.*?)(?::([0-9]*))?", re.DOTALL)
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*)|\[[0-9A-Fa-f:.]+\]")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+@-]*")
_CONTROL = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]")
_UNPRINTABLE = re.compile(rb"[\x00-\x1f\x7f]")
_FULL_SHA = re.compile(r"[0-9a-fA-F]{40}([0-9a-fA-F]{24})?")
_SHORT_SHA = re.compile(r"[0-9a-fA-F]{7,63}")
#: What `git check-ref-format` refuses, see its manual page.
_BAD_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)|^[/.-]|[/.]$|^@$")


@dataclass(frozen=True, slots=True)
class UrlParts:
    """A repository's URL taken apart, not judged."""

    #: Lower case. `ssh` for the form `git@host:path`, empty where none is named.
    scheme: str
    user: str
    password: str
    #: Lower case, in brackets for an IPv6 address.
    host: str
    #: Digits, empty where none is given.
    port: str
    #: As written; starts with a slash unless the form is `git@host:path`.
    path: str
    is_scp: bool = False


@lru_cache(maxsize=URLS_REMEMBERED_MAX)
def split_url(url: str) -> UrlParts:
    """Take any text apart as git would; never fails."""
    if match := _SCHEME_FORM.fullmatch(url):
        scheme, authority, path = match.groups()
    elif match := _SCP_FORM.fullmatch(url):
        user, host, path = match.groups()
        return UrlParts("ssh", user, "", host.lower(), "", path, is_scp=True)
    else:
        authority, slash, rest = url.partition("/")
        scheme, path = "", slash + rest
    userinfo, _, place = authority.rpartition("@")
    user, _, password = userinfo.partition(":")
    match = _AUTHORITY.fullmatch(place)
    host, port = match.groups() if match and not place.endswith("]") else (place, "")
    return UrlParts(scheme.lower(), user, password, host.lower(), port or "", path)


@lru_cache(maxsize=URLS_REMEMBERED_MAX)
def normalize_url(url: str) -> str:
    """The key of a repository, `host[:port]/path`: the same for every spelling that means the same.

    Scheme, user, password, the scheme's default port, `.git`, empty path segments and the case of
    the host do not count; `git@host:org/repo.git`, `ssh://git@host/org/repo` and
    `https://host/org/repo` are one. The case of the path counts, since two repositories of one key
    would share a mirror, except on hosts known not to tell cases apart. Pure, total and idempotent.
    """
    parts = split_url(url.strip())
    host = "".join(parts.host.split())
    port = str(int(parts.port)) if parts.port.isascii() and parts.port.isdigit() else ""
    if port == _DEFAULT_PORTS.get(parts.scheme):
        port = ""
    segments = [segment for segment in _decoded_path(parts).split(b"/") if segment]
    if host in _HOST_ALIASES:
        host, port = _HOST_ALIASES[host], ""
    if host == _AZURE_SSH_HOST and segments[:1] == [b"v3"]:
        host, port, segments = (
            "dev.azure.com",
            "",
            [*segments[1:3], *([b"_git"] if segments[3:] else []), *segments[3:]],
        )
    if host in _CASE_INSENSITIVE_HOSTS:
        segments = [segment.lower() for segment in segments]
    while segments and segments[-1].endswith(b".git"):
        segments[-1] = segments[-1].removesuffix(b".git")
        if not segments[-1]:
            segments.pop()
    path = "/".join(quote_from_bytes(segment, safe="~!$&'()*+,;=:@") for segment in segments)
    return f"{host}:{port}/{path}" if port else f"{host}/{path}"


def _decoded_path(parts: UrlParts) -> bytes:
    raw = parts.path.encode("utf-8", "surrogatepass")
    return raw if parts.is_scp else unquote_to_bytes(raw)


def redact_url(url: str) -> str:
    """The URL as it may stand in a message: without user, password, query and control characters."""
    parts = split_url(_CONTROL.sub("", url))
    port = f":{parts.port}" if parts.port else ""
    path = re.split(r"[?#]", parts.path, maxsplit=1)[0]
    if parts.is_scp:
        text = f"{parts.host}:{path}"
    else:
        text = f"{parts.scheme}://{parts.host}{port}{path}" if parts.scheme else f"{parts.host}{port}{path}"
    return text if len(text) <= 300 else text[:299] + "…"


def check_url(url: str, schemes: Collection[str] = ()) -> None:
    """Raise InvalidSpecError unless the URL may be handed to git.

    Allowed are https, ssh and `user@host:path`, and the schemes that `schemes` adds. No message
    repeats what may be a password.
    """
    parts = split_url(url)
    if not url:
        raise InvalidSpecError("spec.source.repoURL is empty")
    if len(url) > URL_CHARS_MAX:
        raise InvalidSpecError(f"spec.source.repoURL is longer than {URL_CHARS_MAX} characters")
    if _CONTROL.search(url) or url.startswith("-") or _HELPER_FORM.match(url):
        raise _refused(url, "it is not an address; give it as https://host/path or git@host:path")
    allowed = SCHEMES.union(schemes)
    if parts.scheme not in allowed:
        said = f"the scheme {parts.scheme}" if parts.scheme else "no scheme"
        raise _refused(url, f"it has {said}; say one of {', '.join(sorted(allowed))}, or git@host:path")
    if parts.password:
        raise _refused(url, "it carries a password; put that into a repository Secret")
    if fault := _fault(parts):
        raise _refused(url, fault)


def _fault(parts: UrlParts) -> str:
    decoded = _decoded_path(parts)
    segments = decoded.split(b"/")
    if parts.scheme == "file":
        bad_host = bool(parts.host or parts.user or parts.port)
    else:
        bad_host = not _HOST.fullmatch(parts.host)
    if bad_host or (parts.user and not _USER.fullmatch(parts.user)):
        return "its host or user has a form that git would not take for one"
    if parts.port and not 0 < int(parts.port) < 65_536:
        return "its port is not one"
    if not any(segments):
        return "it names no repository"
    if b"." in segments or b".." in segments or decoded.startswith(b"-"):
        return "its path has a part that would lead elsewhere"
    if "?" in parts.path or "#" in parts.path or _UNPRINTABLE.search(decoded):
        return "its path has characters that a repository's path cannot have"
    return ""


def _refused(url: str, why: str) -> InvalidSpecError:
    return InvalidSpecError(f"spec.source.repoURL {redact_url(url)} is refused: {why}")


def git_address(url: str) -> str:
    """The URL to hand to git: what is not part of the address (an HTTP user) is left out."""
    parts = split_url(url)
    if parts.is_scp or parts.scheme == "file":
        return url
    user = f"{parts.user}@" if parts.user and parts.scheme == "ssh" else ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{user}{parts.host}{port}{parts.path}"


def is_full_sha(text: str) -> bool:
    """Whether the text is a whole object name, SHA-1 or SHA-256."""
    return _FULL_SHA.fullmatch(text) is not None


def looks_like_short_sha(text: str) -> bool:
    """Whether somebody may have meant the beginning of a commit's name."""
    return _SHORT_SHA.fullmatch(text) is not None and not is_full_sha(text)


def check_revision(text: str) -> None:
    """Raise InvalidSpecError unless it is empty, `HEAD`, a full SHA, a range of versions or a name that git allows."""
    if text in {"", HEAD} or is_full_sha(text):
        return
    shown = _CONTROL.sub(" ", text)[:80]
    if len(text) > REVISION_CHARS_MAX:
        raise InvalidSpecError(f"spec.source.targetRevision {shown}… is longer than {REVISION_CHARS_MAX} characters")
    if parse_range(text) is None and not is_ref_name(text):
        raise InvalidSpecError(
            f"spec.source.targetRevision {shown!r} is not the name of a branch or tag, nor a full SHA, "
            "nor a range of versions"
        )


def is_ref_name(text: str) -> bool:
    """Whether git would allow a branch or tag of this name."""
    return not _BAD_REF.search(text) and not (text.startswith("refs/") and text.count("/") < 2)


def remote_refs(revision: str) -> tuple[str, ...]:
    """The refs that a target revision may mean, the one that wins first; none for a SHA.

    A range of versions stands for itself: what it means is known only once the tags are. A
    branch wins over a tag of the same name, as it does in Argo CD.
    """
    if is_full_sha(revision):
        return ()
    if revision in {"", HEAD}:
        return (HEAD,)
    if revision.startswith("refs/") or parse_range(revision) is not None:
        return (revision,)
    return (f"refs/heads/{revision}", f"refs/tags/{revision}")
