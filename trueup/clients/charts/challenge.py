"""What a registry asks for with a 401 (RFC 9110, and the distribution project's "Token Authentication")."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 -- what HTTP calls a token
_PARAMETER = re.compile(rf'\s*({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))')
_SCHEME = re.compile(rf"\s*,?\s*({_TOKEN})(?=\s|,|$)(?!\s*=)")
_SEPARATOR = re.compile(r"\s*,")
_CHARS_MAX = 8_192


@dataclass(frozen=True, slots=True)
class Challenge:
    #: Lower case: `basic`, `bearer`.
    scheme: str
    #: By lower-case names.
    parameters: Mapping[str, str]


def challenges(headers: Iterable[str]) -> list[Challenge]:
    """Every challenge in these values of `WWW-Authenticate`, as far as they can be read; never fails."""
    return [found for value in headers for found in _of_one(value[:_CHARS_MAX])]


def _of_one(text: str) -> list[Challenge]:
    found = []
    at = 0
    while match := _SCHEME.match(text, at):
        at = match.end()
        parameters: dict[str, str] = {}
        while parameter := _PARAMETER.match(text, at):
            name, quoted, plain = parameter.groups()
            parameters[name.lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
            at = parameter.end()
            if not (comma := _SEPARATOR.match(text, at)) or not _PARAMETER.match(text, comma.end()):
                break
            at = comma.end()
        found.append(Challenge(match[1].lower(), parameters))
    return found
