"""Durations mean what they mean to Go."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domain.duration import DURATION_NANOSECONDS_MAX, parse_duration

NANOSECONDS = {"h": 3_600_000_000_000, "m": 60_000_000_000, "s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0), ("5", 5), ("-5", -5), ("5s", 5), ("5m30s", 330), ("1h", 3600), ("1.5h", 5400), (".5s", 0.5),
        ("1.s", 1), ("100ms", 0.1), ("1us", 1e-6), ("1\u00b5s", 1e-6), ("1\u03bcs", 1e-6), ("+1m", 60), ("-1m30s", -90),
        ("30s1h", 3630), ("0s", 0), ("3m0s", 180), ("007s", 7),
    ],
)  # fmt: skip
def test_durations_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", " ", "s", ".", ".s", "1d", "1 h", "1h ", "--1s", "1s-1s", "1e3s", "1h30", "5 minutes", "\u0663s", "\u0663",
     "1" * 5_000, "9223372037s", "-9223372037s", "\n5s", "5s\n", "0x5s", "1_000s"],
)  # fmt: skip
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=DURATION_NANOSECONDS_MAX), st.booleans())
def test_the_parts_of_a_duration_add_up(nanoseconds: int, negative: bool) -> None:
    text, rest = "-" if negative else "", nanoseconds
    for unit, size in NANOSECONDS.items():
        text += f"{rest // size}{unit}"
        rest %= size
    expected = nanoseconds / 1e9
    assert math.isclose(parse_duration(text), -expected if negative else expected, rel_tol=1e-15)


@given(st.text(alphabet="0123456789.+-hmsnu\u00b5 ", max_size=12) | st.text())
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert math.isfinite(parse_duration(text))
