"""Patterns of value files match as in Argo CD, and choose in the order in which values overrule each other."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domain.doublestar import compile_doublestar, is_pattern
from trueup.domain.errors import InvalidSpecError

FILES = [
    "a.yaml",
    "b.yml",
    ".hidden.yaml",
    "env/a.yaml",
    "env/eu/a.yaml",
    "env/eu/west/b.yaml",
    "env/us/a.yaml",
    "x/[y].yaml",
]


def chosen(pattern: str) -> list[str]:
    return compile_doublestar(pattern, "field").chosen(FILES)


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("*.yaml", [".hidden.yaml", "a.yaml"]),
        ("?.y*ml", ["a.yaml", "b.yml"]),
        ("env/*.yaml", ["env/a.yaml"]),
        ("env/*/*.yaml", ["env/eu/a.yaml", "env/us/a.yaml"]),
        ("env/**/a.yaml", ["env/a.yaml", "env/eu/a.yaml", "env/us/a.yaml"]),
        ("env/**", ["env/a.yaml", "env/eu/a.yaml", "env/eu/west/b.yaml", "env/us/a.yaml"]),
        ("**/b.*", ["b.yml", "env/eu/west/b.yaml"]),
        ("**/eu/**/*.yaml", ["env/eu/a.yaml", "env/eu/west/b.yaml"]),
        ("env**/*.yaml", ["env/a.yaml"]),
        ("env/{us,eu}/?.yaml", ["env/us/a.yaml", "env/eu/a.yaml"]),
        ("[a-b].y*", ["a.yaml", "b.yml"]),
        ("[^a].y*", ["b.yml"]),
        ("[!a].y*", ["b.yml"]),
        ("x/\\[y\\].*", ["x/[y].yaml"]),
        ("nothing/*", []),
    ],
)
def test_a_pattern_chooses(pattern: str, matched: list[str]) -> None:
    assert chosen(pattern) == matched


def test_the_files_of_a_directory_come_before_those_of_directories_in_it() -> None:
    files = ["env/z.yaml", "env/a/x.yaml"]
    assert compile_doublestar("env/**/*.yaml", "field").chosen(files) == ["env/z.yaml", "env/a/x.yaml"]
    assert compile_doublestar("env/**", "field").chosen(files) == ["env/a/x.yaml", "env/z.yaml"]


def test_the_directory_to_look_in_is_as_deep_as_it_is_certain() -> None:
    def where(pattern: str) -> tuple[str, bool]:
        compiled = compile_doublestar(pattern, "field")
        return compiled.base, compiled.is_deep

    assert where("a/b/*.yaml") == ("a/b", False)
    assert where("a/*/b.yaml") == ("a", True)
    assert where("a/**") == ("a", True)
    assert where("*.yaml") == ("", False)
    assert where("a/{b/c,b/d}*") == ("a/b", False)
    assert where("{a,b}/x*") == ("", True)


@pytest.mark.parametrize("pattern", ["[", "[z-a]*", "*\\", "{a", "[]*", "*" * 3000])
def test_a_pattern_that_makes_no_sense_is_refused_by_its_field(pattern: str) -> None:
    with pytest.raises(InvalidSpecError, match=r"^spec.source.helm.valueFiles is "):
        compile_doublestar(pattern, "spec.source.helm.valueFiles")


def test_braces_alone_name_a_file() -> None:
    assert not is_pattern("values-{a,b}.yaml")
    assert is_pattern("values-*.yaml")


NAMES = st.text("ab.", min_size=1, max_size=3)


@given(st.lists(st.one_of(st.just("**"), st.text("ab*?.", min_size=1, max_size=3)), min_size=1, max_size=4), st.data())
def test_a_pattern_matches_as_its_plain_expression(parts: list[str], data: st.DataObject) -> None:
    path = "/".join(data.draw(st.lists(NAMES, min_size=1, max_size=4)))
    expression = ""
    for at, part in enumerate(parts):
        is_last = at == len(parts) - 1
        if part == "**":
            expression += r"(?:[^/]+(?:/[^/]+)*)?" if is_last else r"(?:[^/]+/)*"
        else:
            inner = re.escape(part).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
            expression += inner + ("" if is_last or parts[at + 1 :] == ["**"] * (len(parts) - at - 1) else "/")
            if not is_last and parts[at + 1 :] == ["**"] * (len(parts) - at - 1):
                expression += r"(?:/[^/]+)*"
                break
    wanted = re.fullmatch(expression, path) is not None
    assert (compile_doublestar("/".join(parts), "field").chosen([path]) == [path]) == wanted


def test_a_pattern_with_many_stars_takes_no_long_time() -> None:
    pattern = "/".join(["**", "*a" * 40] * 20)
    assert compile_doublestar(pattern, "field").chosen(["/".join(["a" * 200] * 30) + "b"]) == []
