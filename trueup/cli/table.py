"""Columns for people and for pipes: as wide as their content, never cut off."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from trueup.cli.printing import one_line

GAP = "  "


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The header and the rows, one line each; a cell is one line."""
    lines = [tuple(header), *(tuple(one_line(value) for value in row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
