"""A view survives its way through Redis, and what is no view is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domain.application_view import (
    DEPLOYMENTS_MAX,
    ApplicationView,
    Deployment,
    deployments_of,
    view_as_json,
    view_from_json,
)
from trueup.domain.attribution import Attribution, Person
from trueup.domain.diffview.model import Line, ObjectView
from trueup.domain.resource import ResourceKey
from workers.view import fitting

NOW = datetime(2026, 3, 1, 14, 5, 9, 120_000, tzinfo=UTC)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
COUNTS = st.integers(0, 10**6)


@st.composite
def views(draw: st.DrawFn) -> ApplicationView:
    by = Attribution(draw(TEXTS), "Update", "", draw(TEXTS), Person(draw(TEXTS) or "alice", (draw(TEXTS),)))
    lines = st.builds(
        Line, st.sampled_from(["same", "changed"]), COUNTS, TEXTS, TEXTS, TEXTS, st.sampled_from([None, by]), TEXTS
    )
    objects = st.builds(
        ObjectView,
        st.builds(ResourceKey, TEXTS, TEXTS, TEXTS, TEXTS),
        st.sampled_from(["OutOfSync", "Missing", "Unwanted"]),
        st.lists(lines, max_size=3).map(tuple),
        COUNTS,
    )
    return ApplicationView(
        draw(st.one_of(st.none(), st.frozensets(TEXTS, max_size=3))),
        draw(TEXTS),
        NOW,
        tuple(draw(st.lists(objects, max_size=3))),
        draw(COUNTS),
        tuple(draw(st.lists(st.builds(Deployment, COUNTS, TEXTS, TEXTS, TEXTS), max_size=3))),
        draw(TEXTS),
    )


@given(views())
def test_what_is_written_is_what_is_read(view: ApplicationView) -> None:
    assert view_from_json(orjson.loads(orjson.dumps(view_as_json(view)))) == view


@pytest.mark.parametrize("text", ["[]", "{}", '"x"', "7", '{"answers": 7}', '{"answers": [], "lookedAt": "soon"}'])
def test_what_is_no_view_is_refused(text: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        view_from_json(orjson.loads(text))


def test_a_look_is_answered_by_a_view_that_names_it_or_all() -> None:
    assert ApplicationView(None, "", NOW).answers_look("a")
    assert ApplicationView(frozenset({"a"}), "", NOW).answers_look("a")
    assert not ApplicationView(frozenset({"b"}), "", NOW).answers_look("a")


@pytest.mark.parametrize("bytes_max", [1, 2_000, 20_000, 10**6])
async def test_an_answer_has_room_for_what_it_may_weigh_and_counts_the_rest(bytes_max: int) -> None:
    line = Line("changed", 1, "g" * 100, "l" * 100)
    objects = tuple(
        ObjectView(ResourceKey("", "ConfigMap", "shop", f"one-{number}"), "OutOfSync", (line,) * 10)
        for number in range(20)
    )
    text = await fitting(ApplicationView(None, "c" * 40, NOW, objects, 3), bytes_max)
    read = view_from_json(orjson.loads(text))
    assert len(read.objects) + read.objects_left_out == 23
    assert len(text) <= bytes_max or not read.objects
    if bytes_max == 10**6:
        assert read.objects == objects


def test_the_latest_deployments_come_first_and_say_who() -> None:
    history = [
        {"id": number, "revision": str(number), "deployedAt": "2026-03-01T00:00:00Z", "initiatedBy": by}
        for number, by in enumerate([{"username": "alice"}, {"automated": True}, {}] * 20)
    ]
    found = deployments_of({"history": history})
    assert [one.id for one in found] == list(range(59, 59 - DEPLOYMENTS_MAX, -1))
    assert [one.initiated_by for one in found[:3]] == ["", "automated", "alice"]
    assert deployments_of({"history": "rubbish"}) == ()
    assert deployments_of({"history": [7, {"id": "x", "initiatedBy": 3}]})[0].id == 0
