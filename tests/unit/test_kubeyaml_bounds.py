"""A file costs what its bounds say, whatever it holds, and an error never repeats it."""

from __future__ import annotations

import traceback
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueup.domain.errors import StalledError
from trueup.domain.kubeyaml import YamlBounds, YamlError, read_documents, read_json

BOUNDS = YamlBounds()
# A busy machine is no failure.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def values(text: str, bounds: YamlBounds = BOUNDS):
    return [d.value for d in read_documents("f.yaml", text.encode(), bounds)]


def refusal(text: str | bytes, bounds: YamlBounds = BOUNDS, read=read_documents) -> str:
    with pytest.raises(YamlError) as caught:
        read("dir/f.yaml", text if isinstance(text, bytes) else text.encode(), bounds)
    assert isinstance(caught.value, StalledError)
    assert str(caught.value).startswith("dir/f.yaml")
    return str(caught.value)


def laughs(levels: int, width: int = 10) -> str:
    lines = ["a0: &a0 ha"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines)


def test_a_billion_laughs_is_refused_by_what_it_stands_for():
    assert len(laughs(12)) < 1_000
    assert "aliases written out" in refusal(laughs(12))


def test_a_few_laughs_are_read():
    assert values(laughs(4))[0]["a3"][9][9][9] == "ha"


def test_a_long_text_repeated_by_aliases_is_refused_by_its_length():
    text = "a: &a " + "x" * 100_000 + "\nb: [" + ", ".join(["*a"] * 1_000) + "]"
    assert "characters" in refusal(text)


def test_merged_keys_cost_what_they_add():
    base = "base: &b {" + ", ".join(f"k{n}: 1" for n in range(1_000)) + "}\n"
    text = base + "\n".join(f"m{n}: {{<<: *b}}" for n in range(1_000))
    assert "aliases written out" in refusal(text)


def test_aliases_nested_in_aliases_cannot_exceed_the_depth():
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 300)]
    assert "nested deeper" in refusal("\n".join(lines))


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_deep_nesting_is_refused_before_it_costs_anything(opening):
    assert "nested deeper than 200" in refusal(opening * 100_000)


def test_nesting_up_to_the_bound_is_read():
    depth = BOUNDS.nesting_max
    assert values("[" * depth + "]" * depth)
    refusal("[" * (depth + 1) + "]" * (depth + 1))


def test_each_bound_names_itself_in_the_refusal():
    small = YamlBounds(
        file_bytes_max=500, documents_max=2, document_nodes_max=20, document_chars_max=300, scalar_chars_max=200
    )
    assert "500 bytes" in refusal("#" * 501, small)
    assert "2 documents" in refusal("a\n---\nb\n---\nc\n", small)
    assert "20 values" in refusal("[" + "1, " * 30 + "]", small)
    assert "200 characters" in refusal("x" * 201, small)
    assert "300 characters" in refusal(("[" + "x" * 160 + ", " + "y" * 160 + "]"), small)
    assert "20 values" in refusal("[" + "1, " * 30 + "1]", small, read_json)
    assert "200 characters" in refusal('["' + "x" * 201 + '"]', small, read_json)
    assert "nested deeper than 3" in refusal("[[[[1]]]]", replace(small, nesting_max=3), read_json)


def test_an_error_says_file_line_column_and_document():
    message = refusal("a: 1\n---\nb: 2\nc: [\n---\nd: 3\n")
    assert "(document 2)" in message
    assert "line " in message
    assert refusal("a: 1\n---\n# comment\nb: x: y\n").startswith("dir/f.yaml, line 4, column 5 (document 2): ")
    assert refusal("a: 1\n--- b\n").startswith("dir/f.yaml, line 2, column 1: ")
    assert refusal('{\n "a": }', read=read_json).startswith("dir/f.yaml, line 2, column ")


@pytest.mark.parametrize(
    "text",
    [
        "password: hunter2secret: x",
        "password: [hunter2secret",
        "password: 'hunter2secret",
        "password: &hunter2secret {a: *hunter2secret}",
        "password: *hunter2secret",
        "password: !hunter2secret!x y",
        "password: !!int hunter2secret",
        "password: !!binary hunter2secret",
        "{[hunter2secret]: x}",
        "hunter2secret: {<<: hunter2secret}",
        "password: hunter2secret\x01",
        "--- hunter2secret",
        "%hunter2secret",
        "@hunter2secret",
        "password: |\n  hunter2secret\n bad",
        '{"password": "hunter2secret',
    ],
)
def test_an_error_never_repeats_what_the_file_holds(text):
    assert "hunter2" not in refusal(text)
    with pytest.raises(YamlError) as caught:
        read_documents("f", text.encode(), BOUNDS)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value, chain=True)).replace(text, "")


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"a: \xff", "UTF-8"),
        (b"a: 1\nb: \xc3(", "line 2"),
        (b"\xff\xfea\x00:\x00 ", "UTF-16"),
    ],
)
def test_what_is_no_text_is_refused(content, named):
    assert named in refusal(content)


def test_documents_are_numbered_without_the_empty_ones():
    documents = read_documents("f", b"---\n# nothing\n---\na: 1\n---\n---\nb: 2\n", BOUNDS)
    assert [(d.number, d.value) for d in documents] == [(1, {"a": 1}), (2, {"b": 2})]


def test_what_follows_the_end_of_a_document_is_not_dropped():
    assert "expected <document start>" in refusal("a: 1\n...\nb: 2\n")
    assert "`---`" in refusal("a: 1\r---\rb: 2\r")


def test_a_key_that_two_types_share_is_refused_instead_of_left_to_chance():
    assert "same string" in refusal('1: a\n"1": b\n')
    assert values("1: a\n0x1: b\n") == [{"1": "b"}]
    assert values("a: 1\na: 2\n") == [{"a": 2}]


def test_json_files_hold_one_value():
    assert [d.value for d in read_json("f.json", b'{"a": 1.0, "b": 12345678901234567890}', BOUNDS)] == [
        {"a": 1, "b": 1.2345678901234567e19}
    ]
    assert read_json("f.json", b"null", BOUNDS) == ()
    assert "one JSON value" in refusal(b"{} {}", read=read_json)
    assert "one JSON value" in refusal(b"", read=read_json)
    assert "one JSON value" in refusal(b"a: 1", read=read_json)


@UNHURRIED
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(content):
    try:
        read_documents("f", content, BOUNDS)
    except YamlError:
        return


@UNHURRIED
@given(st.text(alphabet="&*a<{}[]:, -?!|>'\"\n#1", max_size=80))
def test_any_tangle_of_indicators_is_read_or_refused(text):
    try:
        read_documents("f", text.encode(), BOUNDS)
    except YamlError:
        return
