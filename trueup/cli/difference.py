"""A difference as people read it at a terminal: `-` is live, `+` is what Git says."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.text import Text

from trueup.cli.printing import structured
from trueup.domain.diffview.markdown import document_of
from trueup.domain.diffview.model import ObjectView, ViewStatus, as_json
from trueup.domain.diffview.terminal import Printed, side_by_side, unified
from trueup.domain.resource import ResourceKey

Color = Literal["always", "never", "auto"]

#: Terminals as wide as this show both sides beside each other unless they are told otherwise.
SIDE_BY_SIDE_COLUMNS_MIN = 140

_STYLES = {
    "title": "bold",
    "same": "",
    "live": "red",
    "git": "green",
    "live-word": "bold red reverse",
    "git-word": "bold green reverse",
    "beside": "cyan",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """What differences look like."""

    output: Literal["text", "markdown", "json"] = "text"
    #: Live and Git beside each other, or one below the other; None is beside each other where the terminal is wide.
    side_by_side: bool | None = None


#: As is found fitting.
FITTING = Layout()


def console_for(color: Color = "auto") -> Console:
    """Where differences are printed. `auto` is colour at a terminal, unless NO_COLOR is set (https://no-color.org)."""
    if color == "always":
        return Console(soft_wrap=True, highlight=False, force_terminal=True, color_system="standard", no_color=False)
    if color == "never" or os.environ.get("NO_COLOR"):
        return Console(soft_wrap=True, highlight=False, color_system=None)
    return Console(soft_wrap=True, highlight=False)


def print_object(key: ResourceKey, status: ViewStatus, console: Console) -> None:
    """The line above what there is to say of an object."""
    _print_lines(unified(ObjectView(key, status, ())), console)


def print_views(
    views: Iterable[ObjectView],
    console: Console,
    layout: Layout,
    *,
    below: Callable[[ResourceKey], None] | None = None,
) -> None:
    """Print what differs of each object; nothing where there is none. `below` is told when one is printed as text."""
    if layout.output == "markdown":
        print(document_of(views), end="")
    elif layout.output == "json":
        print(structured([as_json(view) for view in views], "json"))
    else:
        _print_text(views, console, layout.side_by_side, below)


def _print_text(
    views: Iterable[ObjectView], console: Console, beside: bool | None, below: Callable[[ResourceKey], None] | None
) -> None:
    columns = console.width if console.is_terminal else None
    wide = columns is not None and columns >= SIDE_BY_SIDE_COLUMNS_MIN if beside is None else beside
    for number, view in enumerate(views):
        if number:
            console.print()
        _print_lines(side_by_side(view, console.width) if wide else unified(view, columns), console)
        if below is not None:
            below(view.key)


def _print_lines(lines: Iterable[Printed], console: Console) -> None:
    for pieces in lines:
        console.print(assembled(pieces))


def assembled(pieces: Printed) -> Text:
    """A line in its colours."""
    return Text.assemble(*((piece.text, _STYLES[piece.style]) for piece in pieces))
