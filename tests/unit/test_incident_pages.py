"""Pages of incidents: together they are all there is, each once, and no token ends in anything but an answer."""

from __future__ import annotations

import base64
import string
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from service.incident_answers import place_in, token_of
from service.incident_api import page_of
from service.incidents import order_of
from tests.support.records import drifted
from trueup.domain.incident import Incident
from trueup.domain.incident_choice import Choice

T0 = datetime(2026, 1, 31, 14, tzinfo=UTC)
NAMES = st.text(string.ascii_lowercase + string.digits + "-.", min_size=1, max_size=20)
PLACES = st.tuples(st.integers(-(10**9), 10**9).map(lambda n: T0 + timedelta(microseconds=n)), NAMES)


def on_record(places: list[tuple[datetime, str]]) -> list[Incident]:
    """Newest first, each name once."""
    found = {name: replace(drifted("shop", opened_at), name=name) for opened_at, name in places}
    return sorted(found.values(), key=order_of, reverse=True)


@given(st.lists(PLACES, max_size=12), st.integers(1, 5))
def test_pages_together_are_every_incident_once_in_order(places: list[tuple[datetime, str]], limit: int) -> None:
    incidents = on_record(places)
    seen: list[Incident] = []
    after = None
    while True:
        page = page_of(incidents, Choice(), limit, after)
        seen += page[:limit]
        if len(page) <= limit:
            break
        after = place_in(token_of(order_of(page[limit - 1])))
        assert after is not None
    assert seen == incidents


@given(st.lists(PLACES, min_size=1, max_size=12), PLACES)
def test_an_incident_that_opens_meanwhile_moves_no_page(
    places: list[tuple[datetime, str]], new: tuple[datetime, str]
) -> None:
    incidents = on_record(places)
    at = order_of(incidents[0])
    rest = page_of(incidents, Choice(), 100, at)
    more = page_of(on_record([*places, (T0 + timedelta(days=1), f"zz{new[1]}")]), Choice(), 100, at)
    assert more == rest


@given(PLACES)
def test_a_token_is_read_as_it_was_written(place: tuple[datetime, str]) -> None:
    token = token_of(place)
    assert place_in(token) == place
    assert set(token) <= set(string.ascii_letters + string.digits + "-_"), "as it stands it may be part of a URL"


tokens = st.binary(max_size=40).map(lambda raw: base64.urlsafe_b64encode(raw).decode())


@example(base64.urlsafe_b64encode(b"0001-01-01T00:00:00+14:00/x").decode())
@example(base64.urlsafe_b64encode(b"2026-01-31T14:00:00/x").decode())
@given(st.text(max_size=60) | tokens)
def test_whatever_is_sent_as_a_token_is_a_place_or_none(token: str) -> None:
    place = place_in(token)
    assert place is None or (place[0].tzinfo is not None and place[1])
