"""What a kustomization names, and the options of an Application set over it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domain.errors import InvalidSpecError
from trueup.domain.kustomization import (
    Holds,
    InlinePlugin,
    Reference,
    charts,
    is_web_address,
    leaves,
    references,
)
from trueup.domain.kustomize_overrides import image, overridden, sets_anything, split_image
from trueup.domain.kustomize_remote import RemoteBase, is_remote_repository, remote_base
from trueup.domain.source import Kustomize

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
FIELDS = [
    "resources",
    "Resources",
    "bases",
    "components",
    "patches",
    "patchesStrategicMerge",
    "configMapGenerator",
    "secretGenerator",
    "generators",
    "openapi",
    "replacements",
    "helmCharts",
    "labels",
    "images",
    "commonLabels",
]


def test_fields_are_found_in_any_case_and_the_keys_of_mappings_are_not() -> None:
    kustomization = {
        "RESOURCES": ["a"],
        "configmapgenerator": [{"Files": ["k=b", "c"], "ENV": "d"}],
        "Patches": [{"PATH": "e"}],
        "OpenAPI": {"path": "f", "Path": "g"},
    }
    assert [(each.text, each.holds) for each in references(kustomization) if isinstance(each, Reference)] == [
        ("a", Holds.EITHER),
        ("e", Holds.FILE),
        ("f", Holds.FILE),
        ("b", Holds.FILE),
        ("c", Holds.FILE),
        ("d", Holds.FILE),
    ]


def test_what_is_written_out_in_place_names_no_file() -> None:
    inline = "apiVersion: builtin\nkind: PrefixTransformer\nprefix: a-\n"
    kustomization = {
        "patchesStrategicMerge": ["a.yaml", "kind: A\n", '{"kind": "A"}'],
        "transformers": ["b.yaml", inline],
    }
    assert list(references(kustomization)) == [
        Reference("patchesStrategicMerge", "a.yaml", Holds.FILE),
        Reference("transformers", "b.yaml", Holds.PLUGIN),
        InlinePlugin(inline),
    ]


@pytest.mark.parametrize("name", ["helmCharts", "HelmCharts", "helmChartInflationGenerator"])
def test_charts_are_noticed(name: str) -> None:
    assert charts({name: [{"name": "a"}]})
    assert not charts({name: []})
    assert not charts({"helmGlobals": {"chartHome": "x"}})


@given(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=5), st.text(max_size=10))
def test_any_kustomization_can_be_looked_through(kustomization: dict[str, object], value: str) -> None:
    for reference in references(kustomization):
        assert reference.text
    charts(kustomization)
    options = Kustomize(
        name_prefix=value, images=("a:1",), common_labels={"k": value}, label_without_selector=True, components=("c",)
    )
    made = overridden(kustomization, options, components=["c"], expand=str, said="x")
    assert made.keys() >= {"images", "labels", "components"}


def test_the_texts_of_settings_are_tried_as_names() -> None:
    settings = {"path": "a", "files": ["k=b"], "deep": [{"x": ["c\nd", "", 1, None, "e" * 2_000]}]}
    assert set(leaves(settings)) == {"a", "k=b", "b"}


@pytest.mark.parametrize(
    "text",
    [
        "https://github.com/org/repo//path?ref=v1",
        "https://example.org/org/repo",
        "https://example.org/repo.git/path",
        "https://dev.azure.com/org/project/_git/repo/path",
        "HTTPS://example.org/org/repo",
        "git::https://example.org/org/repo",
        "github.com/org/repo",
        "GitHub.com/org/repo/path?ref=main",
        "github.com:org/repo",
        "git@github.com:org/repo.git",
        "git@example.org:org/repo//path",
        "git@example.org/org/repo",
        "ssh://git@example.org/org/repo.git",
        "file:///srv/repo.git",
    ],
)
def test_what_kustomize_would_clone_is_remote(text: str) -> None:
    assert is_remote_repository(text)


@pytest.mark.parametrize(
    "text",
    [
        "base",
        "../base",
        "/abs/github.com/org/repo",
        "./github.com/org/repo",
        "github.com",
        "github.com/org",
        "example.org/org/repo",
        "a@b",
        "https://example.org/org",
        "https://example.org/org/repo.git/../..",
        "github.com/org/repo//../x",
        "1user@example.org:org/repo",
        "",
    ],
)
def test_what_kustomize_would_look_for_here_is_not(text: str) -> None:
    assert not is_remote_repository(text)


def test_web_addresses() -> None:
    assert is_web_address("http://x/y")
    assert is_web_address("HTTPS:x")
    assert not is_web_address("httpd.yaml")
    assert not is_web_address("./http://x")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("nginx", ("nginx", "", "")),
        ("nginx:1.2", ("nginx", "1.2", "")),
        ("nginx@sha256:1", ("nginx", "", "sha256:1")),
        ("nginx:1@sha256:1", ("nginx", "1", "sha256:1")),
        ("localhost:5000/nginx", ("localhost:5000/nginx", "", "")),
        ("localhost:5000/nginx:1@sha256:1", ("localhost:5000/nginx", "1", "sha256:1")),
    ],
)
def test_an_image_is_split_where_kustomize_splits_it(text: str, parts: tuple[str, str, str]) -> None:
    assert split_image(text) == parts


def test_an_image_that_sets_nothing_is_refused() -> None:
    with pytest.raises(InvalidSpecError, match="x: 'localhost:5000/a' sets nothing"):
        image("localhost:5000/a", "x")
    assert image("a=localhost:5000/a", "x") == {"name": "a", "newName": "localhost:5000/a"}


def test_options_that_change_nothing_are_none() -> None:
    assert not sets_anything(Kustomize(kube_version="1.30", api_versions=("v1",), force_common_labels=True))
    assert sets_anything(Kustomize(components=("a",)))


@pytest.mark.parametrize(
    ("text", "url", "path", "ref"),
    [
        ("https://git.example.org/org/repo//a/b?ref=v1", "https://git.example.org/org/repo", "a/b", "v1"),
        ("https://git.example.org/org/repo/a?version=v1", "https://git.example.org/org/repo", "a", "v1"),
        ("github.com/org/repo/a//b?ref=v1", "https://github.com/org/repo/a", "b", "v1"),
        ("github.com/org/repo?ref=v1&timeout=90s", "https://github.com/org/repo", "", "v1"),
        ("git@git.example.org:org/repo.git//a/./../b?ref=x", "git@git.example.org:org/repo.git", "b", "x"),
        ("ssh://git@git.example.org:22/org/repo//.hidden", "ssh://git@git.example.org:22/org/repo", ".hidden", ""),
        ("git::https://git.example.org/org/_git/repo/a", "https://git.example.org/org/_git/repo", "a", ""),
        ("file:///srv/repo.git//a", "file:///srv/repo.git", "a", ""),
    ],
)
def test_an_address_says_repository_directory_and_ref(text: str, url: str, path: str, ref: str) -> None:
    assert remote_base(text) == RemoteBase(url, path, ref)
