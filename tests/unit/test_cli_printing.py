"""Whatever an object says, a terminal shows it and does not obey it."""

from __future__ import annotations

import io

import pytest
import typer
from rich.console import Console

from trueup.cli.difference import FITTING, Layout, console_for, print_views
from trueup.cli.failure import plainly
from trueup.cli.printing import facts, one_line, printable
from trueup.cli.table import table
from trueup.domain.attribution import Attribution, Person
from trueup.domain.diffview.record import view_of_record
from trueup.domain.errors import StalledError
from trueup.domain.incident import DriftedObject, Field
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


def test_an_error_is_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise StalledError(f"app/{HOSTILE}.yaml, line 2:\n\tit is not YAML")

    with pytest.raises(typer.Exit):
        plainly(fail)
    said = capsys.readouterr().err
    assert said == f"trueup: app/{printable(HOSTILE)}.yaml, line 2:\n  it is not YAML\n"


def drifted(*fields: Field, text: str = "a") -> DriftedObject:
    return DriftedObject(ResourceKey("", text, text, text), "OutOfSync", fields)


def printed(item: DriftedObject, layout: Layout = FITTING) -> str:
    screen = io.StringIO()
    print_views([view_of_record(item)], Console(file=screen, soft_wrap=True, highlight=False), layout)
    return screen.getvalue()


@pytest.mark.parametrize("layout", [FITTING, Layout(side_by_side=True)])
def test_nothing_that_is_printed_holds_anything_else(layout: Layout) -> None:
    person = Person(HOSTILE, (HOSTILE,), HOSTILE, HOSTILE)
    field = Field(HOSTILE, "changed", HOSTILE, f"{HOSTILE}{HOSTILE}", HOSTILE, HOSTILE, HOSTILE, person)
    written = [
        printed(drifted(field, text=HOSTILE), layout),
        facts([("Title", HOSTILE)]),
        table(("NAME",), [(HOSTILE,)]),
    ]
    for words in written:
        assert r"\x1b[2J" in words
        assert all(char.isprintable() or char == "\n" for char in words)


@pytest.mark.parametrize(
    ("kind", "sides"), [("changed", ["-   1", "+   2"]), ("missing", ["+   2"]), ("extra", ["-   1"])]
)
def test_a_field_shows_the_sides_that_it_has(kind: str, sides: list[str]) -> None:
    field = Field("a.b", kind, "2", "1", "by-hand", "2026-01-02T03:04:05Z")  # type: ignore[arg-type]  # one of the three
    title, path, *rest = printed(drifted(field)).splitlines()
    assert (title, path) == ("===== a a/a", "  a.b")
    assert [line.partition("  #")[0] for line in rest] == sides


@pytest.mark.parametrize(
    ("who", "words"),
    [
        (Attribution("alice", "Update"), "by manager alice"),
        (Attribution("kubectl-edit", "Update", person=Person("alice")), "by alice with kubectl-edit"),
        (Attribution("", "delete", person=Person("alice"), is_probable=True), "by probably alice"),
        (Attribution(), "by unknown"),
    ],
)
def test_the_name_of_a_program_is_never_said_to_be_a_person(who: Attribution, words: str) -> None:
    field = Field("a.b", "changed", "2", "1").by(who)
    assert f"-   1  # {words}\n" in printed(drifted(field))


def test_colour_is_for_terminals_without_no_color_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert console_for("always").color_system == "standard"
    assert console_for("never").color_system is None
    assert console_for("auto").color_system is None, "what reads this test's output is no terminal"
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert console_for("auto").color_system is not None
    monkeypatch.setenv("NO_COLOR", "1")
    assert console_for("auto").color_system is None
    assert console_for("always").color_system == "standard"
