"""The lines of a view one below the other, and what is said beside them: what every renderer starts from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from trueup.domain.attribution import Attribution
from trueup.domain.diffview.model import Line, ObjectView, Span
from trueup.domain.incident import REMARKS
from trueup.domain.printable import printable

#: `-` is live, `+` is what Git says.
Sign = Literal[" ", "-", "+", "…"]


@dataclass(frozen=True, slots=True)
class Row:
    sign: Sign
    indent: int
    text: str
    #: What is said beside it: who wrote it and when, and what else there is to know.
    beside: str = ""
    #: The words that differ.
    spans: tuple[Span, ...] = ()
    #: The place that differs; empty where nothing does.
    path: str = ""
    counts: bool = True
    #: The line of the view that `beside` is of; None where nothing is said.
    line: Line | None = None


def title(view: ObjectView) -> str:
    """The object, and what is said of it as a whole."""
    return printable(f"{view.key} {REMARKS.get(view.status, '')}".rstrip())


def rows(view: ObjectView) -> Iterator[Row]:
    """Each line of the view; of a place that differs first what is live, and then what Git says."""
    for (differs, _), found in groupby(view.lines, key=lambda line: (line.differs, line.path)):
        lines = list(found)
        if not differs:
            yield from (_alike(line) for line in lines)
            continue
        for line in lines:
            if line.live is not None:
                yield Row("-", line.indent, line.live, beside(line), line.live_spans, line.path, line.counts, line)
        for line in lines:
            if line.git is not None:
                told = line if line.live is None else None
                said = beside(told) if told is not None else ""
                yield Row("+", line.indent, line.git, said, line.git_spans, line.path, line.counts, told)
    if view.lines_left_out:
        yield Row("…", 0, left_out(view))


def left_out(view: ObjectView) -> str:
    """What is said of the lines that the view has no room for."""
    return f"{view.lines_left_out:,} {'line' if view.lines_left_out == 1 else 'lines'} more"


def beside(line: Line) -> str:
    """What is said beside a line, such as `by alice with kubectl-edit, 2026-01-02T03:04:05Z`."""
    credited = credit(line.attribution, removed=line.kind == "missing") if line.attribution is not None else ""
    return "; ".join(part for part in (credited, line.note) if part)


def credit(who: Attribution, *, removed: bool = False) -> str:
    """Who wrote something, and when, in a few words."""
    words = f"{'removed by' if removed else 'by'} {name_of(who)}"
    return printable(f"{words}, {who.time}" if who.time else words)


def name_of(who: Attribution) -> str:
    """Who; a manager is called one: nobody is presented as a person by a name that a program gives itself."""
    return printable(f"manager {who}" if who.person is None and who.manager else str(who))


def _alike(line: Line) -> Row:
    if line.kind == "fold":
        return Row("…", line.indent, line.note)
    return Row(" ", line.indent, line.git or "", line.note)
