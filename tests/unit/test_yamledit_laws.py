"""Laws of a change to a file: it says exactly what it should, and everything that it is not about stays as it was."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.support.yaml_texts import leaves, names, values, written
from trueup.domain.errors import StalledError
from trueup.domain.normalize import same_json
from trueup.domain.yamledit.documents import NotEditableError, documents_of, with_document, without_document

FILE = "app/all.yaml"
LAWS = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict | list):
        for name, below in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(below, (*path, name))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def read(text: str) -> Any:
    try:
        return documents_of(FILE, text.encode())
    except StalledError:
        return None


def say(text: str, value: Any) -> None:
    """The drawn text says what it should; what the drawing itself got wrong is no matter here."""
    assume(same_json(read(text), {1: value}))


@LAWS
@given(written(), st.data())
def test_a_value_set_leaves_every_comment(drawn: tuple[str, Any, list[str]], data: st.DataObject) -> None:
    text, value, comments = drawn
    say(text, value)
    spots = [path for path in places(value) if path and not isinstance(at(value, path), dict | list)]
    assume(spots)
    path = data.draw(st.sampled_from(spots))
    new = copy.deepcopy(value)
    at(new, path[:-1])[path[-1]] = data.draw(leaves)
    edited = with_document(FILE, text.encode(), 1, new).decode()
    assert same_json(documents_of(FILE, edited.encode())[1], new)
    is_text_block = isinstance(at(value, path), str) and "\n" in at(value, path)
    for comment in comments:
        # The comment in the header of a block scalar is the one that may go with it.
        assert comment in edited or is_text_block, comment


@LAWS
@given(written(), st.data())
def test_a_key_added_leaves_every_line(drawn: tuple[str, Any, list[str]], data: st.DataObject) -> None:
    text, value, _ = drawn
    say(text, value)
    path = data.draw(st.sampled_from([path for path in places(value) if isinstance(at(value, path), dict)]))
    name = data.draw(names)
    assume(name not in at(value, path))
    new = copy.deepcopy(value)
    at(new, path)[name] = data.draw(values())
    edited = with_document(FILE, text.encode(), 1, new).decode()
    assert same_json(documents_of(FILE, edited.encode())[1], new)
    assert_lines_stay(text, edited, changed=1)


@LAWS
@given(written(), st.data())
def test_an_item_added_leaves_every_line(drawn: tuple[str, Any, list[str]], data: st.DataObject) -> None:
    text, value, _ = drawn
    say(text, value)
    spots = [path for path in places(value) if isinstance(at(value, path), list)]
    assume(spots)
    path = data.draw(st.sampled_from(spots))
    new = copy.deepcopy(value)
    at(new, path).insert(data.draw(st.integers(0, len(at(value, path)))), data.draw(values()))
    edited = with_document(FILE, text.encode(), 1, new).decode()
    assert same_json(documents_of(FILE, edited.encode())[1], new)
    assert_lines_stay(text, edited, changed=1)


@LAWS
@given(written(), st.data())
def test_what_is_taken_away_takes_nothing_else_along(drawn: tuple[str, Any, list[str]], data: st.DataObject) -> None:
    text, value, _ = drawn
    say(text, value)
    spots = [path for path in places(value) if path and len(at(value, path[:-1])) > 1]
    assume(spots)
    path = data.draw(st.sampled_from(spots))
    new = copy.deepcopy(value)
    del at(new, path[:-1])[path[-1]]
    edited = with_document(FILE, text.encode(), 1, new).decode()
    assert same_json(documents_of(FILE, edited.encode())[1], new)
    assert_lines_stay(edited, text, changed=1)


@LAWS
@given(written(), written(), written(), values())
def test_other_documents_stay_byte_for_byte(
    one: tuple[str, Any, list[str]], two: tuple[str, Any, list[str]], three: tuple[str, Any, list[str]], other: Any
) -> None:
    texts = [text if text.endswith("\n") else f"{text}\n" for text, _, _ in (one, two, three)]
    assume(not any("\n---" in f"\n{text}" for text in texts))
    whole = "---\n".join(texts)
    assume(same_json(read(whole), {1: one[1], 2: two[1], 3: three[1]}))
    edited = with_document(FILE, whole.encode(), 2, {**two[1], "added": other}).decode()
    assert edited.startswith(f"{texts[0]}---\n")
    assert edited.endswith(f"---\n{texts[2]}")
    assert without_document(FILE, whole.encode(), 2) == f"{texts[0]}---\n{texts[2]}".encode()


@LAWS
@given(written(), st.data())
def test_whatever_is_asked_comes_out_exactly_or_is_refused(
    drawn: tuple[str, Any, list[str]], data: st.DataObject
) -> None:
    text, value, _ = drawn
    say(text, value)
    new = data.draw(st.dictionaries(names, values(), min_size=1, max_size=4))
    edited = with_document(FILE, text.encode(), 1, {**value, **new, "more": 1})
    assert same_json(documents_of(FILE, edited), {1: {**value, **new, "more": 1}})


@LAWS
@given(st.text(alphabet=" \n\t-:#'\"{}[],&*!|>ab<?%\r", max_size=60), values())
def test_no_text_at_all_breaks_it(text: str, other: Any) -> None:
    content = text.encode()
    try:
        before = documents_of(FILE, content)
    except StalledError:
        return
    for number, value in before.items():
        new = {**value, "added": other} if isinstance(value, dict) else other
        try:
            edited = with_document(FILE, content, number, new)
        except NotEditableError:
            continue
        assert same_json(documents_of(FILE, edited), {**before, number: new} if new is not None else before) or (
            new is None
        )


@pytest.mark.parametrize("indent", [None, 2, 4, "\t"])
@LAWS
@given(st.dictionaries(names, values(), min_size=1, max_size=4), values())
def test_json_stays_json(indent: Any, value: Any, other: Any) -> None:
    import json

    text = json.dumps(value, indent=indent, ensure_ascii=False)
    new = {**value, "added": other}
    edited = with_document("app/x.json", text.encode(), 1, new)
    assert same_json(json.loads(edited), json.loads(json.dumps(new)))
    assert same_json(documents_of("app/x.json", edited)[1], documents_of("app/x.json", json.dumps(new).encode())[1])


def assert_lines_stay(fewer: str, more: str, *, changed: int) -> None:
    """Every line of one text is in the other, in order, but for so many."""
    some = [line for line in fewer.splitlines() if line.strip()]
    all_lines = [line for line in more.splitlines() if line.strip()]
    # The longest sequence of lines that both have.
    row = [0] * (len(all_lines) + 1)
    for line in some:
        above, row = row, [0]
        for index, other in enumerate(all_lines):
            row.append(above[index] + 1 if line == other else max(above[index + 1], row[index]))
    assert len(some) - row[-1] <= changed, f"{len(some) - row[-1]} lines are gone"
