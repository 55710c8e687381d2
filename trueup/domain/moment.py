"""A moment as people name it at a prompt, in UTC unless it says otherwise. Pure.

Only what can be read in one way is read. `yesterday` alone could be any hour of it, `14:00` any day's, and `1 month`
is of no one length: each is refused with what to write instead.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone

#: Of a longer text so much is repeated in the refusal.
MOMENT_CHARS_MAX = 64
FORMS = (
    "2026-01-31T14:00:00Z, `2026-01-31 14:00` (UTC), `yesterday 14:00`, `today 14:00`, `2h ago`, `3 days ago` or now"
)

_SECONDS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hour", "hours"), 3_600),
    **dict.fromkeys(("d", "day", "days"), 86_400),
    **dict.fromkeys(("w", "week", "weeks"), 604_800),
}
_PART = re.compile(r"(\d{1,9})\s*([a-z]+)\s*", re.ASCII)
_MOMENT = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d|today|yesterday)"
    r"(?:[t ]\s*(?P<time>\d\d?:\d\d(?::\d\d(?:\.\d{1,9})?)?)\s*(?P<zone>z|utc|[+-]\d\d:\d\d)?)?",
    re.ASCII,
)


def parse_moment(text: str, now: datetime) -> datetime:
    """The moment in UTC; `now` is aware.

    Raises ValueError, naming the forms, for anything else and for what lies ahead.
    """
    short = text[:MOMENT_CHARS_MAX]
    try:
        moment = _read(" ".join(text.split()).lower(), now)
    except (ValueError, OverflowError):
        raise ValueError(f"{short!r} is no moment that can be read in one way; write {FORMS}") from None
    if moment > now:
        raise ValueError(f"{short!r} lies ahead of now, {shown_moment(now)}")
    return moment


def shown_moment(moment: datetime) -> str:
    """RFC 3339 in UTC, to the second, as it is printed and read again."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _read(words: str, now: datetime) -> datetime:
    if words == "now":
        return now.astimezone(UTC)
    if words.endswith(" ago"):
        return (now - timedelta(seconds=_duration(words.removesuffix(" ago")))).astimezone(UTC)
    found = _MOMENT.fullmatch(words)
    if found is None:
        raise ValueError
    zone = _zone(found["zone"] or "z")
    if found["day"] in ("today", "yesterday"):
        if found["time"] is None:
            raise ValueError
        day = now.astimezone(zone).date() - timedelta(days=found["day"] == "yesterday")
    else:
        day = date.fromisoformat(found["day"])
    at = _time(found["time"]) if found["time"] else time()
    return datetime.combine(day, at, zone).astimezone(UTC)


def _duration(words: str) -> float:
    """Seconds of `1h30m`, `2 hours` or `3d 4h`; each unit once, the longest first."""
    total, end, last = 0, 0, float("inf")
    while found := _PART.match(words, end):
        seconds = _SECONDS.get(found[2], 0)
        if not 0 < seconds < last:
            raise ValueError
        total, end, last = total + int(found[1]) * seconds, found.end(), seconds
    if not words or end != len(words):
        raise ValueError
    return total


def _zone(text: str) -> timezone:
    if text in ("z", "utc"):
        return UTC
    hours, minutes = int(text[1:3]), int(text[4:6])
    if minutes > 59:
        raise ValueError
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)


def _time(text: str) -> time:
    return time.fromisoformat(text if text[1] != ":" else f"0{text}")
