"""Moments and durations at a prompt: every moment is printed in UTC, and one without an offset is read as UTC."""

from __future__ import annotations

from datetime import UTC, datetime

from trueup.domain.errors import StalledError
from trueup.domain.moment import parse_moment


def utc_now() -> datetime:
    return datetime.now(UTC)


def moment_asked(text: str, what: str) -> datetime:
    """The moment that `what`, an argument or an option, names. Raises StalledError with what to write instead."""
    try:
        return parse_moment(text, utc_now())
    except ValueError as error:
        raise StalledError(f"{what}: {error}") from None


def lasted(seconds: float) -> str:
    """Such as `0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min` or `4 d 6 h`: the two largest units."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, below_size, below in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // below_size
            return f"{whole // size} {unit}" + (f" {rest} {below}" if rest else "")
    return f"{whole} s"
