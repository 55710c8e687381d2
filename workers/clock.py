"""The clock of everything that is recorded."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


def seconds_since(text: object, now: datetime) -> float | None:
    """How long ago an RFC 3339 time was; None for what is no such time."""
    try:
        then = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return (now - then).total_seconds() if then is not None and then.tzinfo is not None else None
