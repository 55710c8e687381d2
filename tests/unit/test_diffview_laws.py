"""Whatever two sides hold, every difference is shown, once, in bounds, and nothing of it is obeyed."""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.arbitrary import JSON
from tests.support.diffing import config_map, manifest
from tests.support.diffviews import CHANGES, FEW, SMALL, TEXT, WHO, Cells, of_lines, pairs, view
from trueup.domain.attribution import UNKNOWN, Attribution
from trueup.domain.diff import Change, ObjectDiff
from trueup.domain.diffview import build
from trueup.domain.diffview.build import view_of
from trueup.domain.diffview.excerpt import LINE_CHARS_MAX, LINES_MAX, VIEW_CHARS_MAX
from trueup.domain.diffview.html import html_of
from trueup.domain.diffview.markdown import DOCUMENT_CHARS_MAX, document_of, markdown_of
from trueup.domain.diffview.model import Line, ObjectView, as_json, from_json
from trueup.domain.diffview.rows import beside, rows
from trueup.domain.diffview.terminal import COLUMNS_MIN, Printed, cells, side_by_side, unified
from trueup.domain.fieldpath import Item, show
from trueup.domain.printable import printable
from trueup.domain.redact import Redactor

Sides = tuple[dict[str, Any], dict[str, Any]]
ALLOWED = {"table", "caption", "thead", "tbody", "tr", "th", "td", "code", "ins", "del", "mark", "abbr", "time"}


def text_of(pieces: Printed) -> str:
    return "".join(piece.text for piece in pieces)


@settings(max_examples=150, deadline=None)
@given(pairs())
def test_every_difference_is_shown_in_its_place(sides: Sides) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(build, "excerpt", lambda view: view)
        diff, shown = view(*sides)
    secret = diff.key.kind == "Secret"
    places = {line.path for line in shown.lines if line.differs}
    for change in diff.changes:
        path = change.path[:2] if secret and change.path[0] not in ("metadata", "type", "immutable") else change.path
        assert printable(show(path)) in places or secret, (change, shown.lines)
    told = [line for line in shown.lines if line.differs and line.attribution is not None]
    owed = [change for change in diff.changes if change.kind != "missing"]
    assert len(told) >= len(owed), "each place says who wrote it, or that nobody knows"


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(FEW, SMALL, max_size=2), CHANGES)
def test_no_difference_is_lost_wherever_it_is_said_to_be(spec: dict[str, Any], changes: list[Change]) -> None:
    body = {"apiVersion": "v1", "kind": "Wonder", "metadata": {"name": "a"}, "spec": spec}
    diff = ObjectDiff(manifest(body).key, "OutOfSync", tuple(changes))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(build, "excerpt", lambda view: view)
        shown = view_of(diff, manifest(body), body, Redactor())
    places = Counter(line.path for line in shown.lines if line.differs and line.path)
    assert set(places) == {printable(show(change.path)) for change in changes}
    assert sum(line.attribution == UNKNOWN for line in shown.lines) == sum(each.kind != "missing" for each in changes)
    assert {line.counts for line in shown.lines if line.path} == {change.counts for change in changes}


@settings(max_examples=150, deadline=None)
@given(pairs(), WHO)
def test_nothing_in_a_view_is_obeyed_by_what_shows_it(sides: Sides, who: Attribution) -> None:
    _, shown = view(*sides, who)
    pending: list[Any] = [as_json(shown)["lines"]]
    while pending:
        value = pending.pop()
        if isinstance(value, dict | list):
            pending += value.values() if isinstance(value, dict) else value
        elif isinstance(value, str):
            assert value.isprintable()


def test_a_line_of_a_file_is_no_command_and_no_fence() -> None:
    _, shown = view(config_map(k="a\n\x1b[2J\n"), config_map(k="a\n\u202e\n"))
    assert [(line.live, line.git) for line in shown.lines if line.differs] == [
        (r"\u202e", None),
        (None, r"\x1b[2J"),
    ]
    lines = markdown_of(of_lines(Line("same", 0, "````", "````"), Line("missing", 0, "x", None))).splitlines()
    assert (lines[2], lines[-1], lines.count("`````")) == ("`````diff", "`````", 1)


@settings(max_examples=150, deadline=None)
@given(pairs(), WHO, st.booleans())
def test_a_page_holds_what_the_view_holds_and_no_other_markup(sides: Sides, who: Attribution, wide: bool) -> None:
    _, shown = view(*sides, who)
    read = Cells(html_of(shown, wide))
    assert read.names <= ALLOWED
    assert read.attributes <= {"class", "scope", "colspan", "title", "data-path", "datetime"}
    assert read.open == []
    _, *body = read.rows
    if wide:
        assert len(body) == len(shown.lines) + bool(shown.lines_left_out)
        for row, line in zip(body, shown.lines, strict=False):
            if line.kind != "fold":
                pad = "  " * line.indent
                assert row == [*("" if text is None else pad + text for text in (line.live, line.git)), beside(line)]
    else:
        drawn = list(rows(shown))
        assert len(body) == len(drawn)
        for row, one in zip(body, drawn, strict=True):
            if one.sign != "…":
                assert row[1:] == ["  " * one.indent + one.text, one.beside]


@settings(max_examples=150, deadline=None)
@given(pairs(), WHO)
def test_no_value_ends_the_fence_that_it_stands_in(sides: Sides, who: Attribution) -> None:
    _, shown = view(*sides, who)
    lines = markdown_of(shown).split("\n")
    if not shown.lines:
        return
    opening = re.fullmatch(r"(`{3,})diff", lines[2])
    assert opening is not None
    ends = re.compile(rf" {{0,3}}`{{{len(opening[1])},}}\s*")
    closing = [number for number, line in enumerate(lines) if number > 2 and ends.fullmatch(line)]
    assert closing == [len(lines) - 2], "the last line before the end"
    assert all(line[:1] in ("", " ", "+", "-", "@") for line in lines[3:-2])


@settings(max_examples=150, deadline=None)
@given(pairs(), WHO, st.integers(0, 200))
def test_a_terminal_shows_it_within_its_columns_and_obeys_nothing(sides: Sides, who: Attribution, columns: int) -> None:
    _, shown = view(*sides, who)
    for pieces in (*unified(shown, columns or None), *side_by_side(shown, columns)):
        assert text_of(pieces).isprintable()
    if columns >= COLUMNS_MIN:
        title, *rest = side_by_side(shown, columns)
        for pieces in rest:
            assert cells(text_of(pieces)) <= columns, text_of(title)


@settings(max_examples=100, deadline=None)
@given(pairs(), WHO)
def test_a_view_goes_through_json_unchanged(sides: Sides, who: Attribution) -> None:
    _, shown = view(*sides, who)
    assert from_json(json.loads(json.dumps(as_json(shown)))) == shown


@settings(max_examples=100, deadline=None)
@given(JSON)
def test_what_is_no_view_is_refused_in_no_other_way(raw: Any) -> None:
    for candidate in (raw, {"status": "Synced", "lines": raw}, {"status": "Synced", "lines": [raw], "key": raw}):
        with contextlib.suppress(ValueError):
            assert isinstance(from_json(candidate), ObjectView)


@pytest.mark.parametrize(
    "line",
    [
        {"kind": "odd"},
        {"kind": "changed", "git": "ab", "live": "cd", "gitSpans": [[0, 3]]},
        {"kind": "changed", "git": "ab", "live": "cd", "liveSpans": [[2, 1]]},
        {"kind": "changed", "git": "ab", "live": "cd", "liveSpans": [["0", 1]]},
    ],
)
def test_a_line_that_no_view_has_is_refused(line: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a line of a view"):
        from_json({"status": "Synced", "lines": [line]})


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 3_000), st.integers(0, 3_000), TEXT, TEXT, st.integers(1, 200))
def test_a_large_difference_is_shortened_and_says_so(live: int, git: int, one: str, other: str, times: int) -> None:
    desired = config_map(**{f"k{n}": one * times for n in range(git)})
    diff, shown = view(desired, config_map(**{f"k{n}": other * times for n in range(live)}))
    assert len(shown.lines) <= LINES_MAX
    assert sum(len(line.git or "") + len(line.live or "") for line in shown.lines) <= VIEW_CHARS_MAX
    assert all(len(text) <= LINE_CHARS_MAX for line in shown.lines for text in (line.git or "", line.live or ""))
    if len(diff.changes) > LINES_MAX:
        assert shown.lines_left_out > 0
        assert f"{shown.lines_left_out:,} lines more" in html_of(shown, True)


def test_a_document_has_room_for_so_much_and_counts_the_rest() -> None:
    views = [view(config_map(a="x" * 300, **{str(n): "1"}), None)[1] for n in range(400)]
    text = document_of(views)
    assert len(text) <= DOCUMENT_CHARS_MAX
    more = re.search(r"… (\d+) objects more", text)
    assert more is not None
    assert text.count("```diff") + int(more[1]) == 400


def test_of_an_object_that_a_document_has_no_room_for_the_beginning_is_shown() -> None:
    sides = (config_map(**{f"k{n:03}": letter * 350 for n in range(300)}) for letter in "xy")
    one = view(*sides)[1]
    text = document_of([one, one])
    assert DOCUMENT_CHARS_MAX - 1_000 < len(text) <= DOCUMENT_CHARS_MAX
    more = re.search(r"@@ (\d+) lines more @@\n```\n\n… 1 object more\n\Z", text)
    assert more is not None
    assert text.count("\n-   k") + int(more[1]) == sum(line.differs for line in one.lines) + one.lines_left_out


@pytest.mark.parametrize("missing", [True, False])
def test_an_object_that_one_side_lacks_is_shown_whole(missing: bool) -> None:
    body = config_map(a="1", b="2")
    _, shown = view(body, None)
    if missing:
        assert {line.kind for line in shown.lines} == {"missing"}
        assert [line.git for line in shown.lines if line.indent == 0] == [
            "apiVersion: v1",
            "kind: ConfigMap",
            "metadata:",
            "data:",
        ]


def test_a_list_of_thousands_of_members_is_drawn_in_time_that_grows_with_its_length() -> None:
    names = [f"E{number}" for number in range(4_000)]
    env = [{"name": name, "value": "1"} for name in names]
    body = {"apiVersion": "v1", "kind": "Wonder", "metadata": {"name": "a"}, "spec": {"env": env}}
    changes = tuple(
        Change(("spec", "env", Item((("name", name),)), "value"), "changed", "1", "2", "", ()) for name in names
    )
    began = process_time()
    shown = view_of(ObjectDiff(manifest(body).key, "OutOfSync", changes), manifest(body), body, Redactor())
    assert process_time() - began < 15.0, "the square of 4,000 takes a minute"
    assert shown.lines_left_out > 4_000
