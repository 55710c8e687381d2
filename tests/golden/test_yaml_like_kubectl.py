"""The same text, read by Trueup and by a real kubectl, is the same object."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.kubectl import kubectl_binary
from trueup.domain.kubeyaml import YamlBounds, YamlError, read_documents

CORPUS = Path(__file__).parent / "yaml"
HEAD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: golden}\n"
REFUSED = "refused"
BOUNDS = YamlBounds()

#: What kubectl refuses and Trueup reads: libyaml's scanner is newer than go-yaml's.
ONLY_TRUEUP_READS = frozenset({r'v: "\/"', "v: [a?b, ?c]"})
#: What kubectl reads and Trueup refuses, because kubectl loses bytes, or leaves it to chance which key wins.
ONLY_KUBECTL_READS = frozenset({"v: !!binary /w==", '1: a\n"1": b', "true: a\n'true': b"})


def integer(text: str) -> int | float:
    """What a Kubernetes reader makes of an integer in JSON: beyond 64 bits it is a float."""
    return int(text) if -(2**63) <= int(text) < 2**63 else float(text)


def by_kubectl(directory: Path, texts: list[bytes]) -> list[Any]:
    """Each text's documents as kubectl prints them, or REFUSED. One process for all of them."""
    for n, text in enumerate(texts):
        (directory / f"{n:05}.yaml").write_bytes(text)
    run = subprocess.run(  # noqa: S603 - our own arguments
        [kubectl_binary(), "annotate", "--local", "-o", "json", "-f", str(directory), "golden=x"],
        capture_output=True,
        check=False,
        env={"HOME": str(directory), "PATH": os.environ["PATH"]},
        timeout=120,
    )
    results: list[Any] = [[] for _ in texts]
    out, position, decoder = run.stdout.decode(), 0, json.JSONDecoder(parse_int=integer)
    while position < len(out.rstrip()):
        document, position = decoder.raw_decode(out, position)
        position += 1
        number, _, _ = document["metadata"]["name"].partition("-")
        results[int(number)].append(document.get("data"))
    # kubectl prints the documents before a bad one and then names the file.
    for match in re.finditer(r"(\d{5})\.yaml", run.stderr.decode()):
        results[int(match[1])] = REFUSED
    return results


def by_trueup(text: bytes) -> Any:
    try:
        return [json.loads(json.dumps(d.value.get("data"))) for d in read_documents("golden.yaml", text, BOUNDS)]
    except YamlError:
        return REFUSED


def same(ours: Any, theirs: Any) -> bool:
    """JSON equality in which `1` and `true` differ, and `1` and `1.0` do not."""
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return ours is theirs
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same(v, theirs[k]) for k, v in ours.items())
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return bool(ours == theirs)


def under_data(n: int, body: str) -> bytes:
    head = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {n}-golden}}\ndata:\n"
    return (head + "".join(f"  {line}\n" for line in body.split("\n"))).encode()


def compare(directory: Path, cases: list[str]) -> list[str]:
    texts = [under_data(n, case) for n, case in enumerate(cases)]
    wrong = []
    for case, text, theirs in zip(cases, texts, by_kubectl(directory, texts), strict=True):
        ours = by_trueup(text)
        if case in ONLY_TRUEUP_READS:
            agreed = theirs == REFUSED and ours != REFUSED
        elif case in ONLY_KUBECTL_READS:
            agreed = ours == REFUSED and theirs != REFUSED
        else:
            agreed = same(ours, theirs)
        if not agreed:
            wrong.append(f"{case!r}: ours {ours!r}, kubectl {theirs!r}")
    return wrong


def lines(name: str) -> list[str]:
    return (CORPUS / name).read_text().splitlines()


@pytest.mark.parametrize(
    ("name", "cases"),
    [
        ("values", [f"v: {line}" for line in lines("values.txt")]),
        ("items", [f"v: [{line}]" for line in lines("values.txt")]),
        ("keys", [f"{line}: v" for line in lines("keys.txt")]),
        ("constructs", (CORPUS / "constructs.txt").read_text().rstrip("\n").split("\n=====\n")),
    ],
)
def test_every_text_of_the_corpus_means_what_kubectl_says(name, cases, tmp_path):
    assert compare(tmp_path, cases) == []


def test_the_few_known_differences_are_just_these(tmp_path):
    assert compare(tmp_path, sorted(ONLY_TRUEUP_READS | ONLY_KUBECTL_READS)) == []


def config_map(n: int, data: str, name: str = "golden") -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {n}-{name}}}\ndata: {{x: {data}}}\n"


def json_map(n: int, data: str) -> str:
    return f'{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{n}-json"}},"data":{{"x":{data}}}}}'


FILES: list[Any] = [
    lambda n: config_map(n, "1") + "---\n" + config_map(n, "2"),
    lambda n: "---\n" + config_map(n, "1"),
    lambda n: config_map(n, "1") + "--- # comment\n" + config_map(n, "2"),
    lambda n: config_map(n, "1") + "---\t\n" + config_map(n, "2"),
    lambda n: config_map(n, "1") + "---\r\n" + config_map(n, "2"),
    lambda n: config_map(n, "1") + "--- {a: b}\n",
    lambda n: "---x\n" + config_map(n, "1"),
    lambda n: config_map(n, "1") + "----\n" + config_map(n, "2"),
    lambda n: config_map(n, "1") + " ---\n" + config_map(n, "2"),
    lambda n: config_map(n, "1") + "...\n---\n" + config_map(n, "2"),
    lambda n: config_map(n, "1") + "...\n",
    lambda n: "---\n---\n\n---\n# comment\n---\n" + config_map(n, "1") + "---\n",
    lambda n: "# comment\n---\n" + config_map(n, "1"),
    lambda n: "~\n---\n" + config_map(n, "1"),
    lambda _: "",
    lambda _: "\n\n",
    lambda _: "---\n",
    lambda _: "# only a comment\n",
    lambda _: "null\n",
    lambda n: "%YAML 1.1\n---\n" + config_map(n, "1"),
    lambda n: "%TAG ! tag:example.org,2000:\n---\n" + config_map(n, "1"),
    lambda n: "\ufeff" + config_map(n, "1"),
    lambda n: "\ufeff---\n" + config_map(n, "1"),
    lambda n: config_map(n, "1") + "---\n\ufeff" + config_map(n, "2"),
    lambda n: config_map(n, "a\ufeffb"),
    lambda n: config_map(n, "1").replace("\n", "\r\n") + "---\r\n" + config_map(n, "2").replace("\n", "\r\n"),
    lambda n: config_map(n, "1").replace("\n", "\r"),
    lambda n: config_map(n, "a\x85b"),
    lambda n: config_map(n, "a\u2028b"),
    lambda n: config_map(n, "a\x01b"),
    lambda n: config_map(n, "a\x00b"),
    lambda n: config_map(n, "é ✓ 😀"),
    lambda n: config_map(n, '"a\n---\nb"'),
    lambda n: config_map(n, "1").rstrip("\n"),
    lambda n: json_map(n, "1"),
    lambda n: "  \n " + json_map(n, "1"),
    lambda n: "---\n" + json_map(n, "1") + "\n---\n" + json_map(n, "2"),
    lambda n: config_map(n, "1") + "---\n" + json_map(n, "2"),
    lambda n: "# comment\n" + json_map(n, "1.0"),
    lambda n: json_map(n, "1.0"),
    lambda n: json_map(n, "1e3"),
    lambda n: json_map(n, "1.5"),
    lambda n: json_map(n, "-0"),
    lambda n: json_map(n, "12345678901234567890"),
    lambda n: json_map(n, "123456789012345678901234567890"),
    lambda n: json_map(n, "0x10"),
    lambda n: json_map(n, "010"),
    lambda n: json_map(n, "yes"),
    lambda n: json_map(n, "[true, null, 1e21, 1E-7]"),
    lambda n: json_map(n, r'"\ud83d\ude00 \/ \u00e9"'),
    lambda n: json_map(n, '{"a":1,"a":2}'),
    lambda n: json_map(n, '{"' + "k" * 2_000 + '": 1}'),
    lambda n: json_map(n, "1") + "}",
    lambda n: json_map(n, "1").replace(",", ",\n\t"),
]


def test_every_file_holds_the_documents_that_kubectl_finds(tmp_path):
    texts = [make(n).encode() for n, make in enumerate(FILES)]
    theirs = by_kubectl(tmp_path, texts)
    wrong = [
        (text, ours, kubectl)
        for text, ours, kubectl in zip(texts, map(by_trueup, texts), theirs, strict=True)
        if not same(ours, kubectl)
    ]
    assert wrong == []


NUMBERISH = st.text(alphabet="0123456789abcdefxXoObBeE_+-.:~ynYN", min_size=1, max_size=12)
WORDISH = st.sampled_from(["y", "yes", "On", "oFF", "null", "~", ".inf", "-.INF", ".NaN", "=", "0x1f", "1e3", "TRUE"])
ANY_TEXT = st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x2FF, exclude_characters="\x7f"))
TAGS = st.sampled_from(["", "", "", "!!str ", "!!int ", "!!float ", "!!bool ", "!!null ", "!x ", "! ", "&a "])
SCALARS = st.tuples(TAGS, st.one_of(NUMBERISH, NUMBERISH, NUMBERISH, WORDISH, ANY_TEXT)).map("".join)


@settings(max_examples=12, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(scalars=st.lists(SCALARS, min_size=100, max_size=150))
def test_any_scalar_means_what_kubectl_says(scalars, tmp_path_factory):
    cases = [f"v: {s}" for s in scalars] + [f"{s}: v" for s in scalars if s.strip()]
    assert compare(tmp_path_factory.mktemp("scalars"), cases) == []
