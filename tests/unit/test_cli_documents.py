"""Objects that are printed are the same ones when kubectl reads them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trueup.cli.printing import documents
from trueup.domain.kubeyaml import YamlBounds, read_documents

TEXTS = st.one_of(
    st.text(st.characters(codec="utf-8")),
    st.sampled_from(
        ["y", "N", "on", "~", "", "1e3", "0o17", "0b1", "12:30", "1_000", ".5", "2001-01-01", "=", "<<", "&a"]
    ),
    st.from_regex(r"\A[ \n\t]*[-#:a]*[ \n\t]*[a#:']?[\n ]*\Z"),
    st.from_regex(r"\A[-+]?[0-9._]{1,6}(e[-+]?[0-9])?\Z"),
)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.none()
VALUES = st.recursive(
    TEXTS | NUMBERS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8
)


@given(st.lists(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=3), max_size=3))
@example([{"y": "y", "a": "1e3"}])
@example([{"a": "\n  deep\n"}])
def test_what_is_read_again_is_what_was_printed(bodies: list[dict[str, Any]]) -> None:
    words = documents(bodies, "yaml")
    assert [document.value for document in read_documents("x.yaml", words.encode(), YamlBounds())] == bodies
    assert orjson.loads(documents(bodies, "json"))["items"] == bodies


def test_lines_stay_lines_and_long_ones_whole() -> None:
    long = "word " * 100 + "end"
    assert documents([{"a": "one\ntwo\n", "b": long}], "yaml") == f"---\na: |\n  one\n  two\nb: {long}\n"


@pytest.mark.parametrize(
    ("output", "words"), [("yaml", ""), ("json", '{\n  "apiVersion": "v1",\n  "kind": "List",\n  "items": []\n}\n')]
)
def test_of_nothing_there_is_no_document(output: str, words: str) -> None:
    assert documents([], output) == words


def test_what_two_objects_share_is_written_twice() -> None:
    shared = {"a": "b"}
    assert documents([{"one": shared, "two": shared}], "yaml") == "---\none:\n  a: b\ntwo:\n  a: b\n"


def test_a_terminal_obeys_nothing_of_it() -> None:
    hostile = "\x1b[2J\x9b2J\x7f"
    for output in ("yaml", "json"):
        words = documents([{"a": hostile, hostile: "b"}], output)
        assert all(char.isprintable() or char == "\n" for char in words), output
