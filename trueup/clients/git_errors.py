"""What git says on stderr, turned into one sentence that a person can act on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from trueup.domain.errors import StalledError, TransientError

STDERR_CHARS_MAX = 400

_USERINFO = re.compile(r"://[^/@\s]*@")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_AUTHORIZATION = re.compile(r"(?i)(authorization:\s*\w+\s+)\S+")


class CorruptMirrorError(Exception):
    """What git keeps on our disk cannot be read; a fresh clone mends it."""


class MissingRefError(Exception):
    """The remote has no ref of a name that was asked for."""


class StaleLockError(Exception):
    """A process that is gone left a lock file behind."""


class NotMadeError(Exception):
    """A new mirror could not be put on our disk."""


class UnavailableObjectError(Exception):
    """The remote will not give an object that was asked for by its name."""


_MISSING_REF = re.compile(r"couldn't find remote ref|no such remote ref", re.IGNORECASE)
_UNAVAILABLE = re.compile(r"not our ref|does not allow request for unadvertised|unadvertised object", re.IGNORECASE)
_LOCKED = re.compile(r"unable to create '[^']*\.lock'|cannot lock ref|could not lock", re.IGNORECASE)
_CORRUPT = re.compile(
    r"not a git repository|is corrupt|bad object|corrupt loose|inflate: data stream|index file .* is too small|"
    r"packfile .* (?:cannot be|does not match)|unable to read (?:tree|sha1|[0-9a-f]{40})|could not read [0-9a-f]{40}|"
    r"bad (?:pack|index)|wrong index|missing (?:blob|tree|commit)|did not send all necessary objects|"
    r"invalid (?:sha1 pointer|object)|unable to unpack|failed to (?:read|traverse)|hash mismatch|"
    r"reference broken|bad config|has a bogus|loose object",
    re.IGNORECASE,
)


_SHORT = re.compile(
    r"no space left|cannot allocate|out of memory|cannot fork|too many open files|resource temporarily", re.IGNORECASE
)
#: What came in was broken or broke off. Without a word of what reads it, too: who reads may end before it says so.
_RECEIVING = re.compile(
    r"index-pack|unpack-objects|pack has bad object|pack is corrupted|bad pack header|early eof|"
    r"unexpected disconnect|of body are still expected|of length header were received",
    re.IGNORECASE,
)
#: A pack that leans on an object which the mirror should have.
_LOST_BASE = re.compile(r"unresolved deltas", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Fault:
    """What stderr looks like, what that means, and whether time alone may mend it."""

    pattern: re.Pattern[str]
    sentence: str
    transient: bool = True


_OUR_DISK = "the data directory: "


def disk_words(error: OSError) -> str:
    """What `remote_error` understands, for a fault of our disk that no git told of."""
    return f"{_OUR_DISK}{error.strerror or type(error).__name__}"


def _fault(sentence: str, *patterns: str, transient: bool = True) -> _Fault:
    return _Fault(re.compile("|".join(patterns), re.IGNORECASE | re.DOTALL), sentence, transient)


#: The first that fits counts.
_REMOTE = (
    _fault("the disk for mirrors is full; give TRUEUP_DATA_DIR more room", r"no space left on device"),
    _fault("its mirror cannot be written; see to TRUEUP_DATA_DIR", _OUR_DISK),
    _fault(
        "{login}",
        r"could not read (?:username|password)",
        r"terminal prompts disabled",
        r"error: 401",
        r"authentication failed",
        r"permission denied \(publickey",
        r"no supported authentication",
    ),
    _fault(
        "its SSH host key is not known; add it to ConfigMap argocd-ssh-known-hosts-cm",
        r"host key verification failed",
        r"no \S+ host key is known",
    ),
    _fault("the SSH key in its Secret cannot be read", r"error in libcrypto", r"invalid format", r"load key"),
    _fault(
        "access is forbidden (403); check the rights of the credentials, or wait if the host limits requests",
        r"error: 403",
        r"access denied",
        r"not authorized",
        r"forbidden",
    ),
    _fault(
        "the host limits requests (429); it is asked again after a pause, and a login in a repository Secret may "
        "raise the limit",
        r"error: 429",
    ),
    _fault(
        "there is no such repository, or the credentials may not see it; check spec.source.repoURL and its Secret",
        r"repository '[^']*' not found",
        r"error: 404",
        r"repository not found",
        r"does not appear to be a git repository",
        r"project you were looking for could not be found",
    ),
    _fault(
        "it answers with a redirect, which is not followed; put the new address into spec.source.repoURL",
        r"error: 30\d",
        r"unable to update url base from redirection",
        transient=False,
    ),
    _fault(
        "its host name cannot be resolved; check the address and DNS",
        r"could not resolve (?:host|proxy)",
        r"name or service not known",
        r"temporary failure in name resolution",
    ),
    _fault(
        "it answers too slowly; it is asked again, check its host and the network",
        r"operation too slow",
        r"timed out",
        r"timeout",
    ),
    _fault(
        "it cannot be reached; check the address and the network",
        r"failed to connect",
        r"connection refused",
        r"couldn't connect",
        r"no route to host",
        r"network is unreachable",
        r"connection reset",
        r"proxy connect",
    ),
    _fault(
        "its TLS certificate or connection is not accepted; add the authority, or set insecure in its Secret",
        r"certificate",
        r"\bssl\b",
        r"\btls\b",
        r"gnutls",
    ),
    _fault(
        "its history holds objects that git's checks refuse; repair the repository",
        r"fsck error",
        r"error in object",
        r"fsck of .* failed",
        transient=False,
    ),
    _fault("its object format changed; clear its mirror in TRUEUP_DATA_DIR", r"mismatched algorithms", transient=False),
    _fault(
        "this kind of address is not allowed; use https or ssh",
        r"transport '[^']*' not allowed",
        r"unable to find remote helper",
        transient=False,
    ),
    _fault(
        "it broke off or failed to answer; it is asked again, check its host",
        r"error: 5\d\d",
        r"empty reply",
        r"early eof",
        r"rpc failed",
        r"hung up",
        r"unexpected disconnect",
        r"index-pack failed",
        r"invalid index-pack",
        r"protocol error",
        r"bad line length",
        r"invalid server response",
        r"expected (?:flush|packfile|')",
        r"of body are still expected",
        r"of length header were received",
        r"unexpected acknowledgment",
        r"error processing acks",
        r"broken pipe",
    ),
)


#: The longest pause that a host is granted.
RETRY_AFTER_SECONDS_MAX = 3_600.0
_LIMITED = re.compile(r"error: (?:429|503)")
_RETRY_AFTER = re.compile(r"header: retry-after: *([0-9]{1,9})\b", re.IGNORECASE)


def may_name_a_pause(stderr: str) -> bool:
    """Whether the answer is one that comes with `Retry-After`, RFC 9110 section 10.2.3."""
    return _LIMITED.search(stderr) is not None


def pause_in(trace: str) -> float | None:
    """The seconds of `Retry-After` in a trace of git's HTTP; a date, which hosts of Git do not send, is not read."""
    found = _RETRY_AFTER.search(trace)
    return None if found is None else min(RETRY_AFTER_SECONDS_MAX, float(found[1]))


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Git's words without credentials, on one line, of a length that fits into a status."""
    for secret in secrets:
        text = text.replace(secret, "***")
    text = _AUTHORIZATION.sub(r"\1***", _USERINFO.sub("://", text))
    text = "; ".join(line.strip() for line in _CONTROL.sub(" ", text).splitlines() if line.strip())
    return text if len(text) <= STDERR_CHARS_MAX else "…" + text[1 - STDERR_CHARS_MAX :]


def local_error(stderr: str) -> Exception | None:
    """The trouble with our mirror that git's words tell of, or None.

    A machine short of room is no reason to throw a mirror away, nor is a pack that came in broken.
    """
    if _SHORT.search(stderr) or (_RECEIVING.search(stderr) and not _LOST_BASE.search(stderr)):
        return None
    if _MISSING_REF.search(stderr):
        return MissingRefError(stderr)
    if _UNAVAILABLE.search(stderr):
        return UnavailableObjectError(stderr)
    if _LOCKED.search(stderr):
        return StaleLockError(stderr)
    if _CORRUPT.search(stderr):
        return CorruptMirrorError(stderr)
    return None


def remote_error(stderr: str, *, repository: str, secret: str | None, secrets: Iterable[str]) -> Exception:
    """The error for a remote that could not be asked.

    `repository` is the redacted URL; `secret` names the Secret whose login was presented, None
    where there was none.
    """
    said = scrub(stderr, secrets)
    login = (
        f"it refuses the credentials in Secret {secret}; correct them"
        if secret
        else "it asks for credentials and no repository Secret matches it; create one"
    )
    for fault in _REMOTE:
        if fault.pattern.search(stderr):
            message = f"repository {repository}: {fault.sentence.format(login=login)} (git: {said})"
            return TransientError(message) if fault.transient else StalledError(message)
    return TransientError(f"repository {repository}: git failed: {said or 'it said nothing'}")
