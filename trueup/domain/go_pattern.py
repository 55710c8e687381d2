"""Patterns of Go's `path/filepath.Match` (https://pkg.go.dev/path/filepath#Match) as it is on Unix.

`*` and `?` match no slash, `[a-z]` and `[^a-z]` one character, and a backslash takes away a meaning.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_CHARACTER = r"(?:\\.|[^\\\]-])"
_CLASS = re.compile(rf"\[(\^?)((?:{_CHARACTER}(?:-{_CHARACTER})?)+)\]", re.DOTALL)
_RANGE = re.compile(rf"({_CHARACTER})(?:-({_CHARACTER}))?", re.DOTALL)
_SPECIAL = re.compile(r"[*?\[\\]")


def literal_directory(pattern: str) -> str:
    """The directory that everything which the pattern can match lies in, without a slash at its ends."""
    special = _SPECIAL.search(pattern)
    if special is None:
        return pattern.strip("/")
    return pattern[: special.start()].rpartition("/")[0].strip("/")


def is_pattern(text: str) -> bool:
    """Whether the text can match anything but itself."""
    return _SPECIAL.search(text) is not None


def compile_go_pattern(pattern: str) -> Callable[[str], bool]:
    """Whether a whole path matches. A pattern that makes no sense matches everything.

    Go takes such a one for matching nothing; here it is about where to look, and too much is no harm.
    """
    parts = [""]
    position = 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "*":
            parts.append("")
        elif character == "?":
            parts[-1] += "[^/]"
        elif character == "\\":
            if position == len(pattern):
                return _everything
            parts[-1] += re.escape(pattern[position])
            position += 1
        elif character == "[":
            match = _CLASS.match(pattern, position - 1)
            expression = _class(match) if match else None
            if match is None or expression is None:
                return _everything
            parts[-1] += expression
            position = match.end()
        else:
            parts[-1] += re.escape(character)
    first, *rest = parts
    expression = first
    if rest:
        *middle, last = rest
        # What stands between two stars is taken where it first fits: a star passes no slash, so that a
        # later place for it would not help. It also keeps the time linear.
        expression += "".join(f"(?>[^/]*?{part})" for part in middle) + f"[^/]*{last}"
    compiled = re.compile(f"(?s:{expression})")
    return lambda path: compiled.fullmatch(path) is not None


def _everything(path: str) -> bool:  # noqa: ARG001 -- it has the signature of a matcher
    return True


def _class(match: re.Match[str]) -> str | None:
    members = ""
    for low, high in _RANGE.findall(match[2]):
        first, last = low[-1], (high or low)[-1]
        if first > last:
            return None
        members += f"{re.escape(first)}-{re.escape(last)}"
    return f"[{match[1]}{members}]"
