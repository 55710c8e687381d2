"""Patterns of `helm.valueFiles` as Argo CD has them (https://github.com/bmatcuk/doublestar#patterns).

`*` and `?` match no slash, `**` alone between slashes any directories or none, `[a-z]` and `[^a-z]` one
character, `{a,b}` either, and a backslash takes away a meaning. A name that begins with a dot is like any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trueup.domain.errors import InvalidSpecError
from trueup.domain.globs import PATTERN_CHARS_MAX, alternatives
from trueup.domain.wildcards import Dialect, expression, go_set_expression, go_sets

_DIALECT = Dialect(".", go_sets("!^"), go_set_expression, "[abc], [a-z] or [^a]")

#: Any directories, or none.
_ANY_DEPTH = "**"
_SPECIAL = re.compile(r"[*?\[]")

_Part = re.Pattern[str] | None


def is_pattern(path: str) -> bool:
    """Whether Argo CD looks for files of that kind instead of a file of that name: braces alone make no pattern."""
    return _SPECIAL.search(path) is not None


@dataclass(frozen=True, slots=True)
class Doublestar:
    """A pattern that can be held against paths."""

    #: The directory that whatever it matches lies in; empty is the root.
    base: str
    #: Whether it goes below that directory's own files.
    is_deep: bool
    #: In how many ways its braces can be taken; every path is held against each.
    ways: int
    #: One for each way to take the braces, each a list of what stands between slashes; None for `**`.
    _either: tuple[tuple[_Part, ...], ...]

    def chosen(self, paths: Iterable[str]) -> list[str]:
        """Those that it matches, in the order in which later values overrule earlier ones.

        What the first of several braces stands for comes first. Of each, the files of a directory
        come before those of the directories in it, unless the pattern ends in `**`: then all go by name.
        """
        candidates = [(path, path.split("/")) for path in paths]
        found: dict[str, None] = {}
        for parts in self._either:
            by_name = parts[-1] is None
            matched = [(names, path) for path, names in candidates if _matches(parts, names)]
            matched.sort(key=lambda one: (one[0], []) if by_name else (one[0][:-1], one[0][-1:]))
            found.update(dict.fromkeys(path for _, path in matched))
        return list(found)


def compile_doublestar(pattern: str, field: str) -> Doublestar:
    """A pattern of a whole path, without slashes at its ends. InvalidSpecError names the field that makes no sense."""
    if len(pattern) > PATTERN_CHARS_MAX:
        raise InvalidSpecError(f"{field} is longer than {PATTERN_CHARS_MAX} characters; shorten it")
    try:
        plain = [one.split("/") for one in alternatives(pattern)]
        either = tuple(tuple(map(_part, one)) for one in plain)
    except ValueError as e:
        raise InvalidSpecError(f"{field} is not a pattern: {e}") from None
    bases = [_literal(one) for one in plain]
    base = bases[0]
    while not all(one[: len(base)] == base for one in bases):
        base = base[:-1]
    is_deep = any(len(one) > len(base) + 1 or _ANY_DEPTH in one for one in plain)
    return Doublestar("/".join(base), is_deep, len(either), either)


def _part(part: str) -> _Part:
    return None if part == _ANY_DEPTH else re.compile(expression(part, _DIALECT))


def _literal(parts: Sequence[str]) -> list[str]:
    """The directories at the beginning that are named in full."""
    named = next((i for i, part in enumerate(parts[:-1]) if _SPECIAL.search(part) or "\\" in part), len(parts) - 1)
    return list(parts[:named])


def _matches(parts: Sequence[_Part], names: Sequence[str]) -> bool:
    """Whether all names are used up by all parts; `reached` are the parts that may come next."""
    reached = _past_depths(parts, {0})
    for name in names:
        following: set[int] = set()
        for at in reached:
            if at == len(parts):
                continue
            part = parts[at]
            if part is None:
                following.add(at)
            elif part.fullmatch(name):
                following.add(at + 1)
        reached = _past_depths(parts, following)
    return len(parts) in reached


def _past_depths(parts: Sequence[_Part], reached: set[int]) -> set[int]:
    found = set(reached)
    for at in reached:
        beyond = at
        while beyond < len(parts) and parts[beyond] is None:
            beyond += 1
            found.add(beyond)
    return found
