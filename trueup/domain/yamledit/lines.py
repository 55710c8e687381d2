"""Which lines of a block collection belong to which of its members."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trueup.domain.yamledit.form import Written, column, own_pad
from trueup.domain.yamledit.nodes import Node, Part, properties_end
from trueup.domain.yamledit.splices import Splices


class Lines:
    """Of one block collection. Above `floor`, a place in the line that it hangs on, nothing belongs to it."""

    def __init__(self, text: str, node: Node, *, floor: int) -> None:
        self._text = text
        self._parts = node.parts
        self._floor = floor

    def end(self, part: Part) -> int:
        """Where the line after the member begins: after the comments, too, that stand further in than it does."""
        place = self.after_line(max(part.after, part.node.end))
        margin = column(self._text, part.start)
        while (comment := self._comment_at(place)) is not None and comment > margin:
            place = self._next_line(place)
        return place

    def begin(self, part: Part) -> int:
        """Where the member's lines begin, with the comments right above it; its own place where it begins none."""
        if own_pad(self._text, part.start) is None:
            return part.start
        index = self._parts.index(part)
        floor = self.after_line(self._parts[index - 1].node.end if index else self._floor)
        if not index and not self._floor:
            floor = 0
        margin = column(self._text, part.start)
        place = part.start - margin
        while place > floor:
            above = self._text.rfind("\n", 0, place - 1) + 1
            if self._comment_at(above) != margin:
                break
            place = above
        return place

    def own(self, part: Part) -> list[str]:
        """The member's lines with its comments; none where it shares its first line."""
        if own_pad(self._text, part.start) is None:
            return []
        text = self._text[self.begin(part) : self.end(part)]
        return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]

    def before(self, part: Part, lines: Sequence[str], newline: str) -> tuple[int, str]:
        """Where, and as what text, lines go in that are to stand before the member."""
        if own_pad(self._text, self._parts[0].start) is not None:
            return self.begin(part), "".join(line + newline for line in lines)
        place = self._parts[0].start
        margin = column(self._text, place)
        return place, newline.join(lines)[margin:] + newline + " " * margin

    def removed(self, gone: Sequence[Part]) -> Iterator[tuple[int, int]]:
        """The stretches to take away; one member at least stays."""
        kept = [part for part in self._parts if part not in gone]
        shared = own_pad(self._text, self._parts[0].start) is None
        for part in gone:
            if shared and part.start < kept[0].start:
                continue
            begin, end = self.begin(part), self.end(part)
            if end == len(self._text) and not self._text.endswith("\n"):
                yield begin - (2 if self._text[begin - 2 : begin] == "\r\n" else 1), end
            else:
                yield begin, self._with_gap(begin, end)
        if shared and self._parts[0] in gone:
            # The member that stays first takes the place in the line that all of them hang on.
            begin = self.begin(kept[0])
            yield self._parts[0].start, begin + len(self._text[begin:]) - len(self._text[begin:].lstrip(" "))

    def _with_gap(self, begin: int, end: int) -> int:
        """One of two empty lines goes where the member stood between them."""
        above = self._text[self._text.rfind("\n", 0, max(0, begin - 1)) + 1 : begin]
        after = self._next_line(end)
        is_gap = (not above.strip() if begin else True) and end < after and not self._text[end:after].strip()
        return after if is_gap else end

    def replace(self, splices: Splices, node: Node, after: int, written: Written, kept: str, newline: str) -> None:
        """Put another value behind the colon or the dash at `after`. A comment in that line stays."""
        inline = kept + written.inline
        line_end = self.line_end(after)
        if node.style != "block":
            start, end = (node.start, node.end) if node.end > node.start else (after, after)
            if node.style in ("literal", "folded"):
                end = self.line_end(end)
            if not written.lines and start > after:
                # The blanks before the value stay as they are.
                splices.replace(start, end, inline.lstrip(" "))
            else:
                splices.replace(after, end, inline)
            place = self._next_line(end)
        elif node.parts[0].start <= line_end:
            end = self.line_end(node.end)
            splices.replace(after, end, inline)
            place = self._next_line(end)
        else:
            # An anchor or a tag in that line goes, or stands in `kept`.
            properties = properties_end(self._text, node) if node.start < line_end else after
            splices.replace(after, properties, inline)
            end = self.line_end(node.end)
            splices.replace(line_end, end, "")
            place = self._next_line(end)
        splices.insert_lines(self._text, place, written.lines, newline)

    def line_end(self, place: int) -> int:
        """Where the line of this place ends, its line break not included."""
        if place and self._text[place - 1] == "\n":
            # A block scalar that keeps its empty lines ends where the next line begins.
            place -= 1
        end = self._text.find("\n", place)
        end = len(self._text) if end < 0 else end
        return end - 1 if end > place and self._text[end - 1] == "\r" else end

    def after_line(self, place: int) -> int:
        """Where the next line begins; the place itself where one begins there."""
        return place if place and self._text[place - 1] == "\n" else self._next_line(place)

    def _next_line(self, place: int) -> int:
        end = self._text.find("\n", place)
        return len(self._text) if end < 0 else end + 1

    def _comment_at(self, place: int) -> int | None:
        """In which column the line that begins here has a comment and nothing else; None where it has none."""
        end = self._text.find("\n", place)
        line = self._text[place : len(self._text) if end < 0 else end]
        start = len(line) - len(line.lstrip(" "))
        return start if line[start : start + 1] == "#" else None
