"""What was told, by number: enough to say whether something has passed that concerns whoever comes late.

A page is made before its stream begins, and a stream breaks. What happened in between must not be lost, and what
does not concern a page must not have it fetched anew: on a large installation something changes all the time.
"""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from collections.abc import Iterable

#: Topics of which the last change is known; whoever comes from before that is told to look anew.
REMEMBERED_MAX = 10_000
#: More digits than a process ever counts to, and few enough for `int`.
DIGITS_MAX = 18


class Past:
    """When each topic was told of last. In doubt something has passed."""

    def __init__(self, *, remembered_max: int = REMEMBERED_MAX) -> None:
        self._remembered_max = remembered_max
        #: Names this process: after a restart nobody knows what was told before.
        self._run = secrets.token_hex(4)
        self._position = re.compile(rf"{self._run}-(0|[1-9][0-9]{{0,{DIGITS_MAX - 1}}})")
        self._number = 0
        #: The one that was told of the longest ago comes first.
        self._last: OrderedDict[str, int] = OrderedDict()
        self._forgotten = 0

    @property
    def position(self) -> str:
        """Where the telling stands; the id of an event."""
        return f"{self._run}-{self._number}"

    def note(self, topics: Iterable[str]) -> None:
        """These are told of now."""
        self._number += 1
        for topic in topics:
            self._last[topic] = self._number
            self._last.move_to_end(topic)
        while len(self._last) > self._remembered_max:
            _, self._forgotten = self._last.popitem(last=False)

    def may_have_passed(self, position: str, topics: Iterable[str]) -> bool:
        """Whether one of the topics was told of after this position, which somebody sent and may be anything."""
        match = self._position.fullmatch(position)
        if match is None:
            return True
        number = int(match[1])
        if not self._forgotten <= number <= self._number:
            return True
        return any(self._last.get(topic, 0) > number for topic in topics)
