"""Log lines that outsiders or outages can cause at any rate."""

from __future__ import annotations

from time import monotonic

import structlog

SECONDS_BETWEEN_LINES = 10.0


class QuietLog:
    """Lets one line in `SECONDS_BETWEEN_LINES` through, and says with the next how many it kept back."""

    def __init__(self, name: str) -> None:
        self._log = structlog.get_logger(name)
        self._next_at = 0.0
        self._kept_back = 0

    def warning(self, event: str, **fields: str) -> None:
        if monotonic() < self._next_at:
            self._kept_back += 1
            return
        self._log.warning(event, kept_back=self._kept_back, **fields)
        self._next_at = monotonic() + SECONDS_BETWEEN_LINES
        self._kept_back = 0
