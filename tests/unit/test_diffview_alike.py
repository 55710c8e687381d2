"""Two lines that look the same are never left unexplained, and letters take the room that they take."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.support.diffing import config_map
from tests.support.diffviews import view
from trueup.domain.diffview.record import view_of_record
from trueup.domain.diffview.terminal import cells, side_by_side
from trueup.domain.incident import DriftedObject, Field
from trueup.domain.printable import printable
from trueup.domain.resource import ResourceKey

ALIKE = [
    ("cafe\u0301", "caf\u00e9", "looks alike: U+0065 U+0301 against U+00E9"),
    ("x\ufe0f", "x", "looks alike: U+FE0F against nothing"),
    ("a b", "a\u2800 b", "looks alike: nothing against U+2800"),
    ("p\u0430yp\u0430l", "paypal", "looks alike: U+0430 against U+0061"),
    ("\u0410\u0412\u0415\u041a", "ABEK", "looks alike: U+0410 U+0412 U+0415 … against U+0041 U+0042 U+0045 …"),
]


@pytest.mark.parametrize(("live", "git", "note"), ALIKE)
def test_what_looks_the_same_is_said_to_and_how_it_differs(live: str, git: str, note: str) -> None:
    _, shown = view(config_map(k=git), config_map(k=live))
    assert [line.note for line in shown.lines if line.differs] == [note]


@pytest.mark.parametrize(("live", "git"), [("é", "è"), ("日本", "日木"), ("ab", "ac"), ("é", "e")])
def test_what_people_see_is_not_explained(live: str, git: str) -> None:
    _, shown = view(config_map(k=git), config_map(k=live))
    assert [line.note for line in shown.lines if line.differs] == [""]


WIDTHS = [
    ("abc", 3),
    ("日本", 4),
    ("🚢", 2),
    ("e\u0301", 1),
    ("x\ufe0f", 1),
    ("\u0915\u094d\u0937", 2),
    ("\u1112\u1161\u11ab", 2),
]


@pytest.mark.parametrize(("text", "columns"), WIDTHS)
def test_marks_take_no_column_of_their_own(text: str, columns: int) -> None:
    assert cells(text) == columns
    _, shown = view(config_map(k="z", m="n"), config_map(k=text, m="o"))
    lines = ["".join(piece.text for piece in pieces) for pieces in side_by_side(shown, 80)]
    assert len({cells(line[: line.index(" | ")]) for line in lines if " | " in line}) == 1, "the columns stay straight"


PIECES = st.sampled_from(["a", "\n", "\\", "\t", "\\t", "\x1b", "\\x1b", "\u202e", "\\u202e"])
TEXTS = st.lists(PIECES, min_size=3, max_size=6).map("".join)


@settings(max_examples=400, deadline=None)
@given(TEXTS | TEXTS.map(lambda text: f"a\n{text}"), st.booleans(), TEXTS)
def test_an_escape_and_the_characters_that_spell_it_never_look_the_same(live: str, same: bool, other: str) -> None:
    git = "\n".join(map(printable, live.split("\n"))) if same else other
    assume(live != git)
    _, shown = view(config_map(k=git), config_map(k=live))
    sides = [[line.live for line in shown.lines], [line.git for line in shown.lines]]
    assert sides[0] != sides[1]
    assert not any("masked" in line.note for line in shown.lines)
    item = DriftedObject(ResourceKey("", "ConfigMap", "n", "a"), "OutOfSync", (field(live, git),))
    recorded = [line for line in view_of_record(item).lines if line.differs]
    assert any(line.live != line.git for line in recorded)


def field(live: str, git: str) -> Field:
    return Field("data.k", "changed", json.dumps(git), json.dumps(live))


def test_only_what_would_look_the_same_is_spelled_in_another_way() -> None:
    live, git = "q\nkeep \\n\na\tb\n", "q\nkeep \\n\na\\tb\n"
    _, shown = view(config_map(k=git), config_map(k=live))
    assert ("a\\tb", "a\\\\tb") in [(line.live, line.git) for line in shown.lines]
    assert "keep \\n" in [line.git for line in shown.lines]
