"""What is read of a program's imports is what the real jsonnet does with it, whatever stands around them."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from trueup.clients.process import Completed, run
from trueup.domain.jsonnet_imports import imports

#: What the lexer could trip over, in any order.
TRAPS = st.lists(
    st.sampled_from(
        ["import 'no'", 'importstr "no"', "'", '"', "''", '""', "\\", "/*", "*/", "//", "#", "|||", "@", " ", "\t", "x"]
    ),
    max_size=8,
).map("".join)
NAMES = st.sampled_from(["a", "b-c", "d e", "it's", 'q"q', "ü", "x.libsonnet"])


def escaped(text: str, quote: str) -> str:
    return text.replace("\\", "\\\\").replace(quote, "\\" + quote)


def quoted(text: str) -> st.SearchStrategy[str]:
    """Every way to write the text as a string."""
    by_number = "".join("\\u" + format(ord(character), "04x") for character in text)
    ways = []
    for quote in "'\"":
        ways += [f"{quote}{escaped(text, quote)}{quote}", f"@{quote}{text.replace(quote, quote * 2)}{quote}"]
        ways.append(f"{quote}{by_number}{quote}")
    return st.sampled_from(ways)


def block(lines: list[str], indents: tuple[str, str], chomp: str) -> str:
    """A text block; the first line's white space is the indent of them all, and the end has less."""
    indent, end = indents
    return "".join([f"|||{chomp}\n", f"{indent}first\n", *(f"{indent}{line}\n" for line in lines), f"{end}|||"])


FODDER = st.lists(
    st.one_of(
        st.sampled_from([" ", "\n", "\t"]),
        TRAPS.map(lambda text: f"//{text}\n"),
        TRAPS.map(lambda text: f"#{text}\n"),
        TRAPS.map(lambda text: f"/*{text.replace('*/', '')}*/").filter(lambda text: text.count("*/") == 1),
    ),
    min_size=1,
    max_size=3,
).map(lambda parts: " " + "".join(parts))

IMPORT = st.tuples(st.sampled_from(["import", "importstr", "importbin"]), FODDER, NAMES.flatmap(quoted)).map("".join)
OTHER = st.one_of(
    TRAPS.flatmap(quoted),
    st.builds(
        block,
        st.lists(TRAPS, max_size=3),
        st.sampled_from([(" ", ""), ("   ", " "), ("\t", ""), ("\t\t", "\t")]),
        st.sampled_from(["", "-"]),
    ),
    st.sampled_from(["1", "1.5e3", "{ importx: -1, ximport:: !true }", "[]", "null", "local l = 1; l", "1 +-+ 2"]),
)
VALUE = st.one_of(IMPORT, OTHER)


@st.composite
def programs(draw: st.DrawFn) -> str:
    """An array of values, so that every import in it is evaluated."""
    text = ["["]
    for value in draw(st.lists(VALUE, max_size=8)):
        text += [draw(FODDER), value, draw(FODDER), ","]
    return "".join([*text, "]"])


def evaluated(jsonnet: Path, program: str, files: set[str]) -> Completed:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in files - {""}:
            (folder / file).write_text("'here'")
        (folder / "main.jsonnet").write_text(program)
        argv = [jsonnet, "main.jsonnet"]
        return asyncio.run(run(argv, cwd=folder, env={}, timeout_seconds=60, output_bytes_max=1024 * 1024))


@settings(max_examples=150, deadline=None)
@given(program=programs())
def test_every_import_is_found_and_nothing_else(tools: Path, program: str) -> None:
    found = {one.path for one in imports(program)}
    done = evaluated(tools / "jsonnet", program, found)
    assert done.returncode == 0, (program, found, done.stderr.decode())
    # Each is needed: without it the program fails.
    for name in found:
        missing = evaluated(tools / "jsonnet", program, found - {name})
        assert b"couldn't open import" in missing.stderr, (program, name)


@settings(max_examples=150, deadline=None)
@given(text=st.lists(st.one_of(TRAPS, NAMES, IMPORT, OTHER, FODDER), max_size=10).map("".join))
def test_no_import_of_any_text_is_overlooked(tools: Path, text: str) -> None:
    """Where jsonnet accepts a text at all and asks for a file, that file was found in the text."""
    found = {one.path for one in imports(text)}
    said = evaluated(tools / "jsonnet", text, found).stderr.decode()
    if "couldn't open import " in said:
        asked = json.loads(said.split("couldn't open import ", 1)[1].split(": no match", 1)[0])
        raise AssertionError((text, asked))
