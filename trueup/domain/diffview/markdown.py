"""Views as Markdown, for comments on pull requests: a fenced block of `diff` for each object.

Format: CommonMark's fenced code blocks and code spans. A fence is longer than any run of backticks
in what it holds, so that no value ends it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from trueup.domain.diffview.model import ObjectView
from trueup.domain.diffview.rows import Row, rows, title

#: GitHub takes 65,536 characters of a comment.
DOCUMENT_CHARS_MAX = 60_000
#: What is kept for the words that some are left out.
LEFT_OUT_CHARS = 40
FENCE_MIN = 3

_BACKTICKS = re.compile("`+")


def markdown_of(view: ObjectView, titled: Callable[[ObjectView], str] = title) -> str:
    """One object: its name, and what differs."""
    lines = [_line(row) for row in rows(view)]
    return _document(titled(view), lines)


def document_of(
    views: Iterable[ObjectView],
    *,
    titled: Callable[[ObjectView], str] = title,
    above: str = "",
    chars_max: int = DOCUMENT_CHARS_MAX,
) -> str:
    """Every object that there is room for, of the last one as much as there is, and how many more there are.

    `above` is Markdown that stands before the first of them; nothing does where there is none.
    """
    parts: list[str] = []
    left_out = 0
    room = chars_max - len(above) - LEFT_OUT_CHARS
    is_full = False
    for view in views:
        part = "" if is_full else markdown_of(view, titled)
        if len(part) + 1 > room:
            is_full, part = True, _shortened(room, view, titled)
        if part:
            parts.append(part)
            room -= len(part) + 1
        else:
            left_out += 1
    if left_out:
        parts.append(f"… {left_out:,} {'object' if left_out == 1 else 'objects'} more\n")
    return "\n".join([above, *parts] if above and parts else parts)


def _shortened(chars_max: int, view: ObjectView, titled: Callable[[ObjectView], str]) -> str:
    """As many of the object's lines as there is room for, and how many more; nothing where that shows no difference."""
    fits, fits_not = 0, len(view.lines)
    while fits_not - fits > 1:
        some = (fits + fits_not) // 2
        if len(markdown_of(_beginning(view, some), titled)) < chars_max:
            fits = some
        else:
            fits_not = some
    shown = _beginning(view, fits)
    return markdown_of(shown, titled) if any(line.differs for line in shown.lines) else ""


def _beginning(view: ObjectView, lines: int) -> ObjectView:
    return replace(view, lines=view.lines[:lines], lines_left_out=view.lines_left_out + len(view.lines) - lines)


def code(text: str) -> str:
    """A code span that the text cannot end."""
    ticks = "`" * (_longest_run(text) + 1)
    return f"{ticks} {text} {ticks}" if "`" in text else f"`{text}`"


def _document(head: str, lines: list[str]) -> str:
    head = f"**{code(head)}**\n"
    if not lines:
        return head
    text = "\n".join(lines)
    fence = "`" * max(FENCE_MIN, _longest_run(text) + 1)
    return f"{head}\n{fence}diff\n{text}\n{fence}\n"


def _line(row: Row) -> str:
    # `@@` is how the colours of `diff` show a line that is about others.
    if row.sign == "…":
        return f"@@ {row.text} @@"
    told = f"  # {row.beside}" if row.beside else ""
    return f"{row.sign} {'  ' * row.indent}{row.text}{told}".rstrip()


def _longest_run(text: str) -> int:
    return max((len(run) for run in _BACKTICKS.findall(text)), default=0)
