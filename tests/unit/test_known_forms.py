"""What is looked for by its beginning is found exactly where a plain search for each finds it, in less work."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trueup.domain.known_forms import FEW_HEADS_MAX, FEW_LONGER_MAX, HEAD_CHARS, REACH_CHARS, KnownForms, Span

#: Of few different characters, and with runs, so that one begins with another, holds it and overlaps it.
SHORT = st.text(alphabet="ab", max_size=12)
RUNS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 2 * REACH_CHARS)), max_size=4).map(
    lambda runs: "".join(letter * count for letter, count in runs)
)
FORMS = st.lists(SHORT | RUNS | st.text(alphabet="ab…é😀", max_size=9), max_size=12)
TEXTS = st.lists(SHORT | RUNS | st.text(alphabet="ab…é😀", max_size=30), max_size=5).map("".join)
CUT_CHARS_MIN = 6


def found_plainly(forms: Iterable[str], text: str, *, cut_at: int | None = None) -> set[int]:
    """The characters of the text that belong to any of them, each tried at each place."""
    covered: set[int] = set()
    for form in forms:
        if len(form) < HEAD_CHARS:
            continue
        start = text.find(form)
        while start >= 0:
            covered.update(range(start, start + len(form)))
            start = text.find(form, start + 1)
        if cut_at is not None:
            for start in range(cut_at - CUT_CHARS_MIN + 1):
                if form.startswith(text[start:cut_at]):
                    covered.update(range(start, cut_at))
    return covered


def covered(spans: Iterable[Span]) -> set[int]:
    return {place for start, end in spans for place in range(start, end)}


def knowing(*forms: str) -> KnownForms:
    known = KnownForms()
    known.add(forms)
    return known


@given(FORMS, TEXTS)
@example(["aaaa", "aaaab"], "aaaaab")
@example(["aaaa", "aaaaab", "aaaaaa"], "aaaaac")
@example(["a" * REACH_CHARS, "a" * REACH_CHARS + "b"], "a" * REACH_CHARS + "b")
@example(["aaaa" + "b" * 4 * REACH_CHARS], "aaaa" + "b" * 5 * REACH_CHARS)
def test_what_is_found_is_what_a_search_for_each_finds(forms, text):
    assert covered(knowing(*forms).spans(text)) == found_plainly(forms, text)


@pytest.mark.parametrize("count", [FEW_LONGER_MAX, FEW_LONGER_MAX + 1, FEW_LONGER_MAX + 2, 30 * FEW_LONGER_MAX])
def test_of_many_long_ones_that_begin_alike_the_longest_is_found(count):
    forms = ["a" * 2 * REACH_CHARS + "b" * number for number in range(count)]
    for text in (forms[-1], forms[-1] + "b", forms[-1][:-1], forms[count // 2] + "c", "c" + forms[-1] + forms[0]):
        assert covered(knowing(*forms).spans(text)) == found_plainly(forms, text)


@given(FORMS, TEXTS, st.data())
def test_what_is_cut_off_is_what_a_search_for_each_beginning_finds(forms, text, data):
    cut_at = data.draw(st.integers(0, len(text)))
    spans = knowing(*forms).spans(text, cut_at=cut_at, cut_chars_min=CUT_CHARS_MIN)
    assert covered(spans) == found_plainly(forms, text, cut_at=cut_at)


@given(RUNS.filter(lambda form: len(form) > CUT_CHARS_MIN), SHORT, st.data())
def test_a_beginning_of_any_length_is_found_before_the_cut(form, before, data):
    kept = data.draw(st.integers(CUT_CHARS_MIN, len(form)))
    text = before + form[:kept]
    spans = knowing(form).spans(text, cut_at=len(text), cut_chars_min=CUT_CHARS_MIN)
    assert set(range(len(before), len(text))) <= covered(spans)


@pytest.mark.parametrize("forms", [("known-for-long", "is known-for-long"), ("is known-for-long", "known-for-long")])
def test_of_two_beginnings_before_the_cut_the_longer_one_is_found_whichever_is_known_first(forms):
    known = KnownForms()
    for form in forms:
        known.add([form])
    text = "it is known-for-l"
    assert covered(known.spans(text, cut_at=len(text))) == set(range(3, len(text)))


def test_fewer_characters_than_are_asked_for_are_no_beginning():
    for text, found in (("a known…", set()), ("a known-…", set(range(2, 8)))):
        spans = knowing("known-for-long").spans(text, cut_at=len(text) - 1, cut_chars_min=CUT_CHARS_MIN)
        assert covered(spans) == found


@given(FORMS, FORMS, TEXTS)
@example(["aaaab"], ["aaaac"], "aaaab and aaaac")
def test_what_comes_after_a_search_is_found_too(forms, more, text):
    known = knowing(*forms)
    list(known.spans(text))
    known.add(more)
    assert covered(known.spans(text)) == found_plainly([*forms, *more], text)


@pytest.mark.parametrize("count", [FEW_HEADS_MAX - 1, FEW_HEADS_MAX, FEW_HEADS_MAX + 1, 4 * FEW_HEADS_MAX])
def test_few_and_many_are_found_alike(count):
    forms = [f"{number:04}-secret" for number in range(count)]
    text = " ".join(f"{number:04}-secret{number:04}" for number in range(count + 9))
    assert covered(knowing(*forms).spans(text)) == found_plainly(forms, text)


class Counted(str):
    """A text that counts how often it is held against another or searched."""

    __slots__ = ()
    comparisons = 0

    def __lt__(self, other: str) -> bool:
        Counted.comparisons += 1
        return str.__lt__(self, other)

    def __gt__(self, other: str) -> bool:
        Counted.comparisons += 1
        return str.__gt__(self, other)

    def find(self, *args):
        Counted.comparisons += 1
        return str.find(self, *args)

    def startswith(self, *args):
        Counted.comparisons += 1
        return str.startswith(self, *args)


@pytest.mark.parametrize("beginning", ["user", ""])
def test_a_search_is_hardly_more_work_where_a_thousand_times_as_many_are_known(beginning):
    text = Counted("user-12345 is none of them, nor is the user 5432…")
    work = []
    for count in (30, 30_000):
        known = knowing(*(Counted(f"{beginning}{number:05}") for number in range(count)))
        list(known.spans(text, cut_at=len(text) - 1))
        Counted.comparisons = 0
        list(known.spans(text, cut_at=len(text) - 1))
        work.append(Counted.comparisons)
    assert work[1] <= work[0] + 20 * len(text)
