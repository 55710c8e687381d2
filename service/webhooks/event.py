"""What a delivery can say, and the two ways in which it can be refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

#: Longer than any host's delivery id; what is longer is cut, since it only names a line of a log.
DELIVERY_ID_CHARS_MAX = 64


class UnauthorizedError(Exception):
    """Nobody has proved that the Git host sent this; the message says what was missing."""


class MalformedError(Exception):
    """The sender is known and what it says cannot be read; the message names the path."""


class Headers:
    """The header fields of one request: names in any case, values as they came, repeats kept."""

    __slots__ = ("_values",)

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name.lower(), []).append(value)

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._values

    def all(self, name: str) -> Sequence[str]:
        return tuple(self._values.get(name.lower(), ()))

    def one(self, name: str) -> str:
        """The only value of this field, or nothing where it is absent; MalformedError where it is repeated."""
        values = self.all(name)
        if len(values) > 1:
            raise MalformedError(f"The header {name} is there {len(values)} times; once is meant.")
        return values[0] if values else ""


class Move(StrEnum):
    """What became of a ref, as far as the host says."""

    CREATED = "created"
    MOVED = "moved"
    #: To a commit that does not descend from the one before.
    FORCED = "forced"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class RefChange:
    """One ref that may have moved."""

    #: In full: `refs/heads/main`, `refs/tags/v1`; for a package its tag, or its digest where it has none.
    ref: str
    #: The object names that the host states, empty where it states none or there is none.
    before: str
    after: str
    move: Move


@dataclass(frozen=True, slots=True)
class PushEvent:
    """Refs of a repository may have moved. All of it is a hint: the worker asks the remote."""

    provider: str
    #: Every address that the host gives this repository, as written: compared, never opened.
    repository_urls: tuple[str, ...]
    #: Empty where the host names no ref: the repository is to be looked at all the same.
    changes: tuple[RefChange, ...]
    #: Printable, for logs alone; empty where the host gave none.
    delivery_id: str


@dataclass(frozen=True, slots=True)
class Ping:
    """The host tries whether anybody is there."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A true event that can move no ref."""

    #: A sentence for the answer.
    reason: str


@dataclass(frozen=True, slots=True)
class Fetch:
    """Nothing can be said before somebody has read this address, which the parser has checked."""

    url: str
    #: Whether the same bytes will do another time.
    lasting: bool
    #: Goes on with what the address answered; fails as a parser does.
    resume: Callable[[bytes], WebhookEvent]


WebhookEvent = PushEvent | Ping | Ignored | Fetch
#: (headers, raw body, secrets) to an event; UnauthorizedError or MalformedError otherwise, and nothing else.
Parse = Callable[[Headers, bytes, Sequence[bytes]], WebhookEvent]
#: A key of Secret `argocd-secret` to the values under it.
Lookup = Callable[[str], Sequence[bytes]]


@dataclass(frozen=True, slots=True)
class Provider:
    """One kind of Git host."""

    #: As it stands in a hook's address and in metrics.
    name: str
    #: The key of Secret `argocd-secret` that holds its webhook secret.
    secret_key: str
    parse: Parse
    #: Finds its secrets there where they are more than the values of that key.
    find: Callable[[Lookup], Sequence[bytes]] | None = None

    def secrets(self, lookup: Lookup) -> Sequence[bytes]:
        """Every secret of this host that stands in Secret `argocd-secret`, as `parse` takes them."""
        return self.find(lookup) if self.find else lookup(self.secret_key)


def printable(text: str) -> str:
    """A delivery id that is safe in a line of a log."""
    return "".join(c for c in text[:DELIVERY_ID_CHARS_MAX] if c.isascii() and c.isprintable())
