"""Version ranges as target revisions: `1.*`, `>=1.2 <2`, `^1.4`, as Argo CD takes them.

The syntax is that of the Go library Masterminds/semver, version 3, which Argo CD reads them with:
comma or blank is "and", `||` is "or"; `=`, `!=`, `>`, `>=`, `<`, `<=`, `~`, `^`; `x`, `X` and `*` for any
number; `1.2 - 1.4` with both ends. A pre-release is taken only where its comparison names one (`*-0`).
A plain version, whole or in part, is no range but a name: the branch or tag that is called so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_PART = r"(?:0|[1-9][0-9]{0,17}|[xX*])"
_VERSION = rf"v?{_PART}(?:\.{_PART})?(?:\.{_PART})?(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?"
_COMPARISON = re.compile(rf"(=|!=|>=|=>|<=|=<|>|<|~>|~|\^|)\s*({_VERSION})(?=[\s,]|$)")
_HYPHEN = re.compile(rf"({_VERSION})\s+-\s+({_VERSION})")
_TAKEN_APART = re.compile(rf"v?({_PART})(?:\.({_PART}))?(?:\.({_PART}))?(?:-([0-9A-Za-z.-]+))?(?:\+.*)?")
_WILD = frozenset({"x", "X", "*"})
#: Rather somebody's branch than any version.
_LETTERS = frozenset({"x", "X"})
_SAME = {"=>": ">=", "=<": "<=", "~>": "~"}
_TAGS = "refs/tags/"
#: No name of a ref has one.
_AMONG = ":"
_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+@-]{0,199}")

#: Numbers before words, and a release above its pre-releases.
_Identifier = tuple[int, int, str]


@dataclass(frozen=True, slots=True, order=True)
class Version:
    numbers: tuple[int, int, int]
    #: 1 for a release, 0 for a pre-release.
    released: int = 1
    pre: tuple[_Identifier, ...] = ()


@dataclass(frozen=True, slots=True)
class _Comparison:
    operator: str
    version: Version
    #: How many numbers were given before the first that may be any.
    given: int

    def admits(self, candidate: Version) -> bool:
        if not candidate.released and self.version.released:
            return False
        return _OPERATORS[self.operator](self, candidate)

    def _shares(self, candidate: Version, numbers: int) -> bool:
        return candidate.numbers[:numbers] == self.version.numbers[:numbers]

    def _equal(self, candidate: Version) -> bool:
        if self.given < 3:
            return self._shares(candidate, self.given)
        return candidate == self.version

    def _above(self, candidate: Version) -> bool:
        return candidate > self.version and not (self.given < 3 and self._shares(candidate, self.given))

    def _up_to(self, candidate: Version) -> bool:
        return candidate <= self.version or (self.given < 3 and self._shares(candidate, self.given))

    def _tilde(self, candidate: Version) -> bool:
        return candidate >= self.version and self._shares(candidate, min(2, self.given))

    def _caret(self, candidate: Version) -> bool:
        leading = next((i for i, number in enumerate(self.version.numbers[: self.given]) if number), self.given - 1)
        return candidate >= self.version and self._shares(candidate, leading + 1)


_OPERATORS: dict[str, Callable[[_Comparison, Version], bool]] = {
    "=": _Comparison._equal,  # noqa: SLF001 -- the table of its own operators
    "!=": lambda one, candidate: not one._equal(candidate),  # noqa: SLF001
    ">": _Comparison._above,  # noqa: SLF001
    ">=": lambda one, candidate: candidate >= one.version,
    "<": lambda one, candidate: candidate < one.version,
    "<=": _Comparison._up_to,  # noqa: SLF001
    "~": _Comparison._tilde,  # noqa: SLF001
    "^": _Comparison._caret,  # noqa: SLF001
}


@dataclass(frozen=True, slots=True)
class VersionRange:
    #: Any of these, each of which asks for all of its comparisons.
    either: tuple[tuple[_Comparison, ...], ...]
    #: Only tags whose names begin so count, and the version is what follows.
    prefix: str = ""

    def admits(self, candidate: Version) -> bool:
        return any(all(one.admits(candidate) for one in each) for each in self.either)


def parse_version(text: str) -> Version | None:
    """The version that a tag is called by, `v1.2.3` or `1.2`; None for any other name."""
    parsed = _taken_apart(text)
    return parsed[0] if parsed is not None and parsed[1] == parsed[2] else None


def parse_range(text: str) -> VersionRange | None:
    """None for what is no range: a name of a branch or tag, a plain version, or nothing that can be read.

    `prefix:range` is a range among the tags that begin so, see `among_tags`.
    """
    prefix, colon, text = text.rpartition(_AMONG)
    if parse_version(text.strip()) is not None or text in _LETTERS or (colon and not _PREFIX.fullmatch(prefix)):
        return None
    either = [_all_of(part.strip()) for part in text.split("||")]
    return None if None in either else VersionRange(tuple(each for each in either if each is not None), prefix)


def among_tags(prefix: str, revision: str) -> str:
    """The target revision that stands for a range among the tags that begin with `prefix`.

    As Argo CD's `tagPrefix`: what is no range stays the name that it is.
    """
    return f"{prefix}{_AMONG}{revision}" if prefix and parse_range(revision) is not None else revision


def is_tag_prefix(text: str) -> bool:
    """Whether names of tags can begin so."""
    return _PREFIX.fullmatch(text) is not None


def best_tag(wanted: VersionRange, refs: Iterable[str]) -> str | None:
    """Of these full names of refs the tag with the highest version that the range admits.

    Of several names of one version (`v1.2.0`, `1.2`) the longest is taken, then the last by the alphabet.
    """
    start = _TAGS + wanted.prefix
    named = [(parse_version(ref.removeprefix(start)), ref) for ref in refs if ref.startswith(start)]
    admitted = [(version, len(ref), ref) for version, ref in named if version is not None and wanted.admits(version)]
    return max(admitted)[2] if admitted else None


def _all_of(text: str) -> tuple[_Comparison, ...] | None:
    text = _HYPHEN.sub(r">=\1 <=\2", text)
    found: list[_Comparison] = []
    at = 0
    while at < len(text):
        match = _COMPARISON.match(text, at)
        parsed = _taken_apart(match[2]) if match else None
        if match is None or parsed is None:
            return None
        version, given, _ = parsed
        operator = _SAME.get(match[1], match[1]) or "="
        found.append(_Comparison(operator if given else _of_anything(operator), version, given))
        at = match.end()
        while at < len(text) and text[at] in ", \t":
            at += 1
    return tuple(found) or None


def _of_anything(operator: str) -> str:
    """`*` is every version, whatever is asked of it, unless it is excluded."""
    return {"!=": "<", ">": "<", "<": "<"}.get(operator, ">=")


def _taken_apart(text: str) -> tuple[Version, int, int] | None:
    """The version with 0 for what may be any, how many numbers are fixed, and how many parts were written."""
    match = _TAKEN_APART.fullmatch(text)
    if match is None:
        return None
    written = [part for part in match.groups()[:3] if part is not None]
    given = next((i for i, part in enumerate(written) if part in _WILD), len(written))
    numbers = [int(part) for part in written[:given]] + [0, 0, 0]
    pre = match[4]
    identifiers = tuple(_identifier(part) for part in pre.split(".")) if pre else ()
    version = Version((numbers[0], numbers[1], numbers[2]), 0 if pre else 1, identifiers)
    return version, given, len(written)


def _identifier(text: str) -> _Identifier:
    return (0, int(text), "") if text.isascii() and text.isdigit() and len(text) < 19 else (1, 0, text)
