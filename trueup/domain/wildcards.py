"""What `*`, `?`, `[…]` and a backslash stand for in a pattern, as a regular expression. Dialects differ in little."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_CHARACTER = r"(?:\\.|[^\\\]-])"
_RANGE = re.compile(rf"({_CHARACTER})(?:-({_CHARACTER}))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Dialect:
    #: What `?` stands for, and each character of what `*` does.
    one: str
    #: A set in brackets, from its `[` on, and the expression that it is; ValueError for one that makes no sense.
    set_pattern: re.Pattern[str]
    set_expression: Callable[[re.Match[str]], str]
    #: How a set is written, for sentences.
    set_said: str
    #: What a backslash at the very end stands for; None for nothing good.
    last_backslash: str | None = None


def go_sets(negations: str) -> re.Pattern[str]:
    """Sets as Go's matchers have them, of characters and ranges, turned about by one of `negations` before them."""
    return re.compile(rf"\[([{re.escape(negations)}]?)((?:{_CHARACTER}(?:-{_CHARACTER})?)+)\]", re.DOTALL)


def go_set_expression(match: re.Match[str]) -> str:
    """What a match of `go_sets` stands for."""
    members = ""
    for low, high in _RANGE.findall(match[2]):
        first, last = low[-1], (high or low)[-1]
        if first > last:
            raise ValueError("a range in brackets runs backwards")
        members += f"{re.escape(first)}-{re.escape(last)}"
    return f"[{'^' if match[1] else ''}{members}]"


def expression(pattern: str, dialect: Dialect) -> str:
    """One that never backtracks over more than one `*`. ValueError says why a pattern makes no sense."""
    segments = [""]
    position = 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "*":
            segments.append("")
        elif character == "?":
            segments[-1] += dialect.one
        elif character == "\\" and position == len(pattern):
            if dialect.last_backslash is None:
                raise ValueError("it ends in a backslash")
            segments[-1] += dialect.last_backslash
        elif character == "\\":
            segments[-1] += re.escape(pattern[position])
            position += 1
        elif character == "[":
            match = dialect.set_pattern.match(pattern, position - 1)
            if match is None:
                raise ValueError(f"a `[` does not begin a set such as {dialect.set_said}")
            segments[-1] += dialect.set_expression(match)
            position = match.end()
        else:
            segments[-1] += re.escape(character)
    first, *rest = segments
    if not rest:
        return f"(?s:{first})"
    *middle, last = rest
    # What stands between two stars is taken where it first fits, which is right for all but the last: a later place
    # for it would not help. It keeps the time linear.
    taken = "".join(f"(?>{dialect.one}*?{segment})" for segment in middle)
    return f"(?s:{first}{taken}{dialect.one}*{last})"
