"""What a change of a file looks like: case by case, to the byte."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trueup.domain.errors import StalledError
from trueup.domain.yamledit.documents import NotEditableError, documents_of, with_document, without_document

GONE = object()


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """The value with this at the path; `GONE` takes away what is there, and a place behind a list's end is its end."""
    # What aliases share is no longer shared.
    changed = json.loads(json.dumps(value))
    holder = changed
    for step in path[:-1]:
        holder = holder[step]
    if new is GONE:
        del holder[path[-1]]
    elif isinstance(holder, list) and path[-1] >= len(holder):
        holder.append(new)
    else:
        holder[path[-1]] = new
    return changed


def edited(text: str, path: tuple[Any, ...], new: Any, *, number: int = 1, name: str = "app.yaml") -> str:
    content = text.encode()
    value = put(documents_of(name, content)[number], path, new)
    return with_document(name, content, number, value).decode()


SCALARS = [
    ("a: 1 # one\n", 2, "a: 2 # one\n"),
    ("a:   1\n", 2, "a:   2\n"),
    ("a: 'x'\n", "y", "a: 'y'\n"),
    ('a: "x"  # c\n', "y", 'a: "y"  # c\n'),
    ("a: x\n", "y z", "a: y z\n"),
    ("a: x\n", "yes", 'a: "yes"\n'),
    ("a: x\n", "123", 'a: "123"\n'),
    ("a: x\n", "0o7", 'a: "0o7"\n'),
    ("a: x\n", "1e3", 'a: "1e3"\n'),
    ("a: x\n", "null", 'a: "null"\n'),
    ("a: x\n", "~", 'a: "~"\n'),
    ("a: x\n", "", 'a: ""\n'),
    ("a: x\n", "12:30", 'a: "12:30"\n'),
    ("a: x\n", "2024-01-01", 'a: "2024-01-01"\n'),
    ("a: x\n", "a: b", 'a: "a: b"\n'),
    ("a: x\n", "a #b", 'a: "a #b"\n'),
    ("a: 'x'\n", "it's", "a: 'it''s'\n"),
    ("a: x\n", "nginx:1.25", "a: nginx:1.25\n"),
    ("a: x\n", True, "a: true\n"),
    ("a: 'x'\n", 5, "a: 5\n"),
    ("a: x\n", None, "a: null\n"),
    ("a: 0x10\n", 17, "a: 17\n"),
    ("a: 5\n", 0.5, "a: 0.5\n"),
    ("a:\n", 5, "a: 5\n"),
    ("a:  # nothing yet\n", 5, "a: 5  # nothing yet\n"),
    ("a:\n  x\nb: 1\n", "q", "a:\n  q\nb: 1\n"),
    ("a: x\n  y\nb: 1\n", "z", "a: z\nb: 1\n"),
    ("a: &one x\n", "q", "a: &one q\n"),
    ("a: !!str 5\n", "6", 'a: "6"\n'),
    ("a: x", "q", "a: q"),
    ("a: x\r\nb: 1\r\n", "q", "a: q\r\nb: 1\r\n"),
    ("\ufeffa: x\n", "q", "\ufeffa: q\n"),
    ("a: x\n", "l\u00e4nge", "a: l\u00e4nge\n"),
    ("a: x\n", "a\x07b", 'a: "a\\u0007b"\n'),
    ("a: x\n", "one\ntwo\n", "a: |\n  one\n  two\n"),
    ("a: x  # c\n", "one\ntwo", "a: |-  # c\n  one\n  two\n"),
    ("a: |\n    one\n    two\nb: 1\n", "one\nTWO\n", "a: |\n    one\n    TWO\nb: 1\n"),
    ("a: |-\n  one\n\n  two\n\n\nb: 1\n", "one\n\n2", "a: |-\n  one\n\n  2\n\n\nb: 1\n"),
    ("a: >\n  one\n  two\nb: 1\n", "one", "a: one\nb: 1\n"),
    ("a: |+\n  one\n\nb: 1\n", "one\n\n\n", "a: |+\n  one\n\n\nb: 1\n"),
    ("a: |\n  one\n  two\n", "  in\nout\n", "a: |2\n    in\n  out\n"),
    ("a: |\n  one\n  two\n", "tab\tbed\ntwo\n", "a: |\n  tab\tbed\n  two\n"),
    ('a: "one\\ntwo"\n', "one\n2", 'a: "one\\n2"\n'),
    ("a: {x: 1}\n", 5, "a: 5\n"),
    ("a:\n  # inside\n  x: 1\nb: 2\n", 5, "a: 5\nb: 2\n"),
]


@pytest.mark.parametrize(("text", "new", "wanted"), SCALARS)
def test_a_value_is_set_as_it_stood_there(text: str, new: Any, wanted: str) -> None:
    assert edited(text, ("a",), new) == wanted


ADDED = [
    ("a: 1\nb: 2\n", ("c",), 3, "a: 1\nb: 2\nc: 3\n"),
    ("m:\n    a: 1\n# end\n", ("m", "b"), 2, "m:\n    a: 1\n    b: 2\n# end\n"),
    ("m:\n  a: 1\n\nn: 1\n", ("m", "b"), {"c": [1]}, "m:\n  a: 1\n  b:\n    c:\n      - 1\n\nn: 1\n"),
    ("m:\n  l:\n  - 1\n", ("m", "b"), {"c": [1]}, "m:\n  l:\n  - 1\n  b:\n    c:\n    - 1\n"),
    ("m: {a: 1}\n", ("m", "b"), "x, y", 'm: {a: 1, b: "x, y"}\n'),
    ("m: {}\n", ("m", "b"), 2, "m:\n  b: 2\n"),
    ("m: {} # none\n", ("m", "b"), 2, "m: # none\n  b: 2\n"),
    ("l: []\n", ("l", 0), {"a": 1, "b": 2}, "l:\n  - a: 1\n    b: 2\n"),
    ("m:\n", ("m",), {"b": 2}, "m:\n  b: 2\n"),
    ("m:\n  a: 1", ("m", "b"), "x\ny\n", "m:\n  a: 1\n  b: |\n    x\n    y\n"),
    ("m:\n  a: 1", ("m", "b"), 2, "m:\n  a: 1\n  b: 2"),
    ("m:\r\n  a: 1\r\n", ("m", "b"), {"c": 2}, "m:\r\n  a: 1\r\n  b:\r\n    c: 2\r\n"),
    ("m:\n  a: |\n    x\n\nn: 1\n", ("m", "b"), 2, "m:\n  a: |\n    x\n  b: 2\n\nn: 1\n"),
    ("m:\n  a: |+\n    x\n\nn: 1\n", ("m", "b"), 2, "m:\n  a: |+\n    x\n\n  b: 2\nn: 1\n"),
    ("m:\n  a: 1\n    # of a\n  # of m\n", ("m", "b"), 2, "m:\n  a: 1\n    # of a\n  b: 2\n  # of m\n"),
    ("m:\n  a: 1\n", ("m", "yes"), "no", 'm:\n  a: 1\n  "yes": "no"\n'),
    ("m:\n  a: 1\n", ("m", "x/y: z"), 1, 'm:\n  a: 1\n  "x/y: z": 1\n'),
    ("l:\n- a: 1 # one\n", ("l", 0, "b"), 2, "l:\n- a: 1 # one\n  b: 2\n"),
    ("l:\n  -   a: 1\n", ("l", 0, "b"), 2, "l:\n  -   a: 1\n      b: 2\n"),
    ("l:\n- x # one\n# end\n", ("l", 1), "q", "l:\n- x # one\n- q\n# end\n"),
    ("l: [x, y]\n", ("l", 2), "z", "l: [x, y, z]\n"),
    ("l: [\n  x, # one\n  y\n]\n", ("l", 2), "z", "l: [\n  x, # one\n  y,\n  z\n]\n"),
    ("l:\n- - 1\n", ("l", 0, 1), 2, "l:\n- - 1\n  - 2\n"),
    ("b: &b\n  x: 1\nm:\n  <<: *b\n  a: 1\n", ("m", "x"), 2, "b: &b\n  x: 1\nm:\n  <<: *b\n  a: 1\n  x: 2\n"),
]


@pytest.mark.parametrize(("text", "path", "new", "wanted"), ADDED)
def test_what_is_added_stands_where_its_siblings_do(text: str, path: tuple[Any, ...], new: Any, wanted: str) -> None:
    assert edited(text, path, new) == wanted


REMOVED = [
    ("a: 1\nb: 2\nc: 3\n", ("b",), "a: 1\nc: 3\n"),
    ("a: 1\n# of b\nb: 2 # too\n# of c\nc: 3\n", ("b",), "a: 1\n# of c\nc: 3\n"),
    ("a: 1\n\n# of b\nb: 2\n\nc: 3\n", ("b",), "a: 1\n\nc: 3\n"),
    ("# head\n\na: 1\nb: 2\n", ("a",), "# head\n\nb: 2\n"),
    ("a: 1\nb:\n  c: 1\n  # end of b\n", ("b",), "a: 1\n"),
    ("a: 1\nb: 2", ("b",), "a: 1"),
    ("m:\n  a: 1\nn: 1\n", ("m", "a"), "m: {}\nn: 1\n"),
    ("m: # of m\n  a: 1\nn: 1\n", ("m", "a"), "m: {} # of m\nn: 1\n"),
    ("l:\n- a\n# of b\n- b\n- c\n", ("l", 1), "l:\n- a\n- c\n"),
    ("l:\n- a\n", ("l", 0), "l: []\n"),
    ("l:\n- a: 1\n  b: 2\n", ("l", 0, "a"), "l:\n- b: 2\n"),
    ("l:\n- a: 1 # one\n  # of b\n  b: 2\n", ("l", 0, "a"), "l:\n- # of b\n  b: 2\n"),
    ("m: {a: 1, b: 2, c: 3}\n", ("m", "b"), "m: {a: 1, c: 3}\n"),
    ("m: {a: 1, b: 2}\n", ("m", "b"), "m: {a: 1}\n"),
    ("m: {a: 1}\n", ("m", "a"), "m: {}\n"),
    ("l: [x, y]\n", ("l", 0), "l: [y]\n"),
    ("m:\n  a: |\n    x\n    # no comment\n  b: 1\n", ("m", "a"), "m:\n  b: 1\n"),
    ('m:\n  a: "x\n  # no comment"\n  b: 1\n', ("m", "b"), 'm:\n  a: "x\n  # no comment"\n'),
]


@pytest.mark.parametrize(("text", "path", "wanted"), REMOVED)
def test_what_goes_takes_its_own_comments_along(text: str, path: tuple[Any, ...], wanted: str) -> None:
    assert edited(text, path, GONE) == wanted


MOVED = """\
l:
  # the first
  - name: a # one
    x: 1
  - name: b
    x: 2
"""


def test_members_that_change_places_take_their_comments_along() -> None:
    document = {"l": [{"name": "b", "x": 2}, {"name": "a", "x": 1}]}
    words = with_document("app.yaml", MOVED.encode(), 1, document).decode()
    assert words == "l:\n  - name: b\n    x: 2\n  # the first\n  - name: a # one\n    x: 1\n"


JSON = [
    ('{"a": 1, "b": [1, 2]}', ("a",), "x", '{"a": "x", "b": [1, 2]}'),
    ('{\n  "a": 1\n}\n', ("b",), {"c": [1]}, '{\n  "a": 1,\n  "b": {\n    "c": [\n      1\n    ]\n  }\n}\n'),
    ('{\n\t"a": 1,\n\t"b": 2\n}\n', ("a",), GONE, '{\n\t"b": 2\n}\n'),
    ('{"a": "\\u00e4\\/", "b": 1}', ("b",), 2, '{"a": "\\u00e4\\/", "b": 2}'),
    ('{"a": "\\ud83d\\ude00", "b": 1}', ("b",), 2, '{"a": "\\ud83d\\ude00", "b": 2}'),
    ('{"a": {}}', ("a", "b"), 1, '{"a": {"b": 1}}'),
]


@pytest.mark.parametrize("name", ["app.json", "app.yaml"])
@pytest.mark.parametrize(("text", "path", "new", "wanted"), JSON)
def test_json_keeps_its_layout_and_its_escapes(
    name: str, text: str, path: tuple[Any, ...], new: Any, wanted: str
) -> None:
    assert edited(text, path, new, name=name) == wanted


def test_a_file_in_utf_16_stays_one() -> None:
    content = b"\xff\xfe" + "a: \u00e4\nb: 1\n".encode("utf-16-le")
    found = with_document("app.yaml", content, 1, {"a": "\u00e4", "b": 2})
    assert found == b"\xff\xfe" + "a: \u00e4\nb: 2\n".encode("utf-16-le")


REFUSED = [
    ("a: &x 1\nb: *x\n", ("a",), 2, "a has the anchor &x, which other places repeat"),
    ("a: &x 1\nb: *x\n", ("b",), 2, "b stands there as the alias *x"),
    ("a: &x {w: 1}\nb: *x\n", ("b", "w"), 2, "b stands there as the alias *x"),
    ("a: &x\n  w: 1\nb: *x\n", ("a", "w"), 2, "a has the anchor &x"),
    ("a: &x\n  w: 1\nb:\n  <<: *x\n  z: 1\n", ("b", "w"), GONE, "b has w from `<<`"),
    ("a: &x\n  w: {q: 1}\nb:\n  <<: *x\n  z: 1\n", ("b", "w", "q"), 2, "b has w from `<<`"),
    ("b: &x {a: 1}\nm:\n  a: 5\n  <<: *x\n", ("m", "a"), 2, "without changing something else"),
    ("? a\n: 1\n", ("a",), 2, "a stands behind a `?`"),
    ("m: {a, b: 1}\n", ("m", "a"), 2, "a stands there without a value"),
]


@pytest.mark.parametrize(("text", "path", "new", "words"), REFUSED)
def test_what_would_change_another_place_is_refused(text: str, path: tuple[Any, ...], new: Any, words: str) -> None:
    with pytest.raises(NotEditableError) as refused:
        edited(text, path, new)
    assert words in str(refused.value)
    assert str(refused.value).startswith("app.yaml: ")


MANY = "# head\n---\n# of one\na: 1\n---\n---\nb: 2 # two\n---  # of three\nc: 3\n"


def test_in_a_file_of_many_documents_the_right_one_is_changed() -> None:
    assert edited(MANY, ("b",), 5, number=2) == MANY.replace("b: 2", "b: 5")
    assert edited(MANY, ("c",), 5, number=3) == MANY.replace("c: 3", "c: 5")


def test_a_document_goes_with_its_comments_and_its_separator() -> None:
    content = MANY.encode()
    assert without_document("app.yaml", content, 3) == b"# head\n---\n# of one\na: 1\n---\n---\nb: 2 # two\n"
    assert without_document("app.yaml", content, 1) == b"# head\n---\n---\nb: 2 # two\n---  # of three\nc: 3\n"
    assert without_document("app.yaml", b"a: 1\n---\nb: 2\n", 1) == b"b: 2\n"
    assert without_document("app.yaml", b"# x\n---\na: 1\n", 1) is None


def test_a_document_that_is_not_there_any_more_is_said_to_be_gone() -> None:
    with pytest.raises(StalledError, match="has no document 2 any more"):
        without_document("app.yaml", b"a: 1\n", 2)
