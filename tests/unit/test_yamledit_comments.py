"""Comments and layout of what is not changed stay, within brackets too; and new members look like those beside them."""

from __future__ import annotations

import pytest

from tests.unit.test_yamledit_cases import GONE, edited
from trueup.domain.yamledit.documents import NotEditableError, with_document

FLOW = """\
l: [
  a, # of a
  # above b
  b, # of b
  # above c
  c # of c
]
"""

IN_BRACKETS = [
    (FLOW, ("l", 0), GONE, FLOW.replace("  a, # of a\n", "")),
    (FLOW, ("l", 1), GONE, FLOW.replace("  # above b\n  b, # of b\n", "")),
    (FLOW, ("l", 2), GONE, FLOW.replace("b, # of b\n  # above c\n  c # of c\n", "b # of b\n")),
    (FLOW, ("l", 3), "d", FLOW.replace("c # of c\n", "c, # of c\n  d\n")),
    (FLOW.replace("c #", "c, #"), ("l", 3), "d", FLOW.replace("c # of c\n", "c, # of c\n  d,\n")),
    (FLOW.replace("c #", "c, #"), ("l", 2), GONE, FLOW.replace("  # above c\n  c # of c\n", "")),
    (FLOW.replace("\n", "\r\n"), ("l", 1), GONE, FLOW.replace("  # above b\n  b, # of b\n", "").replace("\n", "\r\n")),
    ("m: {\n  a: 1, # of a\n  b: 2\n}\n", ("m", "c"), 3, "m: {\n  a: 1, # of a\n  b: 2,\n  c: 3\n}\n"),
    ("m: {\n  a: 1, # of a\n  b: 2}\n", ("m", "b"), GONE, "m: {\n  a: 1 # of a\n  }\n"),
    ("l: [a,\n    b, # of b\n    c]\n", ("l", 2), GONE, "l: [a,\n    b # of b\n    ]\n"),
    ("l: [a,\n    b, # of b\n    c]\n", ("l", 1), GONE, "l: [a,\n    c]\n"),
]


@pytest.mark.parametrize(("text", "path", "new", "wanted"), IN_BRACKETS)
def test_in_brackets_each_comment_stays_with_its_member(
    text: str, path: tuple[str | int, ...], new: object, wanted: str
) -> None:
    assert edited(text, path, new) == wanted


CONTAINER = """\
l:
  # the server
  - name: web
    image: 'a:1' # pinned
    args: ["--a",
           "--b"] # args
"""


def test_a_member_that_got_another_name_keeps_everything_else() -> None:
    assert edited(CONTAINER, ("l", 0, "name"), "shop") == CONTAINER.replace("web", "shop")


def test_a_member_in_the_place_of_another_one_takes_none_of_its_comments() -> None:
    document = {"l": [{"name": "other", "image": "b:1", "args": ["--z"]}]}
    assert "pinned" not in with_document("app.yaml", CONTAINER.encode(), 1, document).decode()


def test_of_members_that_are_alike_the_one_that_stays_keeps_its_comment() -> None:
    assert edited("l:\n- x\n- x # second\n", ("l", 0), "q") == "l:\n- q\n- x # second\n"


ALIKE = [
    ("l:\n- {name: a, v: 1} # a\n", {"name": "b", "v": 2}, "l:\n- {name: a, v: 1} # a\n- {name: b, v: 2}\n"),
    ("l:\n- {name: a}\n- name: b\n", {"name": "c"}, "l:\n- {name: a}\n- name: b\n- name: c\n"),
    (
        "l:\n    -   name: a\n        v: 1\n",
        {"name": "b", "v": 2},
        "l:\n    -   name: a\n        v: 1\n    -   name: b\n        v: 2\n",
    ),
    ("l:\n-   a\n-   b\n", "c", "l:\n-   a\n-   b\n-   c\n"),
]


@pytest.mark.parametrize(("text", "new", "wanted"), ALIKE)
def test_a_new_member_looks_like_those_beside_it(text: str, new: object, wanted: str) -> None:
    assert edited(text, ("l", 99), new) == wanted


OPEN_ENDED = [
    ("a: 1\nb: |\n  x\n  y", ("c",), 2, "a: 1\nc: 2\nb: |\n  x\n  y"),
    ("m:\n  # of b\n  b: |\n    x\n    y", ("m", "c"), "2", 'm:\n  c: "2"\n  # of b\n  b: |\n    x\n    y'),
    ("m:\n  b: |\n    x\n    y", ("z",), 1, "z: 1\nm:\n  b: |\n    x\n    y"),
    ("b: |\n  x\n  y", ("b",), "x\ny\n", "b: |\n  x\n  y\n"),
]


@pytest.mark.parametrize(("text", "path", "new", "wanted"), OPEN_ENDED)
def test_a_text_block_at_the_end_without_a_line_break_is_left_as_it_is(
    text: str, path: tuple[str, ...], new: object, wanted: str
) -> None:
    assert edited(text, path, new) == wanted


def test_empty_lines_at_the_end_of_a_new_text_take_in_none_of_the_file() -> None:
    assert edited("a: x # c\n\nb: 1\n", ("a",), "y\n\n") == 'a: "y\\n\\n" # c\n\nb: 1\n'


PROPERTIES = [
    ("a: &one # c\n  x: 1\nb: 2\n", ("a",), 5, "a: &one 5 # c\nb: 2\n"),
    ("a: !!map\n  x: 1\nb: 2\n", ("a",), "q", "a: q\nb: 2\n"),
    ("l:\n- &one\n  x: 1\n- 2\n", ("l", 0, "x"), GONE, "l:\n- &one {}\n- 2\n"),
]


@pytest.mark.parametrize(("text", "path", "new", "wanted"), PROPERTIES)
def test_an_anchor_and_a_tag_are_never_written_twice(
    text: str, path: tuple[str | int, ...], new: object, wanted: str
) -> None:
    assert edited(text, path, new) == wanted


def test_a_question_mark_elsewhere_is_in_nobodys_way() -> None:
    assert edited("m:\n  ? a\n  : 1\nz: 2\n", ("z",), 3) == "m:\n  ? a\n  : 1\nz: 3\n"
    for path, new in ((("m", "a"), GONE), (("m", "b"), 1)):
        with pytest.raises(NotEditableError, match="the key a stands behind a `\\?`; write it as"):
            edited("m:\n  ? a\n  : 1\n  c: 1\nz: 2\n", path, new)
