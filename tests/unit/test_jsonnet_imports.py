"""The imports of a Jsonnet program are found, and what only looks like one is not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueup.domain.jsonnet_imports import Import, imports

PIECES = [
    *"'\"\\@/*#|-+.,:;{}()[] \t\n\r!$&^=<>%01_eEuaü",
    "|||",
    "|||\n ",
    "import",
    "importstr",
    " 'a'",
    "//",
    "/*",
    "*/",
    "\\u0041",
]


def paths(program: str) -> list[str]:
    return [one.path for one in imports(program)]


def test_every_kind_of_import_is_told_with_its_line() -> None:
    program = "local a = import 'a';\n\n[a, importstr \"b\",\n importbin 'c']"
    assert list(imports(program)) == [Import("a", True, 1), Import("b", False, 3), Import("c", False, 4)]


@pytest.mark.parametrize(
    "program",
    [
        "// import 'no'\n{}",
        "# import 'no'\n{}",
        "/* import 'no'\n * import 'no' */ {}",
        "/*/ import 'no' */ {}",
        "/** import 'no' **/ {}",
        "{ a: 1 +// import 'no'\n2 }",
        "{ a: 1 */* import 'no' */ 2 }",
        "\"import 'no'\"",
        "'import \"no\"'",
        "'it\\'s import \"no\"'",
        '"\\\\" + "import \'no\'"',
        "@'it''s import \"no\"'",
        "@\"\\\" + 'import'",
        '@"""import \'no\'"""',
        "|||\n  import 'no'\n|||",
        "|||-\n  import 'no'\n|||",
        "|||\n\n\n\timport 'no'\n\n\timport 'no'\n  |||",
        "|||\n  |||\n   import 'no'\n  |||\n|||",
        "{ important: 1, ximport: 2, import_: 3, importstring: 4 }",
        "{ a: self.imports }",
        "|||\n first\n|||/* //*/|||\nimport 'no'",
    ],
)
def test_what_only_looks_like_one_is_none(program: str) -> None:
    assert paths(program) == []


@pytest.mark.parametrize(
    ("program", "found"),
    [
        ("import'a'", "a"),
        ("import/* here */\n// and\n# there\n'a'", "a"),
        ("{} + /**/ import 'a'", "a"),
        ("1.5e+3 + 1_000 + 0 + import 'a'", "a"),
        ("1import 'a'", "a"),
        ("|||\n  text\n||| + import 'a'", "a"),
        ("|||\n  text\n  with ||| inside\n|||+import 'a'", "a"),
        ("|||\n    deep\n  ||| + import 'a'", "a"),
        ("{ important: 1, importx: 2, importstring: import 'a' }", "a"),
        ("'//' + import 'a'", "a"),
        ("a||b&&!c==-d + import 'a'", "a"),
        ("@'\\' + import 'a'", "a"),
        (r"import 'a\u0041\/\'\"\\\t'", "aA/'\"\\\t"),
        (r"import '\ud83d\ude00'", "😀"),
        ("import @'a''b\\n'", "a'b\\n"),
        ('import @"a""b"', 'a"b'),
        ("import 'ü'", "ü"),
    ],
)
def test_it_is_found_wherever_it_stands(program: str, found: str) -> None:
    assert paths(program) == [found]


@pytest.mark.parametrize(
    "program",
    [
        "import",
        "import x",
        "import ('a')",
        "import |||\n a\n|||",
        r"import '\q'",
        r"import '\ud83d'",
        "'",
        "|||\nimport 'a'",
    ],
)
def test_what_jsonnet_refuses_is_no_import(program: str) -> None:
    assert paths(program) == []


@settings(max_examples=500)
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_any_text_can_be_looked_through(program: str) -> None:
    for one in imports(program):
        assert 1 <= one.line <= program.count("\n") + 1


@pytest.mark.parametrize(
    "unit",
    ["{", '"', "/*", "*/", "|||\n x\n", "|||\n", "@'", "1_", "import ", "'\\", "import 'a", "a", " ", "/", "|", "''"],
)
def test_no_text_takes_long(unit: str) -> None:
    # Were any of these more than linear, a million characters would take minutes.
    assert len(paths(unit * (1_000_000 // len(unit)))) <= 1
