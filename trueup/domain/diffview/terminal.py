"""A view as lines for a terminal: pieces of text, each with the name of a style; which colour it is others say."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from trueup.domain.diffview.model import Line, ObjectView, Span
from trueup.domain.diffview.rows import Row, beside, left_out, rows, title

Side = Literal["live", "git"]
Style = Literal["title", "same", "live", "git", "live-word", "git-word", "beside"]

#: Two columns narrower than this leave no room for nested text.
COLUMNS_MIN = 60
_MIDDLE: dict[str, str] = {"same": " ", "changed": "|", "missing": ">", "extra": "<"}


@dataclass(frozen=True, slots=True)
class Piece:
    text: str
    style: Style


Printed = tuple[Piece, ...]


def unified(view: ObjectView, columns: int | None = None) -> Iterator[Printed]:
    """One line below the other: `-` is live, `+` is what Git says.

    What is said beside a line stands below it where both are more than `columns` wide; None is any width.
    """
    yield (_title(view),)
    for row in rows(view):
        style: Style = "live" if row.sign == "-" else "git" if row.sign == "+" else "same"
        pieces = _unified(row, style)
        told = f"# {row.beside}" if row.beside else ""
        if told and (columns is None or sum(cells(piece.text) for piece in pieces) + 2 + cells(told) <= columns):
            pieces = (*pieces, Piece(f"  {told}", "beside"))
            told = ""
        yield pieces
        if told:
            yield (Piece("  " * (row.indent + 2) + told, "beside"),)


def side_by_side(view: ObjectView, columns: int) -> Iterator[Printed]:
    """Live on the left, Git on the right; who wrote it stands below a line of live. In narrow terminals: unified."""
    if columns < COLUMNS_MIN:
        yield from unified(view, columns)
        return
    yield (_title(view),)
    width = (columns - 3) // 2
    yield (Piece(f"{_padded('In the cluster', width)}   In Git", "beside"),)
    for line in view.lines:
        yield from _beside_each_other(line, width)
    if view.lines_left_out:
        yield (Piece(f"… {left_out(view)}", "beside"),)


def cells(text: str) -> int:
    """How many columns of a terminal a printable text takes."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def _columns(char: str) -> int:
    """Marks stand on or around the letter before them, and so do the vowels and finals of Hangul."""
    if unicodedata.category(char) in ("Mn", "Me") or "\u1160" <= char <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _title(view: ObjectView) -> Piece:
    return Piece(f"===== {title(view)}", "title")


def _unified(row: Row, style: Style) -> Printed:
    if row.sign == "…":
        return (Piece("  " * (row.indent + 1) + f"… {row.text}", "beside"),)
    if not row.text:
        return (Piece(row.sign.rstrip(), style),)
    lead = f"{row.sign} {'  ' * row.indent}"
    return (Piece(lead, style), *_marked(row.text, row.spans, style))


def _beside_each_other(line: Line, width: int) -> Iterator[Printed]:
    if line.kind == "fold":
        yield (Piece("  " * line.indent + f"… {line.note}", "beside"),)
        return
    left = _column(line, line.live, line.live_spans, "live", width)
    right = _column(line, line.git, line.git_spans, "git", width)
    if told := beside(line):
        # Beside what only Git says there is room on the side of live.
        left += [(Piece(part, "beside"),) for part in _folded(f"# {told}", "  " * min(line.indent, width // 4), width)]
    middle = Piece(f" {_MIDDLE[line.kind]} ", "beside")
    for number in range(max(len(left), len(right))):
        one = left[number] if number < len(left) else ()
        other = right[number] if number < len(right) else ()
        blank = Piece(" " * max(0, width - sum(cells(piece.text) for piece in one)), "same")
        yield _stripped([*one, blank, middle if number == 0 else Piece("   ", "same"), *other])


def _column(line: Line, text: str | None, spans: tuple[Span, ...], side: Side, width: int) -> list[Printed]:
    """One side of a line, in as many lines as its column needs."""
    if text is None:
        return []
    style: Style = side if line.differs else "same"
    indent = "  " * min(line.indent, width // 4)
    found: list[Printed] = []
    start = 0
    for part in _parts(text, width - len(indent)):
        end = start + len(part)
        within = [(max(one, start) - start, min(other, end) - start) for one, other in spans]
        found.append((Piece(indent, style), *_marked(part, tuple(span for span in within if span[0] < span[1]), style)))
        start = end
    return found


def _stripped(pieces: list[Piece]) -> Printed:
    """The line without blanks at its end."""
    while pieces and not pieces[-1].text.strip():
        pieces.pop()
    if pieces:
        pieces[-1] = Piece(pieces[-1].text.rstrip(" "), pieces[-1].style)
    return tuple(pieces)


def _folded(text: str, indent: str, width: int) -> list[str]:
    """The words of a sentence below each other; of a word that is too long, its pieces."""
    lines = textwrap.wrap(text, width - len(indent), break_long_words=False, break_on_hyphens=False)
    return [indent + part for line in lines for part in _parts(line, width - len(indent))]


def _parts(text: str, width: int) -> list[str]:
    """The text in pieces that a column has room for."""
    parts, start, taken = [], 0, 0
    for index, char in enumerate(text):
        wide = cells(char)
        if taken + wide > width:
            parts.append(text[start:index])
            start, taken = index, 0
        taken += wide
    return [*parts, text[start:]]


def _marked(text: str, spans: tuple[Span, ...], style: Style) -> Printed:
    words: Style = "live-word" if style == "live" else "git-word"
    pieces: list[Piece] = []
    position = 0
    for start, end in spans:
        pieces += [Piece(text[position:start], style), Piece(text[start:end], words)]
        position = end
    pieces.append(Piece(text[position:], style))
    return tuple(piece for piece in pieces if piece.text)


def _padded(text: str, width: int) -> str:
    return text + " " * max(0, width - cells(text))
