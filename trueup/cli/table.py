"""Columns for people and for pipes: as wide as their content, never cut off."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

GAP = "  "


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The header and the rows, one line each; whitespace inside a cell becomes one space."""
    lines = [tuple(header), *(tuple(_cell(value) for value in row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _cell(value: object) -> str:
    return " ".join(str(value if value is not None else "").split())
