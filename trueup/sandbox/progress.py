"""Says what takes long while it does: one live line on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from time import monotonic
from typing import Self

Say = Callable[[str], None]

LIVE_LINE_SECONDS = 0.2
PLAIN_LINE_SECONDS = 15.0


def say_on_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


class LongStep:
    """The display of one step that lasts minutes; `title` says what it is.

    On a terminal the line is rewritten in place on standard error; elsewhere
    `say` gets a whole line every `PLAIN_LINE_SECONDS`. Use as a context manager.
    """

    def __init__(self, title: str, say: Say) -> None:
        self._title = title
        self._say = say
        self._live = sys.stderr.isatty()
        self._started = monotonic()
        self._shown = self._started

    def __enter__(self) -> Self:
        self._say(self._title)
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    @property
    def elapsed_seconds(self) -> float:
        return monotonic() - self._started

    def update(self, detail: str) -> None:
        """Show `detail`, unless something was shown a moment ago."""
        now = monotonic()
        if now - self._shown < (LIVE_LINE_SECONDS if self._live else PLAIN_LINE_SECONDS):
            return
        self._shown = now
        minutes, seconds = divmod(int(self.elapsed_seconds), 60)
        line = f"  {minutes}:{seconds:02d}  {detail}"
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\r\x1b[K{line[:width]}")
            sys.stderr.flush()
        else:
            self._say(line)
