"""Globs of `directory.include` and `directory.exclude`, with the meaning that Argo CD gives them.

A pattern is held against the whole path relative to the source's path; `*` and `?` match slashes too.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable

from trueup.domain.errors import InvalidSpecError
from trueup.domain.wildcards import Dialect, expression

PATTERN_CHARS_MAX = 2_000
#: `{a,b}{c,d}` stands for four patterns.
ALTERNATIVES_MAX = 1_000

_CLASS = re.compile(r"\[(?P<negated>!)?(?:(?P<low>[^\]\\-])-(?P<high>[^\]\\-])|(?P<list>[^\]\\-]+))\]")


def compile_glob(pattern: str, field: str) -> Callable[[str], bool]:
    """Whether a path matches. InvalidSpecError names the field whose pattern makes no sense."""
    if len(pattern) > PATTERN_CHARS_MAX:
        raise InvalidSpecError(f"{field} is longer than {PATTERN_CHARS_MAX} characters; shorten it")
    try:
        matchers = [re.compile(expression(plain, _DIALECT)) for plain in alternatives(pattern)]
    except ValueError as e:
        raise InvalidSpecError(f"{field} is not a glob: {e}") from None
    return lambda path: any(matcher.fullmatch(path) for matcher in matchers)


def alternatives(pattern: str) -> list[str]:
    """The patterns without braces that one with braces stands for, the first of each first; ValueError for no end."""
    finished: list[str] = []
    pending = [pattern]
    while pending:
        current = pending.pop()
        start, end, commas = _first_group(current)
        if end < 0:
            finished.append(current)
        else:
            bounds = [start, *commas, end]
            pending += [
                current[:start] + current[left + 1 : right] + current[end + 1 :]
                for left, right in reversed(list(itertools.pairwise(bounds)))
            ]
        if len(finished) + len(pending) > ALTERNATIVES_MAX:
            raise ValueError(f"its braces stand for more than {ALTERNATIVES_MAX} patterns")
    return finished


def _first_group(pattern: str) -> tuple[int, int, list[int]]:
    """Where the first outer `{…}` begins and ends, and its own commas; an end of -1 for none."""
    depth, start, commas = 0, -1, list[int]()
    position = 0
    while position < len(pattern):
        character = pattern[position]
        if character == "\\":
            position += 1
        elif character == "{":
            start = position if depth == 0 else start
            depth += 1
        elif character == "}" and depth:
            depth -= 1
            if depth == 0:
                return start, position, commas
        elif character == "," and depth == 1:
            commas.append(position)
        position += 1
    if depth:
        raise ValueError("a `{` is not closed")
    return -1, -1, []


def _character_class(match: re.Match[str]) -> str:
    if match["list"] is not None:
        members = "".join(re.escape(c) for c in match["list"])
    else:
        if match["low"] > match["high"]:
            raise ValueError("a range in brackets runs backwards")
        members = f"{re.escape(match['low'])}-{re.escape(match['high'])}"
    return f"[{'^' if match['negated'] else ''}{members}]"


_DIALECT = Dialect(
    one=".",
    set_pattern=_CLASS,
    set_expression=_character_class,
    set_said="[abc], [a-z] or [!a]",
    last_backslash=re.escape("\\"),
)
