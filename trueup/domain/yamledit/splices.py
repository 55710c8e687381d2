"""Replacements of stretches of a text, made together."""

from __future__ import annotations

from collections.abc import Sequence

from trueup.domain.errors import StalledError


class Splices:
    """Gathers replacements; those at one place come in the order in which they were asked for."""

    def __init__(self) -> None:
        self._found: list[tuple[int, int, str]] = []

    def replace(self, start: int, end: int, text: str) -> None:
        """Put the text in the place of what stands from `start` to before `end`."""
        self._found.append((start, end, text))

    def insert_lines(self, text: str, place: int, lines: Sequence[str], newline: str) -> None:
        """Put whole lines at a place where a line begins, or at the end of a text whose last line has no end."""
        if not lines:
            return
        added = newline.join(lines)
        is_open = place > 0 and text[place - 1] != "\n"
        self.replace(place, place, f"{newline}{added}" if is_open else f"{added}{newline}")

    def applied(self, text: str) -> str:
        """The text with all of them. Raises StalledError where two of them are about the same stretch."""
        pieces: list[str] = []
        position = 0
        # What is put in at a place comes before what is taken away from there on.
        for start, end, replacement in sorted(self._found, key=lambda splice: (splice[0], splice[1] > splice[0])):
            if start < position:
                raise StalledError("two changes meet in one place of the file; make one of them by hand")
            pieces += (text[position:start], replacement)
            position = end
        return "".join((*pieces, text[position:]))
