"""Without a change of what a kustomization has read it comes out the same; and nothing else concerns it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.support.histories import Node
from tests.support.jails import jail
from tests.support.kustomizations import (
    Kustomizations,
    Written,
    concerned,
    config_map,
    from_directory,
    kustomizations,
    link,
)
from trueup.domain.errors import StalledError
from trueup.domain.kubeyaml import YamlBounds
from trueup.domain.read_set import EVERYTHING, Entry
from trueup.domain.source import Kustomize, KustomizePatch
from trueup.engine.render.directory import RenderBounds
from trueup.engine.render.request import OWN, Output

HISTORIES = int(os.environ.get("TRUEUP_HISTORIES", "80"))
EXAMPLES = Path(__file__).parent.parent.parent / "docs/examples/kustomize"


@pytest.fixture(scope="module")
async def repository(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Kustomizations]:
    root = tmp_path_factory.mktemp("reads")
    async with jail() as within, kustomizations(tools, root, within) as opened:
        yield opened


def read(entries: frozenset[Entry], rule: str = "read") -> set[str]:
    return {entry.place for entry in entries if entry.rule == rule}


async def test_a_change_of_a_base_concerns_its_overlays_and_nobody_else(repository: Kustomizations) -> None:
    files = {**from_directory(EXAMPLES / "overlays"), "other/kustomization.yaml": "resources: [a.yaml]\n"}
    files["other/a.yaml"] = config_map("a")
    production = await repository.reads(files, "overlays/production")
    staging = await repository.reads(files, "overlays/staging")
    other = await repository.reads(files, "other")
    for path, concerns in {
        "base/deployment.yaml": (True, True, False),
        "base/kustomization.yaml": (True, True, False),
        "overlays/production/kustomization.yaml": (True, False, False),
        "overlays/staging/kustomization.yaml": (False, True, False),
        "other/a.yaml": (False, False, True),
        "base/README.md": (False, False, False),
        "overlays/production/notes/x.yaml": (False, False, False),
        "application.yaml": (False, False, False),
        # A second name for a kustomization is an error.
        "base/Kustomization": (True, True, False),
        "overlays/staging/kustomization.yml": (False, True, False),
    }.items():
        assert tuple(concerned(entries, path) for entries in (production, staging, other)) == concerns, path


@pytest.mark.parametrize(
    ("example", "path", "expected"),
    [
        ("components", "site", {"base/service.yaml", "components/metrics/metrics-port.yaml"}),
        (
            "generators",
            "",
            {"pod-template.yaml", "files/app.properties", "files/welcome.txt", "files/app.env"},
        ),
        (
            "patches",
            "",
            {"deployment.yaml", "service.yaml", "more-memory.yaml", "no-root.yaml", "two-replicas.yaml"},
        ),
        ("replacements", "", {"service.yaml", "settings.yaml", "port.yaml"}),
        (
            "schemas",
            "site",
            {
                f"site/{name}"
                for name in (
                    "widget-kind.yaml",
                    "widget.yaml",
                    "widget-patch.yaml",
                    "name-references.yaml",
                    "widget-crd.json",
                    "schema.json",
                )
            },
        ),
        (
            "transformers",
            "site",
            {
                "site/service.yaml",
                "site/settings.yaml",
                "site/greeting.txt",
                "site/port.yaml",
                "shared/port-transformer.yaml",
                "shared/owner.yaml",
            },
        ),
    ],
)
async def test_exactly_the_files_that_kustomize_reads_are_recorded(
    repository: Kustomizations, example: str, path: str, expected: set[str]
) -> None:
    entries = await repository.reads(from_directory(EXAMPLES / example), path)
    kustomizations_read = {place for place in read(entries) if place.endswith("kustomization.yaml")}
    assert read(entries) - kustomizations_read == expected
    assert kustomizations_read


async def test_what_the_options_name_is_read_too(repository: Kustomizations) -> None:
    files = {
        **from_directory(EXAMPLES / "overrides"),
        "components/other/kustomization.yaml": "kind: Component\nlabels: []\n",
    }
    options = Kustomize(
        patches=(KustomizePatch(path="more-memory.yaml"),),
        components=("../components/labelled", "../components/later"),
        ignore_missing_components=True,
    )
    entries = await repository.reads(files, "site", options)
    assert {"site/more-memory.yaml", "components/labelled/kustomization.yaml"} <= read(entries)
    assert concerned(entries, "components/later/kustomization.yaml")
    assert not concerned(entries, "components/other/kustomization.yaml")
    plain = await repository.reads(files, "site")
    assert not concerned(plain, "site/more-memory.yaml", "components/labelled/kustomization.yaml")
    pattern = await repository.reads(files, "site", Kustomize(components=("../components/*",)))
    assert concerned(pattern, "components/new/kustomization.yaml")
    assert not concerned(pattern, "elsewhere/kustomization.yaml")


async def test_a_link_is_read_and_so_is_what_it_leads_to(repository: Kustomizations) -> None:
    files: Written = {
        "site/kustomization.yaml": "resources: [base]\n",
        "site/base": link("../hop"),
        "hop": link("real"),
        "real/kustomization.yaml": "resources: [cm.yaml]\n",
        "real/cm.yaml": config_map("a"),
        "real/other.yaml": config_map("b"),
    }
    entries = await repository.reads(files, "site")
    for path in ("site/base", "hop", "real", "real/cm.yaml", "real/kustomization.yaml"):
        assert concerned(entries, path), path
    assert not concerned(entries, "real/other.yaml")


async def test_a_file_that_the_graph_cannot_know_of_is_found_with_the_whole_repository(
    repository: Kustomizations,
) -> None:
    odd = "odd: name.yaml"
    files = {
        "kustomization.yaml": f"resources: [cm.yaml]\npatchesStrategicMerge: ['{odd}']\n",
        odd: config_map("a", y="2"),
        "cm.yaml": config_map("a", x="1"),
    }
    made = await repository.render(files, "")
    assert made.manifests == await repository.bare(files, "")
    assert made.reads[OWN] == EVERYTHING


async def test_what_is_yaml_to_kustomize_alone_is_built_with_the_whole_repository(repository: Kustomizations) -> None:
    small = replace(repository, bounds=RenderBounds(yaml=YamlBounds(scalar_chars_max=100)))
    literal = "x" * 200
    files = {"site/kustomization.yaml": f"configMapGenerator: [{{name: g, literals: [a={literal}]}}]\n", "b": "c"}
    made = await small.render(files, "site")
    assert made.manifests == await repository.bare(files, "site")
    assert made.reads[OWN] == EVERYTHING


DIRECTORIES = ["base", "site", "extra", "parts"]
NAMES = ["a.yaml", "b.yaml", "c.txt", "p.yaml"]
PLACES = st.builds(lambda d, n: f"{d}/{n}", st.sampled_from(DIRECTORIES), st.sampled_from(NAMES))
FILE = st.builds(lambda n, x: config_map(f"m{n}", x=str(x)), st.integers(0, 2), st.integers(0, 3))
OTHERS = ["../base", "../extra", "../parts", "linked", "../site/linked"]


def lists(values: Sequence[str], size: int = 2) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), max_size=size, unique=True)


def kustomization(parts: dict[str, object]) -> str:
    return "".join(f"{name}: {value}\n" for name, value in parts.items() if value)


GENERATOR = "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: built}\nfiles: [c.txt]\n"
KUSTOMIZATION = st.fixed_dictionaries(
    {
        "resources": st.lists(st.sampled_from(["a.yaml", "b.yaml", *OTHERS[:3]]), max_size=3, unique=True),
        "namePrefix": st.sampled_from(["", "x-"]),
        "patchesStrategicMerge": st.sampled_from([[], [], ["p.yaml"]]),
        "patches": st.sampled_from([[], [], [{"path": "p.yaml"}]]),
        "configMapGenerator": st.sampled_from(
            [
                [],
                [{"name": "g", "files": ["c.txt"]}],
                [{"name": "h", "envs": ["c.txt"]}],
                [{"name": "l", "files": ["k=l"]}],
            ]
        ),
        "generators": st.sampled_from([[], [], ["b.yaml"], [GENERATOR], ["../parts"]]),
        "components": st.sampled_from([[], [], ["../extra"], ["linked"]]),
        "kind": st.sampled_from(["", "", "", "Component"]),
    }
).map(kustomization)
NODES: st.SearchStrategy[str | Node] = st.one_of(FILE, FILE, st.just("x=1\n"), st.just(GENERATOR))
LINKS = st.sampled_from(["../base", "../extra", "../parts/c.txt", "a.yaml", "../../out", "gone"]).map(link)
EDITS = st.one_of(
    st.tuples(PLACES, NODES),
    st.tuples(PLACES, NODES),
    st.tuples(PLACES, st.none()),
    st.tuples(st.sampled_from(DIRECTORIES).map(lambda d: f"{d}/kustomization.yaml"), KUSTOMIZATION),
    st.tuples(
        st.sampled_from(DIRECTORIES).map(lambda d: f"{d}/kustomization.yml"), st.one_of(KUSTOMIZATION, st.none())
    ),
    st.tuples(st.sampled_from(["site/linked", "site/l", "base/l", "extra"]), LINKS),
    st.tuples(st.sampled_from(["README.md", "site/notes.md", "elsewhere/a.yaml"]), NODES),
)
START: dict[str, str | Node] = {
    "base/kustomization.yaml": "resources: [a.yaml]\n",
    "base/a.yaml": config_map("m0", x="0"),
    "site/kustomization.yaml": "resources: [../base, b.yaml]\nconfigMapGenerator: [{name: g, files: [c.txt]}]\n",
    "site/b.yaml": config_map("m1"),
    "site/c.txt": "x=1\n",
    "site/p.yaml": config_map("m0", y="1"),
    "site/linked": link("../parts"),
    "parts/kustomization.yaml": "kind: Component\nresources: [a.yaml]\n",
    "parts/a.yaml": config_map("m2"),
    "extra/kustomization.yaml": "resources: [../base]\nnameSuffix: -e\n",
}


def edited(tree: dict[str, str | Node], place: str, node: str | Node | None) -> dict[str, str | Node]:
    """The tree with the node there; whatever stands in its way goes."""
    there = {
        p: n for p, n in tree.items() if not (p == place or p.startswith(place + "/") or place.startswith(p + "/"))
    }
    return there if node is None else {**there, place: node}


def differing(old: Written, new: Written) -> list[str]:
    return [place for place in old.keys() | new.keys() if old.get(place) != new.get(place)]


@settings(deadline=None, max_examples=HISTORIES, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(st.lists(EDITS, min_size=1, max_size=3), min_size=1, max_size=5))
async def test_what_is_not_concerned_comes_out_the_same(
    repository: Kustomizations, steps: list[list[tuple[str, str | Node | None]]]
) -> None:
    trees = [START]
    for edits in steps:
        tree = trees[-1]
        for place, node in edits:
            tree = edited(tree, place, node)
        trees.append(tree)
    revisions = await repository.revisions(trees)
    options = Kustomize(name_suffix="-o", components=("linked",), ignore_missing_components=True)
    for path, chosen in (("site", None), ("site", options), ("extra", None)):
        known: tuple[Written, Output] | None = None
        for tree, revision in zip(trees, revisions, strict=True):
            made = await built(repository, revision, path, chosen)
            if known is not None and not concerned(known[1].reads[OWN], *differing(known[0], tree)):
                event("not concerned")
                assert made == known[1]
            known = (tree, made) if made else None


async def built(repository: Kustomizations, revision: str, path: str, options: Kustomize | None) -> Output | None:
    try:
        made = await repository.at(revision, path, options)
    except StalledError:
        event("refused")
        return None
    event("built")
    return made


@settings(deadline=None, max_examples=max(1, HISTORIES // 2), suppress_health_check=list(HealthCheck))
@given(edits=st.lists(EDITS, max_size=6))
async def test_any_repository_comes_out_as_in_a_clone_of_all_of_it(
    repository: Kustomizations, edits: list[tuple[str, str | Node | None]]
) -> None:
    tree = START
    for place, node in edits:
        tree = edited(tree, place, node)
    try:
        expected = await repository.bare(tree, "site")
    except AssertionError:
        event("refused")
        with pytest.raises(StalledError):
            await repository.render(tree, "site")
        return
    event("built")
    assert (await repository.render(tree, "site")).manifests == expected
