"""`python -m benchmarks.profiler DIR HALF`: one half of the product under a profiler that is off at first.

SIGUSR1 turns it on and makes `DIR/HALF.on`; the next one turns it off and writes `DIR/HALF.prof`.
"""

from __future__ import annotations

import cProfile
import signal
import sys
import time
from pathlib import Path

from trueup.cli.main import main


class Switch:
    """Turns the profiler on and off."""

    def __init__(self, directory: Path, half: str) -> None:
        # CPU of this thread: what other processes take, and waiting, are not ours.
        self._profile = cProfile.Profile(time.thread_time)
        self._on = directory / f"{half}.on"
        self._written = directory / f"{half}.prof"

    def __call__(self, *_: object) -> None:
        """The handler of the signal."""
        if self._on.exists():
            self._profile.disable()
            self._on.unlink()
            part = self._written.with_suffix(".part")
            self._profile.dump_stats(part)
            part.rename(self._written)
        else:
            self._on.touch()
            self._profile.clear()
            self._profile.enable()


if __name__ == "__main__":
    directory, half = sys.argv[1:]
    signal.signal(signal.SIGUSR1, Switch(Path(directory), half))
    sys.argv = ["trueup", half]
    main()
