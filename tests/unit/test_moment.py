"""Moments as people name them: read in one way, or refused with what to write instead."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domain.moment import FORMS, parse_moment, shown_moment

NOW = datetime(2026, 3, 1, 9, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", "2026-03-01T09:30:15Z"),
        ("2026-01-31T14:00:00Z", "2026-01-31T14:00:00Z"),
        ("2026-01-31t14:00:00z", "2026-01-31T14:00:00Z"),
        ("2026-01-31T14:00:00.250Z", "2026-01-31T14:00:00Z"),
        ("2026-01-31T14:00+02:00", "2026-01-31T12:00:00Z"),
        ("2026-01-31T14:00:00-05:30", "2026-01-31T19:30:00Z"),
        ("2026-01-31 14:00", "2026-01-31T14:00:00Z"),
        ("2026-01-31 14:00 UTC", "2026-01-31T14:00:00Z"),
        ("  2026-01-31   9:05 ", "2026-01-31T09:05:00Z"),
        ("2026-01-31", "2026-01-31T00:00:00Z"),
        ("yesterday 14:00", "2026-02-28T14:00:00Z"),
        ("Yesterday 23:59:59", "2026-02-28T23:59:59Z"),
        ("today 09:30", "2026-03-01T09:30:00Z"),
        ("yesterday 23:00-10:00", "2026-02-28T09:00:00Z"),
        ("2h ago", "2026-03-01T07:30:15Z"),
        ("1h30m ago", "2026-03-01T08:00:15Z"),
        ("90 minutes ago", "2026-03-01T08:00:15Z"),
        ("1 day 2 hours ago", "2026-02-28T07:30:15Z"),
        ("2w ago", "2026-02-15T09:30:15Z"),
    ],
)
def test_what_can_be_read_in_one_way_is_read(text: str, expected: str) -> None:
    assert shown_moment(parse_moment(text, NOW)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "today",
        "14:00",
        "last friday",
        "01/02/2026",
        "1 month ago",
        "2h",
        "ago",
        "-2h ago",
        "2m1h ago",
        "1h1h ago",
        "2026-02-30",
        "2026-01-31 24:00",
        "2026-01-31 14",
        "2026-01-31T14:00:00+99:00",
        "2026-01-31T14:00:00+01:99",
        "2026-01-31T14:00+0100",
        "20260131",
        "1700000000",
        "\u0662h ago",
        "999999999w ago",
        "x" * 1000,
    ],
)
def test_what_cannot_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(ValueError, match="can be read in one way") as refused:
        parse_moment(text, NOW)
    assert FORMS in str(refused.value)
    assert len(str(refused.value)) < 400


def test_what_lies_ahead_is_refused() -> None:
    with pytest.raises(ValueError, match="lies ahead of now, 2026-03-01T09:30:15Z"):
        parse_moment("today 09:31", NOW)


moments = st.timedeltas(timedelta(0), timedelta(days=9_000)).map(lambda before: NOW - before)
offsets = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(moments, offsets)
def test_a_moment_of_any_zone_is_read_as_it_was_written(moment: datetime, zone: timezone) -> None:
    aware = moment.astimezone(zone)
    assert parse_moment(aware.isoformat(), NOW) == aware
    assert parse_moment(aware.isoformat(sep=" "), NOW) == aware


@given(moments)
def test_what_is_printed_is_read_again(moment: datetime) -> None:
    second = moment.replace(microsecond=0)
    assert parse_moment(shown_moment(second), NOW) == second


@given(st.text(alphabet=string.ascii_lowercase + string.digits + " :-+.", max_size=30) | st.text(max_size=80))
def test_whatever_is_written_is_a_moment_of_the_past_or_a_sentence(text: str) -> None:
    try:
        moment = parse_moment(text, NOW)
    except ValueError as error:
        assert str(error)  # noqa: PT017 -- either way out is right, and a sentence is owed
    else:
        assert moment <= NOW
        assert moment.utcoffset() == timedelta(0)
