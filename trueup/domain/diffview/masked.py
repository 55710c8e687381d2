"""Lines of a text that look alike because what differs in them is masked: known by the lines behind the mask.

What is behind it stays with the lines only until they are held against each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

from trueup.domain.diffview.yamlish import Text
from trueup.domain.redact import MASK

HIDDEN = "differs in what is masked"
#: In no line that is shown: there it is an escape.
_BEHIND = "\0"


def told_apart(shown: Sequence[Text], raw: Any) -> list[Text]:
    """The lines, those with a mask together with the line of the value that they stand for.

    Where a mask took line breaks along, no line is known by another one, and they stay as they are.
    """
    lines = raw.removesuffix("\n").split("\n") if isinstance(raw, str) else []
    if len(shown) != len(lines) + 1:
        return list(shown)
    head, *rest = shown
    pairs = zip(rest, lines, strict=True)
    return [head, *((at, f"{text}{_BEHIND}{line}") if MASK in text else (at, text) for (at, text), line in pairs)]


@overload
def as_shown(text: Text) -> Text: ...
@overload
def as_shown(text: None) -> None: ...
@overload
def as_shown(text: Text | None) -> Text | None: ...
def as_shown(text: Text | None) -> Text | None:
    """The line without what is behind its masks."""
    return None if text is None else (text[0], text[1].partition(_BEHIND)[0])
