"""Where known texts, be they hundreds of thousands, stand in another, in a time that follows the other's length.

Known texts are kept by the characters that they begin with, in order. In order the longest one that a text
begins with is the last one not behind that text, or one that this last one begins with itself.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile

#: By so many characters they are looked up; none is shorter.
HEAD_CHARS = 4
#: Up to so many different beginnings are looked for one after the other in a text that is not shorter than they are
#: many: that takes less time than to look up each place of it.
FEW_HEADS_MAX = 150
#: So much of the text is held against them at first, and more only where many begin with all of that.
REACH_CHARS = 64
#: So many are tried one by one, without a copy of the text: long runs of one character would take many.
FEW_LONGER_MAX = 16

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Shelf:
    """All that begin with the same few characters."""

    ordered: list[str]
    #: The longest other one that one of them begins with, where there is such a one.
    shorter: dict[str, str]

    def longest(self, text: str, start: int) -> int:
        """How many characters the longest one has that stands at this place; 0 for none."""
        reach = REACH_CHARS
        while True:
            piece = text[start : start + reach]
            after = bisect_right(self.ordered, piece)
            longer = self._next_that_begin_with(piece, after) if len(piece) == reach else []
            if len(longer) <= FEW_LONGER_MAX:
                break
            reach *= 4
        if found := [len(known) for known in longer if text.startswith(known, start)]:
            return max(found)
        known = self.ordered[after - 1] if after else ""
        while known and not text.startswith(known, start):
            known = self.shorter.get(known, "")
        return len(known)

    def _next_that_begin_with(self, piece: str, after: int) -> list[str]:
        """From this place on, and one more than are few at the most."""
        upcoming = self.ordered[after : after + FEW_LONGER_MAX + 1]
        return list(takewhile(lambda known: known.startswith(piece), upcoming))

    def begins(self, text: str, start: int, end: int) -> bool:
        """Whether one of them begins with this piece of the text."""
        reach = REACH_CHARS
        while True:
            piece = text[start : min(start + reach, end)]
            after = bisect_left(self.ordered, piece)
            if after == len(self.ordered) or not self.ordered[after].startswith(piece):
                return False
            if start + reach >= end:
                return True
            reach *= 4


class KnownForms:
    """Texts to look for, of `HEAD_CHARS` characters or more."""

    def __init__(self) -> None:
        #: Most have their beginning for themselves, and as many lists would hold up whoever collects garbage.
        self._by_head: dict[str, str | list[str]] = {}
        #: What was put in order, which is done once a text has the beginning.
        self._shelves: dict[str, _Shelf] = {}

    def add(self, forms: Iterable[str]) -> None:
        """Look for these too; for none that is too short."""
        for form in set(forms):
            if len(form) < HEAD_CHARS:
                continue
            head = form[:HEAD_CHARS]
            known = self._by_head.get(head)
            if known is None:
                self._by_head[head] = form
            elif isinstance(known, list):
                known.append(form)
            else:
                self._by_head[head] = [known, form]
            self._shelves.pop(head, None)

    def spans(self, text: str, *, cut_at: int | None = None, cut_chars_min: int = HEAD_CHARS) -> Iterator[Span]:
        """What they cover of the text: at each place where any of them stands, the longest one that does.

        With `cut_at`, also what stands before that place and is the beginning of one of them, if it has
        `cut_chars_min` characters.
        """
        places = self._places(text)
        for start in places:
            length = self._shelf(text, start).longest(text, start)
            if length:
                yield start, start + length
        if cut_at is not None:
            last = cut_at - max(cut_chars_min, HEAD_CHARS)
            candidates = (start for start in sorted(places) if start <= last)
            first = next((start for start in candidates if self._shelf(text, start).begins(text, start, cut_at)), None)
            if first is not None:
                yield first, cut_at

    def _places(self, text: str) -> list[int]:
        """Where the text has the beginning of any."""
        heads = self._by_head
        if 2 * len(heads) <= min(len(text), 2 * FEW_HEADS_MAX):
            return [start for head in heads for start in _found(text, head)]
        return [start for start in range(len(text) - HEAD_CHARS + 1) if text[start : start + HEAD_CHARS] in heads]

    def _shelf(self, text: str, start: int) -> _Shelf:
        head = text[start : start + HEAD_CHARS]
        shelf = self._shelves.get(head)
        if shelf is None:
            known = self._by_head[head]
            shelf = self._shelves[head] = _shelved(known if isinstance(known, list) else [known])
        return shelf


def _shelved(forms: Iterable[str]) -> _Shelf:
    ordered = sorted(set(forms))
    shorter: dict[str, str] = {}
    before = ""
    for form in ordered:
        # What a form begins with stands right before it, but for others that begin with that too.
        while before and not form.startswith(before):
            before = shorter.get(before, "")
        if before:
            shorter[form] = before
        before = form
    return _Shelf(ordered, shorter)


def _found(text: str, head: str) -> Iterator[int]:
    start = text.find(head)
    while start >= 0:
        yield start
        start = text.find(head, start + 1)
