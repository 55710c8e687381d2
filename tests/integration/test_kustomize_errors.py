"""A kustomization that is no good is told in a sentence: the file, the thing, the way out, and nothing private."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.jails import jail
from tests.support.kustomizations import Kustomizations, Written, config_map, kustomizations, link
from trueup.domain.errors import StalledError
from trueup.domain.source import Kustomize
from trueup.engine.render.kustomize_said import said

BASE = {"base/kustomization.yaml": "resources: [cm.yaml]\n", "base/cm.yaml": config_map("a", x="1")}
CANARY = "correct-horse-battery"


@pytest.fixture(scope="module")
async def repository(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Kustomizations]:
    root = tmp_path_factory.mktemp("errors")
    async with jail() as within, kustomizations(tools, root, within) as opened:
        yield opened


async def refused(repository: Kustomizations, files: Written, path: str, options: Kustomize | None = None) -> str:
    with pytest.raises(StalledError) as caught:
        await repository.render(files, path, options)
    message = str(caught.value)
    assert str(repository.root) not in message
    assert "render-" not in message
    assert "Error: " not in message
    return message


CASES: dict[str, tuple[Written, list[str]]] = {
    "a missing file": (
        {"site/kustomization.yaml": "resources: [nope.yaml]\n"},
        ["site/kustomization.yaml: resources names nope.yaml, and site/nope.yaml is not there; commit it"],
    ),
    "a missing base": (
        {"site/kustomization.yaml": "resources: [../nope]\n"},
        ["site/kustomization.yaml: resources names ../nope, and nope is not there"],
    ),
    "a missing base of a base": (
        {"site/kustomization.yaml": "resources: [../base]\n", "base/kustomization.yaml": "resources: [../nope]\n"},
        ["base/kustomization.yaml: resources names ../nope, and nope is not there"],
    ),
    "a missing component": (
        {"site/kustomization.yaml": "components: [../nope]\nresources: [a.yaml]\n", "site/a.yaml": config_map("a")},
        ["site/kustomization.yaml: components names ../nope, and nope is not there"],
    ),
    "a missing patch": (
        {**BASE, "site/kustomization.yaml": "resources: [../base]\npatches: [{path: p.yaml}]\n"},
        ["site/kustomization.yaml: patches[].path names p.yaml, and site/p.yaml is not there"],
    ),
    "a missing file of a generator": (
        {"site/kustomization.yaml": "secretGenerator: [{name: a, files: [k=p.txt]}]\n"},
        ["site/kustomization.yaml: secretGenerator[].files names p.txt, and site/p.txt is not there"],
    ),
    "a missing schema": (
        {**BASE, "site/kustomization.yaml": "resources: [../base]\nopenapi: {path: s.json}\n"},
        ["site/kustomization.yaml: openapi.path names s.json, and site/s.json is not there"],
    ),
    "bases in a ring": (
        {"site/kustomization.yaml": "resources: [../base]\n", "base/kustomization.yaml": "resources: [../site]\n"},
        ["cycle detected: candidate root 'site'", "base", "take one of the two out"],
    ),
    "its own base": (
        {"site/kustomization.yaml": "resources: [.]\n"},
        ["cycle detected", "take one of the two out"],
    ),
    "components in a ring": (
        {
            "site/kustomization.yaml": "components: [../a]\n",
            "a/kustomization.yaml": "kind: Component\ncomponents: [../b]\n",
            "b/kustomization.yaml": "kind: Component\ncomponents: [../a]\n",
        },
        ["cycle detected"],
    ),
    "a base that is none": (
        {"site/kustomization.yaml": "resources: [../base]\n", "base/cm.yaml": config_map("a")},
        ["unable to find one of 'kustomization.yaml'", "'base'", "name a directory that has one of them"],
    ),
    "a directory that is none": (
        {"site/cm.yaml": config_map("a")},
        ["spec.source.path site", "unable to find one of"],
    ),
    "two kustomizations": (
        {"site/kustomization.yaml": "namePrefix: a\n", "site/Kustomization": "namePrefix: a\n"},
        ["Found multiple kustomization files", "keep one of"],
    ),
    "an empty one": ({"site/kustomization.yaml": "# nothing\n"}, ["kustomization.yaml is empty"]),
    "garbage": ({"site/kustomization.yaml": "\0\1\2 ]]"}, ["site/kustomization.yaml: invalid Kustomization"]),
    "broken YAML": ({"site/kustomization.yaml": "a: b\n c: d\n"}, ["site/kustomization.yaml: invalid", "line 2"]),
    "no mapping": ({"site/kustomization.yaml": "just words\n"}, ["site/kustomization.yaml: invalid Kustomization"]),
    "an unknown field": ({"site/kustomization.yaml": "resource: [a]\n"}, ['unknown field "resource"']),
    "the wrong type": ({"site/kustomization.yaml": "resources: {a: 1}\n"}, ["invalid Kustomization", "resources"]),
    "a bad resource": (
        {"site/kustomization.yaml": "resources: [a.yaml]\n", "site/a.yaml": "a: b\n  c: d\n"},
        ["a.yaml", "line 2"],
    ),
    "a resource without a kind": (
        {"site/kustomization.yaml": "resources: [a.yaml]\n", "site/a.yaml": "a: b\n"},
        ["it: accumulating resources: accumulating resources from 'a.yaml': missing Resource metadata"],
    ),
    "the same object twice": (
        {**BASE, "site/kustomization.yaml": "resources: [../base, cm.yaml]\n", "site/cm.yaml": config_map("a")},
        ["already registered id", "cm.yaml"],
    ),
    "a patch that meets nothing": (
        {
            **BASE,
            "site/kustomization.yaml": "resources: [../base]\npatches: [{path: p.yaml}]\n",
            "site/p.yaml": config_map("other"),
        },
        ["no matches for", "other"],
    ),
    "a component that is a kustomization": (
        {**BASE, "site/kustomization.yaml": "components: [../base]\n"},
        ["expected kind 'Component' for path 'base'"],
    ),
    "a file of the repository outside of its directory": (
        {"site/kustomization.yaml": "configMapGenerator: [{name: a, files: [../outside.txt]}]\n", "outside.txt": "x"},
        ["security; file 'outside.txt' is not in or below 'site'", "move the file below"],
    ),
    "the same by a link": (
        {
            "site/kustomization.yaml": "configMapGenerator: [{name: a, files: [in.txt]}]\n",
            "outside.txt": "x",
            "site/in.txt": link("../outside.txt"),
        },
        ["security; file 'site/in.txt' is not in or below 'site'", "move the file below"],
    ),
}


@pytest.mark.parametrize("name", CASES)
async def test_what_is_wrong_is_named(repository: Kustomizations, name: str) -> None:
    files, words = CASES[name]
    message = await refused(repository, files, "site")
    for word in words:
        assert word in message


async def test_a_path_that_is_no_directory_is_named(repository: Kustomizations) -> None:
    assert "spec.source.path nope is not there" in await refused(repository, BASE, "nope")
    assert "spec.source.path base/cm.yaml is a file" in await refused(repository, BASE, "base/cm.yaml")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a: b\n  c: d\n", "site/kustomization.yaml, line 2"),
        ("just words\n", "site/kustomization.yaml: it is no kustomization"),
        ("- a\n", "site/kustomization.yaml: it is no kustomization"),
    ],
)
async def test_options_over_what_is_no_kustomization_are_never_left_out(
    repository: Kustomizations, content: str, words: str
) -> None:
    message = await refused(repository, {"site/kustomization.yaml": content}, "site", Kustomize(name_prefix="a-"))
    assert words in message


SECRET = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{password: {CANARY}}}\n"
LEAKS: dict[str, Written] = {
    "a literal without a key": {
        "kustomization.yaml": f"secretGenerator: [{{name: s, literals: [p={CANARY}, {CANARY}]}}]\n"
    },
    "a literal of a wrong type": {"kustomization.yaml": f"secretGenerator: [{{name: s, literals: {{p: {CANARY}}}}}]\n"},
    "a key twice": {"kustomization.yaml": f"secretGenerator: [{{name: s, literals: [p={CANARY}, p={CANARY}]}}]\n"},
    "a secret twice": {
        "kustomization.yaml": "resources: [s.yaml]\n"
        f"secretGenerator: [{{name: s, literals: [p={CANARY}], options: {{disableNameSuffixHash: true}}}}]\n",
        "s.yaml": SECRET,
    },
    "no name": {"kustomization.yaml": f"secretGenerator: [{{literals: [p={CANARY}]}}]\n"},
    "an environment file of one line": {
        "kustomization.yaml": "secretGenerator: [{name: s, envs: [e.env], files: [nope]}]\n",
        "e.env": f"P={CANARY}\n",
    },
    "a secret that is no mapping": {"kustomization.yaml": "resources: [s.yaml]\n", "s.yaml": f"{SECRET}{CANARY}\n"},
    "a secret of broken YAML": {"kustomization.yaml": "resources: [s.yaml]\n", "s.yaml": f"{SECRET} x: {CANARY}\n"},
    "a secret of a wrong type": {
        "kustomization.yaml": "resources: [s.yaml]\nnamePrefix: a\n",
        "s.yaml": f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {{x: {CANARY}}}}}\n",
    },
    "a patch of a secret that is no patch": {
        "kustomization.yaml": "resources: [s.yaml]\n"
        f"patches: [{{target: {{kind: Secret}}, patch: '[{{op: nope, path: /data/x, value: {CANARY}}}]'}}]\n",
        "s.yaml": SECRET,
    },
    "a patch that is neither": {
        "kustomization.yaml": f"resources: [s.yaml]\npatches: [{{patch: '{CANARY}'}}]\n",
        "s.yaml": SECRET,
    },
    "a patch written in place": {
        "kustomization.yaml": f"resources: [s.yaml]\npatches: [{{patch: 'other: other-{CANARY}'}}]\n",
        "s.yaml": config_map("a"),
    },
    "a patch written in place that is no YAML": {
        "kustomization.yaml": f'resources: [s.yaml]\npatches: [{{patch: "a: \'b\\n{CANARY}-x: : \\"c"}}]\n',
        "s.yaml": config_map("a"),
    },
    "a patch of old written in place": {
        "kustomization.yaml": "resources: [s.yaml]\n"
        f"patchesStrategicMerge: ['{{kind: Secret, stringData: {{url: http://{CANARY}/x//y}}}}']\n",
        "s.yaml": config_map("a"),
    },
    "a plugin written in place": {
        "kustomization.yaml": f"generators: ['{{kind: SecretGenerator, literals: [other-{CANARY}]']\n"
    },
    "a replacement of a secret": {
        "kustomization.yaml": "resources: [s.yaml]\nreplacements: [{source: {kind: Secret, fieldPath: "
        "stringData.password}, targets: [{select: {kind: Secret}, fieldPaths: [stringData.password.x]}]}]\n",
        "s.yaml": SECRET,
    },
    "a patch that meets nothing": {
        "kustomization.yaml": "resources: [s.yaml]\npatches: [{path: p.yaml}]\n",
        "s.yaml": SECRET,
        "p.yaml": SECRET.replace("name: s", "name: t"),
    },
    "a plugin's settings": {
        "kustomization.yaml": "generators: [g.yaml]\n",
        "g.yaml": "apiVersion: builtin\nkind: SecretGenerator\nmetadata: {name: g}\n"
        f"literals: [{CANARY}]\nenvs: [nope.env]\n",
    },
}


@pytest.mark.parametrize("name", LEAKS)
async def test_no_secret_comes_out_with_an_error(repository: Kustomizations, name: str) -> None:
    assert CANARY not in await refused(repository, LEAKS[name], "")


TEDIOUS = {
    "frames without an end": "accumulation err='x': must build at directory: '",
    "bases without an end": "accumulation err='accumulating resources from '",
    "links": "evalsymlink failure on '",
    "literals": "literal sources [",
    "configurations": "with config: `",
    "pointers": "&{0x1 ",
    "backslashes": "\\",
}


@pytest.mark.parametrize("name", TEDIOUS)
def test_what_was_made_to_be_searched_for_ever_becomes_a_sentence(name: str, tmp_path: Path) -> None:
    """Nothing else of a worker goes on meanwhile: more than this test's time, were it searched as a whole."""
    text = TEDIOUS[name]
    stderr = f"Error: {text * (64_000 // len(text))}x".encode()
    assert len(said(stderr, tmp_path, missing=[], secrets=[])) <= 10_000


async def test_a_name_that_was_made_to_be_searched_for_ever_is_refused(repository: Kustomizations) -> None:
    name = TEDIOUS["frames without an end"] * 1_000
    words = await refused(repository, {"site/kustomization.yaml": f'resources: ["{name}"]\n'}, "site")
    assert words.startswith("spec.source.path site: kustomize cannot build it")


def test_a_line_that_is_no_text_is_left_out() -> None:
    stderr = f"Error: loading KV pairs: env source files: [e.env]: line 5 has invalid utf8 bytes : \ufffd{CANARY}\n"
    message = said(stderr.encode(), Path("/private/render-x"), missing=(), secrets=())
    assert CANARY not in message
    assert "invalid utf8 bytes" in message


@given(
    parent=st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="/\0\n"), min_size=1, max_size=6),
        min_size=1,
        max_size=3,
    ),
    places=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=10), max_size=4),
    joints=st.lists(
        st.sampled_from([" ", "'", '"', ": ", "\n", "Error: ", "` ", "accumulation err='", "= "]), max_size=5
    ),
)
def test_a_private_directory_is_never_in_a_message(parent: list[str], places: list[str], joints: list[str]) -> None:
    directory = Path("/", *(part for part in parent if part not in {".", ".."}), "render-x7_ab2cd")
    parts = ["Error: x "]
    for number, place in enumerate(places):
        parts += [str(directory), "/" if number % 2 else "", place, *joints[number : number + 2]]
    message = said("".join(parts).encode("utf-8", "replace"), directory, missing=(), secrets=())
    assert "render-x7_ab2cd" not in message
