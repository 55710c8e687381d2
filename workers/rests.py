"""For how long a repository is left alone after a look that found nothing new.

Hosts announce one push by several hooks, and whoever floods the receiver announces nothing at all. A look that found
a ref moved is followed by the next at once; each that did not, in a row, doubles the rest.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

#: Repositories whose last rest is remembered; the oldest are forgotten first.
REPOSITORIES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class _Rest:
    seconds: float
    began_at: float


class Rests:
    """The rests of the repositories that this process has looked at in vain."""

    def __init__(self, *, seconds_min: float, seconds_max: float) -> None:
        self._min = seconds_min
        self._max = seconds_max
        self._rests: OrderedDict[str, _Rest] = OrderedDict()

    def after_look(self, repository: str, now: float, *, moved: bool) -> float:
        """For how many seconds pushes and sweeps of the repository are to wait from now on.

        It is the shortest again where nobody asked for twice as long as the last rest.
        """
        last = self._rests.pop(repository, None)
        if moved:
            return 0.0
        is_in_a_row = last is not None and now - last.began_at <= 3 * last.seconds
        seconds = min(self._max, 2 * last.seconds) if last is not None and is_in_a_row else self._min
        self._rests[repository] = _Rest(seconds, now)
        while len(self._rests) > REPOSITORIES_MAX:
            self._rests.popitem(last=False)
        return seconds
