"""Git hosts that have asked for a pause, so that nobody in this process asks them meanwhile.

A rate limit is one of the host, and of whoever presents himself there: the limit that one repository
has met would be met by the next one too, and each more request may prolong it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from trueup.domain.credentials import RepositoryCredentials
from trueup.domain.errors import TransientError
from trueup.domain.repository import redact_url, split_url

#: Pauses that are kept; over this many the one that ends first is forgotten.
PAUSES_MAX = 1_000
_Key = tuple[str, str, str, str]


class Pauses:
    """By host and login, until when nobody asks."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._until: dict[_Key, float] = {}

    def ask_for(self, url: str, credentials: RepositoryCredentials | None, seconds: float) -> None:
        """The host of `url` wants to be left alone for so long by whoever presents these credentials."""
        now, key = self._now(), _key(url, credentials)
        kept = {other: until for other, until in self._until.items() if until > now}
        kept[key] = max(now + seconds, kept.get(key, now))
        self._until = dict(sorted(kept.items(), key=lambda one: one[1])[-PAUSES_MAX:])

    def check(self, url: str, credentials: RepositoryCredentials | None) -> None:
        """Raise TransientError, with what is left of the pause, where the host must not be asked now."""
        left = self._until.get(_key(url, credentials), 0.0) - self._now()
        if left > 0:
            parts = split_url(url)
            host = f"{parts.host}:{parts.port}" if parts.port else parts.host
            raise TransientError(
                f"repository {redact_url(url)}: its host {host} limits requests and has asked for a pause, of which "
                f"{math.ceil(left)} s are left; it is asked again then, and a login of its own in a repository "
                "Secret may not be limited",
                retry_after_seconds=left,
            )


def _key(url: str, credentials: RepositoryCredentials | None) -> _Key:
    parts = split_url(url)
    return parts.scheme, parts.host, parts.port, credentials.authorization if credentials is not None else ""
