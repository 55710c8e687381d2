"""Of all the lines of an object as many as people read: what differs, what is around it, and what leads there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from trueup.domain.diffview.alike import alike_note
from trueup.domain.diffview.model import Line, ObjectView
from trueup.domain.diffview.words import common_ends, emphasis

#: Unchanged lines that are shown before and after one that differs.
CONTEXT_LINES = 3
#: Fewer unchanged lines than these are not worth a line that says so.
FOLDED_LINES_MIN = 2
#: Of one place, and of one object as a whole.
PLACE_LINES_MAX = 120
LINES_MAX = 400
VIEW_CHARS_MAX = 100_000
LINE_CHARS_MAX = 400
#: Of a longer line its beginning is kept, and so much before the first character that differs.
BEGINNING_CHARS = 24
LEAD_CHARS = 60

WHITE_SPACE = "only white space differs"


def excerpt(view: ObjectView) -> ObjectView:
    """The view folded, shortened to its bounds, and with the words marked that differ."""
    folded = list(_folded(view.lines))
    kept: list[Line] = []
    chars = 0
    for line in folded[:LINES_MAX]:
        shown = _marked(line)
        chars += len(shown.git or "") + len(shown.live or "")
        if chars > VIEW_CHARS_MAX:
            break
        kept.append(shown)
    return replace(view, lines=tuple(kept), lines_left_out=len(folded) - len(kept))


def _folded(lines: Sequence[Line]) -> Iterator[Line]:
    shown = _shown(lines)
    index = 0
    while index < len(lines):
        end = index
        while end < len(lines) and not shown[end]:
            end += 1
        hidden = lines[index:end]
        if len(hidden) < FOLDED_LINES_MIN and not any(line.differs for line in hidden):
            yield from hidden
        else:
            yield _fold(hidden)
        if end < len(lines):
            yield lines[end]
        index = end + 1


def _shown(lines: Sequence[Line]) -> list[bool]:
    """Of each line whether it is shown: what differs, what is around that, and what leads to either."""
    shown = [False] * len(lines)
    told: Counter[str] = Counter()
    for index, line in enumerate(lines):
        if line.differs:
            told[line.path] += 1
            if told[line.path] <= PLACE_LINES_MAX:
                shown[index] = True
                for near in range(max(0, index - CONTEXT_LINES), min(len(lines), index + CONTEXT_LINES + 1)):
                    shown[near] = shown[near] or not lines[near].differs
    #: The lines that lead to where the walk stands, the outermost first.
    leading: list[int] = []
    for index, line in enumerate(lines):
        while leading and lines[leading[-1]].indent >= line.indent:
            leading.pop()
        if shown[index]:
            for place in leading:
                shown[place] = True
        leading.append(index)
    return shown


def _fold(hidden: Sequence[Line]) -> Line:
    differing = sum(line.differs for line in hidden)
    unchanged = len(hidden) - differing
    parts = [_count(differing, "more that differ" if differing > 1 else "more that differs")] if differing else []
    parts += [_count(unchanged, "unchanged")] if unchanged else []
    return Line("fold", min(line.indent for line in hidden), None, None, note=" and ".join(parts))


def _count(lines: int, what: str) -> str:
    return f"{lines:,} {'line' if lines == 1 else 'lines'} {what}"


def _marked(line: Line) -> Line:
    """The line cut to its bound, and of one that was changed the words that differ."""
    if line.kind != "changed" or line.git is None or line.live is None:
        git, live = (side if side is None else _cut(side, 0) for side in (line.git, line.live))
        return replace(line, git=git, live=live)
    start = 0
    if max(len(line.git), len(line.live)) > LINE_CHARS_MAX:
        start = common_ends(line.live, line.git)[0]
    live, git = _cut(line.live, start), _cut(line.git, start)
    live_spans, git_spans = emphasis(live, git)
    is_white_space = line.live != line.git and line.live.split() == line.git.split()
    remark = WHITE_SPACE if is_white_space else alike_note(line.live, line.git)
    note = "; ".join(part for part in (line.note, remark) if part)
    return replace(line, git=git, live=live, git_spans=git_spans, live_spans=live_spans, note=note)


def _cut(text: str, differs_from: int) -> str:
    """At most LINE_CHARS_MAX characters, and among them the first one that differs."""
    if differs_from > BEGINNING_CHARS + LEAD_CHARS + 1:
        text = f"{text[:BEGINNING_CHARS]}…{text[differs_from - LEAD_CHARS :]}"
    return text if len(text) <= LINE_CHARS_MAX else f"{text[: LINE_CHARS_MAX - 1]}…"
