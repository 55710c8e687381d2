"""Whatever an object says, a terminal shows it and does not obey it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from trueup.cli.difference import print_field, print_object
from trueup.cli.printing import facts, one_line, printable
from trueup.cli.table import table
from trueup.domain.incident import Field
from trueup.domain.resource import ResourceKey

#: Clear the screen, a title, CSI in one byte, a bell, DEL, right-to-left, half of a surrogate pair.
HOSTILE = "\x1b[2J\x1b]0;x\x07\x9bm\x7f\u202e\ud800"


@pytest.mark.parametrize("text", ["", "spec.ports[name=http].port", '{"a":"ä – 日本 ••••…"}', r"C:\n"])
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


def test_what_a_terminal_would_obey_is_an_escape() -> None:
    assert printable(HOSTILE) == r"\x1b[2J\x1b]0;x\x07\x9bm\x7f\u202e\ud800"
    assert one_line(" two\n\tlines\x1b ") == r"two lines\x1b"
    assert one_line(None) == ""
    assert one_line(0) == "0"


def test_nothing_that_is_printed_holds_anything_else() -> None:
    screen = io.StringIO()
    console = Console(file=screen, soft_wrap=True, highlight=False)
    print_object(ResourceKey("", HOSTILE, HOSTILE, HOSTILE), "Missing", console)
    print_field(Field(HOSTILE, "changed", HOSTILE, HOSTILE), HOSTILE, console)
    written = [screen.getvalue(), facts([("Title", HOSTILE)]), table(("NAME",), [(HOSTILE,)])]
    assert written[0].count("\n") == 4
    for words in written:
        assert r"\x1b[2J" in words
        assert all(char.isprintable() or char == "\n" for char in words)


@pytest.mark.parametrize(
    ("kind", "sides"), [("changed", ["    - 1", "    + 2"]), ("missing", ["    + 2"]), ("extra", ["    - 1"])]
)
def test_a_field_shows_the_sides_that_it_has(kind: str, sides: list[str]) -> None:
    screen = io.StringIO()
    field = Field("a.b", kind, "2", "1")  # type: ignore[arg-type]  # the parameter is one of the three
    print_field(field, "", Console(file=screen))
    assert screen.getvalue().splitlines() == ["  a.b", *sides]
