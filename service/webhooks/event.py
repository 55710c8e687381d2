"""What a delivery can say, and the two ways in which it can be refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class PushEvent:
    """A ref of a repository may have moved. All of it is a hint: the worker asks the remote."""

    provider: str
    #: Every address that the host gives this repository, as written: compared, never opened.
    repository_urls: tuple[str, ...]
    #: In full: `refs/heads/main`, `refs/tags/v1`.
    ref: str
    #: The SHAs that the host states, empty where it states none.
    before: str
    after: str
    deleted: bool
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


WebhookEvent = PushEvent | Ping | Ignored
#: (headers, raw body, secrets) to an event; UnauthorizedError or MalformedError otherwise, and nothing else.
Parse = Callable[[Headers, bytes, Sequence[bytes]], WebhookEvent]


@dataclass(frozen=True, slots=True)
class Provider:
    """One kind of Git host."""

    #: As it stands in a hook's address and in metrics.
    name: str
    #: The key of Secret `argocd-secret` that holds its webhook secret.
    secret_key: str
    parse: Parse


def printable(text: str) -> str:
    """A delivery id that is safe in a line of a log."""
    return "".join(c for c in text[:DELIVERY_ID_CHARS_MAX] if c.isascii() and c.isprintable())
