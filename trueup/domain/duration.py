"""Durations as Kubernetes users write them, and as people read them.

Protocol: Go's `time.ParseDuration` (`1h30m`, `1.5s`, `500ms`), and a bare whole number for seconds,
as Argo CD's retry policy takes it.
"""

from __future__ import annotations

import re
from fractions import Fraction

#: Go holds a duration in 64 bits of nanoseconds.
DURATION_NANOSECONDS_MAX = 2**63 - 1
#: Longer than any duration that fits, however it is spelled by people.
DURATION_CHARS_MAX = 64

_NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "\u00b5s": 10**3,  # the micro sign
    "\u03bcs": 10**3,  # the Greek letter mu
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)")
_WHOLE = re.compile(r"[-+]?[0-9]+")


def parse_duration(text: str) -> float:
    """Seconds. Raises ValueError for what is not a duration or does not fit into Go's."""
    if len(text) > DURATION_CHARS_MAX:
        raise ValueError("too long for a duration")
    nanoseconds = Fraction(int(text) * 10**9) if _WHOLE.fullmatch(text) else _nanoseconds(text)
    if abs(nanoseconds) > DURATION_NANOSECONDS_MAX:
        raise ValueError("too large for a duration")
    return float(nanoseconds / 10**9)


def _nanoseconds(text: str) -> Fraction:
    unsigned = text[1:] if text[:1] in ("-", "+") else text
    total, end = Fraction(0), 0
    while part := _PART.match(unsigned, end):
        number, unit = part.groups()
        # Fraction takes ".5" and "1.5" but not "1.".
        total += Fraction(number.rstrip(".")) * _NANOSECONDS[unit]
        end = part.end()
    if not unsigned or end != len(unsigned):
        raise ValueError("not a duration such as 30s, 5m30s or 1h")
    return -total if text.startswith("-") else total


def spoken(seconds: float) -> str:
    """In the unit that tells most: `340 ms`, `4.2 s`, `17 min`, `3 h`, `2 d`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7_200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} d"
