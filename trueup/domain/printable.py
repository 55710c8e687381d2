"""Text in which nothing is hidden and nothing is obeyed by what shows it."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""The text with whatever a terminal would obey, or would not show, as an escape such as `\x1b`."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
