"""Lines are put beside each other without losing any, and in a time that grows with their number alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueup.domain.diffview.alignment import CHUNK_LINES_MAX, Pair, aligned
from trueup.domain.diffview.words import WORDS_MAX, emphasis, likeness
from trueup.domain.diffview.yamlish import Text

LINES = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["a", "b", "port: 80", "port: 81", ""])), max_size=30)


def sides(pairs: list[Pair]) -> tuple[list[Text], list[Text]]:
    return [live for live, _ in pairs if live is not None], [git for _, git in pairs if git is not None]


@settings(max_examples=300, deadline=None)
@given(LINES, LINES, st.sampled_from([0, CHUNK_LINES_MAX + 1]))
def test_each_side_is_there_whole_and_in_its_order(live: list[Text], git: list[Text], padding: int) -> None:
    one = [*live, *((0, f"l{n}") for n in range(padding)), *live]
    other = [*git, *((0, f"g{n}") for n in range(padding)), *git]
    assert sides(list(aligned(one, other))) == (one, other)


@given(LINES)
def test_what_is_alike_is_side_by_side(lines: list[Text]) -> None:
    assert list(aligned(lines, lines)) == [(line, line) for line in lines]


def test_one_line_in_a_long_file_is_found_whatever_else_moved() -> None:
    git: list[Text] = [(0, f"key{n}: {n}") for n in range(10_000)]
    live: list[Text] = [*git[:5_000], (0, "added: 1"), *git[5_000:9_000], *git[9_001:]]
    differing = [pair for pair in aligned(live, git) if pair[0] != pair[1]]
    assert differing == [((0, "added: 1"), None), (None, (0, "key9000: 9000"))]


def test_lines_that_differ_throughout_are_told_pair_by_pair() -> None:
    live: list[Text] = [(0, f"key{n}: 1") for n in range(10_000)]
    git: list[Text] = [(0, f"key{n}: 2") for n in range(10_000)]
    assert list(aligned(live, git)) == list(zip(live, git, strict=True))


@given(st.text(max_size=60), st.text(max_size=60))
def test_likeness_is_a_part_of_the_whole_and_the_same_from_either_side(one: str, other: str) -> None:
    assert 0 <= likeness(one, other) == likeness(other, one) <= 1
    assert (likeness(one, other) == 1.0) >= (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("replicas: 3", "replicas: 12"), ("image: sea:1.25", "image: sea:1.26"), ("- abcdef", "- abcdeg")],
)
def test_a_line_with_another_value_is_the_line_that_was_changed(one: str, other: str) -> None:
    assert list(aligned([(0, one)], [(0, other)])) == [((0, one), (0, other))]


def test_a_line_with_other_words_is_another_line() -> None:
    assert list(aligned([(0, "tide: low")], [(0, "mood: calm and grey")])) == [
        ((0, "tide: low"), None),
        (None, (0, "mood: calm and grey")),
    ]


def without(text: str, spans: tuple[tuple[int, int], ...]) -> str:
    for start, end in reversed(spans):
        text = text[:start] + text[end:]
    return text


@settings(deadline=None)
@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60), st.sampled_from([1, WORDS_MAX]))
def test_the_words_not_marked_are_the_same_on_both_sides(one: str, other: str, shared: str, times: int) -> None:
    live, git = shared * times + one, shared * times + other
    live_spans, git_spans = emphasis(live, git)
    for text, spans in ((live, live_spans), (git, git_spans)):
        ends = [0, *(end for span in spans for end in span), len(text)]
        assert ends == sorted(ends)
    if live_spans or git_spans:
        assert without(live, live_spans) == without(git, git_spans)


def test_a_port_is_marked_and_not_what_stands_before_it() -> None:
    assert emphasis("port: 81", "port: 80") == (((6, 8),), ((6, 8),))
    assert emphasis("quite another thing", "!!") == ((), ())
