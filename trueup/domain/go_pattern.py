"""Patterns of Go's `path/filepath.Match` (https://pkg.go.dev/path/filepath#Match) as it is on Unix.

`*` and `?` match no slash, `[a-z]` and `[^a-z]` one character, and a backslash takes away a meaning.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from trueup.domain.wildcards import Dialect, expression, go_set_expression, go_sets

_DIALECT = Dialect("[^/]", go_sets("^"), go_set_expression, "[abc], [a-z] or [^a]")

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
    try:
        compiled = re.compile(expression(pattern, _DIALECT))
    except ValueError:
        return _everything
    return lambda path: compiled.fullmatch(path) is not None


def _everything(path: str) -> bool:  # noqa: ARG001 -- it has the signature of a matcher
    return True
