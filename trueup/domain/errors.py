"""The two ways in which work can fail, and what each asks of the one who tries again.

Made once, in `clients`, from what the outside said (`raise … from e`). A message is short, names
the thing and the way out, and never carries a secret.
"""

from __future__ import annotations

MESSAGE_CHARS_MAX = 1_000


class TrueupError(Exception):
    """Something that Trueup can put a name to."""

    def __init__(self, message: str) -> None:
        super().__init__(message if len(message) <= MESSAGE_CHARS_MAX else message[: MESSAGE_CHARS_MAX - 1] + "…")


class TransientError(TrueupError):
    """Time may mend it: a remote is away, a request was throttled."""

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        #: What the other side asked for; None leaves it to the retry policy.
        self.retry_after_seconds = retry_after_seconds


class ClusterBusyError(TransientError):
    """A cluster has its share of this worker for now. Nobody is at fault, and nothing is to be said of it."""


class ClusterAwayError(TransientError):
    """A cluster other than home gives no answer, or lets us in no more: what is there is not known.

    It lasts as long as it lasts, so no try is counted.
    """


class StalledError(TrueupError):
    """Time will not mend it: it waits for changed input or for a person's request."""


class InvalidSpecError(StalledError):
    """The Application asks for something wrong, or for something not supported yet."""


class SupersededError(TrueupError):
    """Another worker, another spec or another operation has taken over; the run stops without a trace."""
