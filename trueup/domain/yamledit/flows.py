"""Members of flow collections, and of JSON's objects and arrays.

A comment in a member's line is the member's own, behind its comma too, and so are the lines of comments right
above a member that begins a line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trueup.domain.yamledit.form import Form, own_pad
from trueup.domain.yamledit.nodes import Node, Part, first_of
from trueup.domain.yamledit.splices import Splices

_BLANKS = " \t"


class FlowMembers:
    """Of one flow collection."""

    def __init__(self, text: str, form: Form, node: Node, splices: Splices) -> None:
        self._text = text
        self._form = form
        self._parts = node.parts
        self._splices = splices

    def change(self, gone: Sequence[Part], added: Mapping[Part | None, Sequence[str]], pad: str | None) -> None:
        """Take members away and put others in behind the member that is named; None is before all that stay.

        With a `pad` each member has a line of its own, which begins with that white space.
        """
        kept = [part for part in self._parts if part not in gone]
        gap = f",{self._form.newline}{pad}" if pad is not None else ", "
        for part, texts in added.items():
            if part is None:
                place = self._begin(kept[0])
                self._splices.replace(place, place, "".join(text + gap for text in texts))
            elif texts and pad is None:
                self._splices.replace(part.node.end, part.node.end, "".join(gap + text for text in texts))
            elif texts:
                self._put_lines(part, texts, gap, is_last=part is kept[-1])
        floor = 0
        for part in gone:
            floor = self._remove(part, floor)
        has_more_lines = pad is not None and bool(added.get(kept[-1]))
        if gone and kept[-1] is not self._parts[-1] and not has_more_lines and self._comma(self._parts[-1]) < 0:
            comma = self._comma(kept[-1])
            self._splices.replace(comma, comma + 1, "")

    def _put_lines(self, part: Part, texts: Sequence[str], gap: str, *, is_last: bool) -> None:
        """New lines below a member's own."""
        if self._comma(part) < 0:
            self._splices.replace(part.node.end, part.node.end, ",")
        place = self._end(part)
        added = "".join(gap[1:] + text + "," for text in texts)
        ends_open = is_last and self._comma(self._parts[-1]) < 0
        self._splices.replace(place, place, added.removesuffix(",") if ends_open else added)

    def _remove(self, part: Part, floor: int) -> int:
        """Take the member away, and nothing before `floor`; where what was taken ends."""
        begin, end = self._begin(part), self._end(part)
        pad = own_pad(self._text, begin)
        follows = self._text[end : end + 1]
        if follows in ("", "\r", "\n") and pad is not None:
            # Whole lines: the break before them goes, and the one behind them stays.
            begin -= len(pad) + (2 if self._text[begin - len(pad) - 2 : begin - len(pad)] == "\r\n" else 1)
        elif follows in ("]", "}") and pad is not None and not self._is_commented(begin - len(pad) - 1):
            begin = len(self._text[:begin].rstrip())
        elif pad is None and follows in ("", "\r", "\n", "]", "}"):
            begin = len(self._text[:begin].rstrip(_BLANKS))
        self._splices.replace(max(begin, floor), end, "")
        return end

    def _comma(self, part: Part) -> int:
        """Where the comma behind a member is; less than 0 where there is none."""
        return first_of(self._text, max(part.after, part.node.end), ",")

    def _end(self, part: Part) -> int:
        """Behind its comma and behind a comment in that line; else where the next thing in its line begins."""
        place = max(part.node.end, self._comma(part) + 1)
        rest = self._text[place : self._line_end(place)]
        if not rest.strip(_BLANKS) or rest.lstrip(_BLANKS).startswith("#"):
            return place + len(rest)
        return place + len(rest) - len(rest.lstrip(_BLANKS))

    def _begin(self, part: Part) -> int:
        """Where the member, or the first of the comments right above it, begins."""
        place = part.start
        pad = own_pad(self._text, place)
        if pad is None:
            return place
        index = self._parts.index(part)
        floor = self._end(self._parts[index - 1]) if index else 0
        line = place - len(pad)
        while line > floor:
            above = self._text.rfind("\n", 0, line - 1) + 1
            words = self._text[above : line - 1].strip()
            if not words.startswith("#") or above <= floor:
                break
            line = above
            place = line + len(self._text[line:]) - len(self._text[line:].lstrip(_BLANKS))
        return place

    def _is_commented(self, line_end: int) -> bool:
        """Whether the line that ends here, between two members, ends with a comment."""
        line = self._text[self._text.rfind("\n", 0, max(0, line_end)) + 1 : line_end]
        return "#" in line

    def _line_end(self, place: int) -> int:
        end = self._text.find("\n", place)
        end = len(self._text) if end < 0 else end
        return end - 1 if end > place and self._text[end - 1] == "\r" else end
