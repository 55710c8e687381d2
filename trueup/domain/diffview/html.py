"""A view as a table of HTML: no style, no script, classes alone, so that a strict Content-Security-Policy holds.

The classes: `diff`, `diff-side-by-side` or `diff-unified` of the table; `diff-same`, `diff-changed`,
`diff-missing`, `diff-extra`, `diff-fold` of a row, and `diff-reported` where it does not count;
`diff-live`, `diff-git`, `diff-nothing`, `diff-sign`, `diff-text`, `diff-who` of a cell; `diff-word` of a word
that differs. The row of a place that differs has its path in `data-path`; when it was written stands in a `time`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from html import escape

from trueup.domain.diffview.model import Line, ObjectView, Span
from trueup.domain.diffview.rows import Row, beside, credit, left_out, rows, title
from trueup.domain.printable import printable

#: Of each level of nesting; a style for `diff` has to keep blanks (`white-space: pre-wrap`).
INDENT = "  "

_SIGNS = {" ": ("", ""), "-": ("−", "in the cluster"), "+": ("+", "in Git"), "…": ("", "")}
_ROW_CLASSES = {" ": "diff-same", "-": "diff-extra", "+": "diff-missing", "…": "diff-fold"}


def html_of(view: ObjectView, side_by_side: bool) -> str:
    """A table with the object's name for a caption; two columns of text side by side, or one."""
    way = "diff-side-by-side" if side_by_side else "diff-unified"
    body = "\n".join(_side_by_side(view) if side_by_side else map(_unified, rows(view)))
    heads = ("In the cluster", "In Git", "Last written") if side_by_side else ("Side", "Text", "Last written")
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    return (
        f'<table class="diff {way}">\n<caption>{escape(title(view))}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n"
    )


def _side_by_side(view: ObjectView) -> Iterator[str]:
    for line in view.lines:
        if line.kind == "fold":
            yield _fold(line.indent, line.note)
            continue
        live = _cell("diff-live", "del", line, line.live, line.live_spans)
        git = _cell("diff-git", "ins", line, line.git, line.git_spans)
        yield _row(f"diff-{line.kind}", live + git, line, line.path, counts=line.counts)
    if view.lines_left_out:
        yield _fold(0, left_out(view))


def _cell(name: str, tag: str, line: Line, text: str | None, spans: tuple[Span, ...]) -> str:
    if text is None:
        return f'<td class="{name} diff-nothing"></td>'
    words = INDENT * line.indent + _marked(text, spans)
    return f'<td class="{name}"><code>{f"<{tag}>{words}</{tag}>" if line.differs else words}</code></td>'


def _unified(row: Row) -> str:
    if row.sign == "…":
        return _fold(row.indent, row.text)
    sign, side = _SIGNS[row.sign]
    mark = f'<abbr title="{side}">{sign}</abbr>' if side else ""
    words = INDENT * row.indent + _marked(row.text, row.spans)
    tag = {"-": "del", "+": "ins"}.get(row.sign)
    text = f"<{tag}>{words}</{tag}>" if tag else words
    cells = f'<td class="diff-sign">{mark}</td><td class="diff-text"><code>{text}</code></td>'
    return _row(_ROW_CLASSES[row.sign], cells, row.line, row.path, counts=row.counts, told=row.beside)


def _row(name: str, cells: str, line: Line | None, path: str, *, counts: bool, told: str = "") -> str:
    classes = name if counts else f"{name} diff-reported"
    said = _beside(line) if line is not None else escape(told)
    return f'<tr class="{classes}"{_place(path)}>{cells}<td class="diff-who">{said}</td></tr>'


def _beside(line: Line) -> str:
    """As `rows.beside` says it, with the time in an element of its own, that a script may say it as people do."""
    if line.attribution is None or not (time := line.attribution.time):
        return escape(beside(line))
    who = escape(credit(replace(line.attribution, time=""), removed=line.kind == "missing"))
    note = f"; {escape(line.note)}" if line.note else ""
    return f'{who}, <time datetime="{escape(printable(time))}">{escape(printable(time))}</time>{note}'


def _place(path: str) -> str:
    return f' data-path="{escape(path)}"' if path else ""


def _fold(indent: int, text: str) -> str:
    return f'<tr class="diff-fold"><td colspan="3">{INDENT * indent}… {escape(text)}</td></tr>'


def _marked(text: str, spans: tuple[Span, ...]) -> str:
    pieces = []
    position = 0
    for start, end in spans:
        pieces += [escape(text[position:start]), f'<mark class="diff-word">{escape(text[start:end])}</mark>']
        position = end
    return "".join((*pieces, escape(text[position:])))
