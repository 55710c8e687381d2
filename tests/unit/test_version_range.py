"""Ranges of versions mean what they mean to Argo CD."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domain.version_range import among_tags, best_tag, parse_range, parse_version

NAMES = "v1.2.3 v1.2.4 v1.3.0 v1.10.0 v2.0.0-rc.1 v2.0.0-rc.10 v2.0.0 v2.1.0-beta 3 0.4.1 x"
TAGS = [f"refs/tags/{name}" for name in NAMES.split(" ")]
PLAIN = ["", "main", "x", "1", "1.2", "v1.2.3", "release-1.*", ">=", "1.2.3.4", "a||b", "^", "--x", "> 1 2y"]
RANGES = st.text(alphabet="0123456789.xX*v<>=!~^|, -+ab", max_size=25)


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("1.*", "v1.10.0"),
        ("1.2.x", "v1.2.4"),
        ("v1.2.*", "v1.2.4"),
        (">=1.2 <1.3", "v1.2.4"),
        (">=1.2.0, <2.0.0", "v1.10.0"),
        ("~1.2.3", "v1.2.4"),
        ("~1", "v1.10.0"),
        ("^1.2.3", "v1.10.0"),
        ("^0.4.0", "0.4.1"),
        ("^0.3", None),
        ("*", "3"),
        ("<2", "v1.10.0"),
        (">2", "3"),
        ("<=2", "v2.0.0"),
        ("=>2 <3", "v2.0.0"),
        (">=2.0.0-0 <2.0.0-z", "v2.0.0-rc.10"),
        (">=2.0.0-0 <2.0.0", None),
        (">=2.0.0-0 <3-0", "v2.1.0-beta"),
        (">=1.2 <3 != 2.0.0", "v1.10.0"),
        ("1.2 - 1.3", "v1.3.0"),
        ("^1.2.9 || ~1.2", "v1.10.0"),
        ("~9 || 1.2.*", "v1.2.4"),
        (">9", None),
        ("=1.2.3", "v1.2.3"),
    ],
)
def test_the_highest_tag_that_is_admitted(text: str, tag: str | None) -> None:
    wanted = parse_range(text)
    assert wanted is not None
    assert best_tag(wanted, TAGS) == (tag and f"refs/tags/{tag}")


@pytest.mark.parametrize(
    "text", ["", "main", "1", "1.2", "v1.2.3", "release-1.*", ">=", "1.2.3.4", "a||b", "^", "--x", "> 1 2y"]
)
def test_a_name_is_no_range(text: str) -> None:
    assert parse_range(text) is None


@given(
    st.text(alphabet="0123456789.xX*v<>=!~^|, -+ab", max_size=25), st.lists(st.text("0123.v-a", max_size=9), max_size=5)
)
def test_any_text_is_a_range_or_none_and_chooses_among_what_is_there(text: str, names: list[str]) -> None:
    wanted = parse_range(text)
    refs = [f"refs/tags/{name}" for name in names]
    if wanted is not None:
        chosen = best_tag(wanted, refs)
        assert chosen is None or chosen in refs


@given(st.tuples(*[st.integers(0, 30)] * 3), st.tuples(*[st.integers(0, 30)] * 3))
def test_bounds_are_bounds(low: tuple[int, ...], value: tuple[int, ...]) -> None:
    text = ".".join(map(str, low))
    version = parse_version("v" + ".".join(map(str, value)))
    assert version is not None
    for operator, expected in {">=": value >= low, "<": value < low, ">": value > low, "<=": value <= low}.items():
        wanted = parse_range(operator + text)
        assert wanted is not None
        assert wanted.admits(version) == expected


def test_a_prefix_tells_one_among_several_that_are_tagged_in_a_repository() -> None:
    refs = [f"refs/tags/{name}" for name in ("web/v1.2.0", "web/1.3.0-rc.1", "db/1.9.0", "1.8.0", "web/x")]
    wanted = parse_range(among_tags("web/", "1.*"))
    assert wanted is not None
    assert best_tag(wanted, refs) == "refs/tags/web/v1.2.0"
    assert among_tags("web/", "main") == "main", "what is no range is a name"
    assert among_tags("", "1.*") == "1.*"
    assert parse_range("a b:1.*") is None
    assert parse_range(":1.*") is None
