"""One chart's versions, cut out of an index or read from the whole of it, are the same."""

from __future__ import annotations

import contextlib
import io
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueup.clients.charts.challenge import challenges
from trueup.clients.charts.index import (
    Entry,
    MalformedIndexError,
    SlowIndexError,
    _find,
    _part,
    entries_of,
)
from trueup.clients.charts.refusal import retry_after_seconds

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
DIGEST = "ab" * 32
NAMES = ["shop", "shop-a", "a.b", "123", "true", "null", "x_y", "entries"]
texts = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["\n  shop:\n  - version: 6.6.6\n", "entries:\n", "a: b", "'", '"\n', "  shop:", "# x", "|-\n a"]),
    st.text(alphabet="ab \n:-'\"#", max_size=200),
)
extra = st.recursive(texts, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2))
entry = st.fixed_dictionaries(
    {"version": st.sampled_from(["1.0.0", "2.0.0-rc.1", "v3", "1.0.0+a"]), "urls": st.lists(texts, max_size=2)},
    optional={
        "digest": st.sampled_from([DIGEST, "sha256:" + DIGEST.upper(), "md5:1"]),
        "description": texts,
        "x": extra,
    },
)
indexes = st.fixed_dictionaries(
    {"entries": st.dictionaries(st.sampled_from(NAMES), st.lists(entry, max_size=3), max_size=5)},
    optional={"apiVersion": st.just("v1"), "annotations": extra, "generated": texts, "zzz": extra},
)
styles = st.fixed_dictionaries(
    {
        "width": st.sampled_from([20, 80, 10_000]),
        "indent": st.sampled_from([2, 2, 2, 4]),
        "sort_keys": st.booleans(),
        "allow_unicode": st.booleans(),
        "default_style": st.sampled_from([None, None, None, '"', "'", "|"]),
        "default_flow_style": st.sampled_from([False, False, False, True, None]),
    }
)


def never() -> bool:
    return False


def expected(index: dict[str, Any], chart: str) -> tuple[Entry, ...] | None:
    listed = index["entries"].get(chart)
    if listed is None:
        return None
    digests = {DIGEST: DIGEST, "sha256:" + DIGEST.upper(): DIGEST}
    return tuple(Entry(one["version"], tuple(one["urls"]), digests.get(one.get("digest", ""), "")) for one in listed)


class _NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, _data: Any) -> bool:
        return True


@UNHURRIED
@given(indexes, styles, st.sampled_from(NAMES))
def test_whatever_a_yaml_writer_writes_is_read(index: dict[str, Any], style: dict[str, Any], chart: str) -> None:
    text = yaml.dump(index, Dumper=_NoAliases, **style).encode("utf-8", "surrogatepass")
    # A folded text may come back otherwise than it was; what counts is what YAML says that it is.
    assert entries_of(text, chart, is_late=never) == expected(yaml.load(text, Loader=yaml.CBaseLoader), chart)  # noqa: S506


@UNHURRIED
@given(indexes, st.sampled_from(NAMES))
def test_what_is_laid_out_as_helm_does_it_is_not_read_whole(index: dict[str, Any], chart: str) -> None:
    index["entries"] = {name: listed for name, listed in index["entries"].items() if listed}
    # What go-yaml writes: no sequence is indented, no line folded.
    text = yaml.dump(index, Dumper=_NoAliases, width=10**6, sort_keys=True).encode("utf-8", "surrogatepass")
    if chart in index["entries"] and len(text) < 60_000:
        assert _part(text, chart) is not None
    assert entries_of(text, chart, is_late=never) == expected(index, chart)


@UNHURRIED
@given(indexes, st.sampled_from(NAMES))
def test_a_json_index_is_read(index: dict[str, Any], chart: str) -> None:
    assert entries_of(orjson.dumps(index), chart, is_late=never) == expected(index, chart)


@UNHURRIED
@given(st.one_of(st.binary(max_size=200), texts.map(lambda text: f"entries:\n{text}\n".encode("utf-8", "replace"))))
def test_any_bytes_are_an_index_or_none(text: bytes) -> None:
    with contextlib.suppress(MalformedIndexError):
        entries_of(text, "shop", is_late=never)


@pytest.mark.parametrize(
    "text",
    [
        "a: |\n  shop:\n  - version: 6.6.6\nentries:\n  shop:\n  - version: 1.0.0\n",
        'a: "\nentries:\n  shop:\n  - version: 6.6.6\n"\nentries:\n  shop:\n  - version: 1.0.0\n',
        'a: "\nentries:\n  shop:\n  - version: 6.6.6\n  b: "\nentries: {shop: [{version: 1.0.0}]}\n',
        "entries:\n  shop: \n  - version: 1.0.0\n",
        "entries:\n  shop: # the shop\n  - version: 1.0.0\n",
        "entries:\n  'shop':\n    - version: 1.0.0\n",
        "entries: {shop: [{version: 1.0.0}]}\n",
        "entries:\r\n  shop:\r\n  - version: 1.0.0\r\n",
        "\ufeffentries:\n  shop:\n  - version: 1.0.0\n",
        "---\n# all\nentries:\n\n  # it\n  shop:\n\n  # one\n  - version: 1.0.0\n  shop-a:\n  - version: 2\n",
        "entries:\n  ? shop\n  : - version: 1.0.0\n",
        "entries:\n    shop:\n    - version: 1.0.0\n",
    ],
)
def test_odd_layouts_mean_what_yaml_says(text: str) -> None:
    assert entries_of(text.encode(), "shop", is_late=never) == (Entry("1.0.0", (), ""),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<html>", "web page"),
        ("  <?xml version='1.0'?>", "web page"),
        ("entries:\n  shop:\n  - version: 1\n  shop:\n  - version: 2\n", "twice"),
        ("a: &x 1\nentries:\n  shop:\n  - version: *x\n", "alias"),
        ("entries:\n  shop:\n  - version: [1]\n", "no text"),
        ("entries:\n  shop: 1\n", "no list"),
        ("entries:\n  shop:\n  - 1\n", "no mapping"),
        ("a: 1\n", "no entries"),
        ("entries:\n  shop: [\n", "no YAML in line"),
        ("{a", "no YAML"),
        ("entries:\n  shop:\n  - x: " + "[" * 100 + "]" * 100, "nested"),
    ],
)
def test_what_is_no_index_is_said(text: str, said: str) -> None:
    with pytest.raises(MalformedIndexError, match=said):
        entries_of(text.encode(), "shop", is_late=never)


def test_a_chart_is_found_in_an_index_of_50_mb_without_reading_it() -> None:
    one = "".join(f"  - name: c\n    version: 1.{n}.0\n    digest: {DIGEST}\n" for n in range(1_000))
    body = "apiVersion: v1\nentries:\n" + "".join(f"  chart-{n}:\n{one}" for n in range(480)) + "generated: x\n"
    text = body.encode()
    assert len(text) > 45_000_000
    part = _part(text, "chart-300")
    assert part is not None
    assert len(part) < 110_000
    found = entries_of(text, "chart-300", is_late=never)
    assert found is not None
    assert len(found) == 1_000


@UNHURRIED
@given(st.integers(1, 9), st.integers(0, 60))
def test_a_search_in_steps_finds_what_lies_across_them(step: int, place: int) -> None:
    text = b"." * place + b"name:" + b"." * (60 - place) + b"name:"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trueup.clients.charts.index._STEP_BYTES", step)
        assert [_find(text, b"name:", start) for start in (0, place, place + 1, 66)] == [place, place, 65, -1]


def test_reading_a_large_odd_one_ends_in_time() -> None:
    text = b"entries: \n" + b"  a:\n  - version: 1\n" * 5_000
    with pytest.raises(SlowIndexError):
        entries_of(text, "shop", is_late=lambda: True)


@UNHURRIED
@given(st.text(alphabet='Bearerasic rlm="\\,;: \t', max_size=80))
def test_any_text_is_challenges_or_none(text: str) -> None:
    for challenge in challenges([text]):
        assert challenge.scheme == challenge.scheme.lower()


def test_challenges_of_registries() -> None:
    said = 'Bearer realm="https://auth.example/token",service="registry",scope="repository:a/b:pull,push"'
    (one,) = challenges([said])
    assert (one.scheme, one.parameters["scope"]) == ("bearer", "repository:a/b:pull,push")
    both = challenges(['Basic realm="a \\"b\\"", Bearer realm=x , service = "s"', "Negotiate"])
    assert [(one.scheme, dict(one.parameters)) for one in both] == [
        ("basic", {"realm": 'a "b"'}),
        ("bearer", {"realm": "x", "service": "s"}),
        ("negotiate", {}),
    ]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7.0), (" 7 ", 7.0), ("99999999999999", 60.0), ("", None), ("soon", None), ("-1", None), ("1.5", None)],
)
def test_a_pause_that_is_asked_for(text: str, seconds: float | None) -> None:
    assert retry_after_seconds(text, 60.0) == seconds


def test_a_pause_until_a_date() -> None:
    assert retry_after_seconds("Mon, 02 Mar 2020 09:12:31 GMT", 60.0) == 0.0
    assert retry_after_seconds(f"Mon, 02 Mar {datetime.now(UTC).year + 1} 09:12:31 GMT", 60.0) == 60.0


def test_the_dumper_of_these_tests_writes_what_helm_would() -> None:
    out = io.StringIO()
    yaml.dump({"entries": {"shop": [{"version": "1"}]}}, out, Dumper=_NoAliases)
    assert out.getvalue() == "entries:\n  shop:\n  - version: '1'\n"
