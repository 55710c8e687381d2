"""Without a change of what a render of a chart has read, another commit renders the same."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.confined import Unconfined
from tests.support.git import Repository, open_mirror
from tests.support.helming import CHART, Renderer, config_map, write
from trueup.clients.git_mirror import Mirror
from trueup.domain.errors import StalledError
from trueup.domain.source import Helm, HelmFileParameter
from trueup.engine.render.request import Output
from trueup.engine.tree import GitTree
from trueup.sandbox import git_server

LIBRARY = "apiVersion: v2\nname: lib\nversion: 0.1.0\n"
LOCAL = CHART + "dependencies: [{name: lib, version: 0.1.0, repository: 'file://../lib'}]\n"
SHOWN = config_map('{{ toJson .Values | quote }}\n  files: {{ (.Files.Glob "files/**").AsConfig | quote }}')
#: Each place and what may lie there; `→` leads to where a link points.
PLACES: Mapping[str, tuple[str, ...]] = {
    "web/Chart.yaml": (CHART, LOCAL),
    "web/values.yaml": ("a: 1\n", "a: 2\n", ""),
    "web/templates/a.yaml": (SHOWN,),
    "web/templates/b.yaml": ("→../../shared/t.yaml", config_map("x", "b"), ""),
    "web/files/x.txt": ("x\n", "y\n", "→../../shared/t.yaml", ""),
    "web/v-1.yaml": ("one: 1\n", "one: 2\n", ""),
    "web/v-2.yaml": ("two: 2\n", "→../common/v.yaml", ""),
    "web/charts/lib/Chart.yaml": ("", LIBRARY),
    "lib/Chart.yaml": (LIBRARY, LIBRARY + "description: other\n"),
    "lib/templates/l.yaml": (config_map("x", "lib"), config_map("y", "lib")),
    "common/v.yaml": ("common: 1\n", "common: 2\n", "→../elsewhere/v.yaml", ""),
    "common/deep/w.yaml": ("deep: 1\n", "deep: 2\n", ""),
    "common/more": ("→../elsewhere", "→../docs", "a file\n", ""),
    "elsewhere/v.yaml": ("elsewhere: 1\n", "elsewhere: 2\n"),
    "shared/t.yaml": (config_map("shared", "t"), config_map("shared too", "t")),
    "docs/readme.yaml": ("readme: 1\n", "readme: 2\n"),
    "unrelated/Chart.yaml": (CHART, LIBRARY),
}
VALUE_FILES = (
    "v-1.yaml",
    "v-*.yaml",
    "../common/v.yaml",
    "/common/*.yaml",
    "/common/**/*.yaml",
    "/common/more/v.yaml",
    "/common/more/*.yaml",
    "/common/*/w.yaml",
)

states = st.fixed_dictionaries({place: st.sampled_from(contents) for place, contents in PLACES.items()})
changes = st.dictionaries(st.sampled_from(sorted(PLACES)), st.integers(0, 5), min_size=1, max_size=3)
options = st.builds(
    Helm,
    value_files=st.lists(st.sampled_from(VALUE_FILES), max_size=3, unique=True).map(tuple),
    ignore_missing_value_files=st.just(True),
    file_parameters=st.sampled_from([(), (HelmFileParameter("t", "/shared/t.yaml"),)]),
)


class Histories:
    """A repository that gets one commit after the other, and what each renders to."""

    def __init__(self, repository: Repository, mirror: Mirror, renderer: Renderer) -> None:
        self._repository = repository
        self.mirror = mirror
        self._renderer = renderer

    async def commit(self, state: Mapping[str, str]) -> str:
        self._lay_out(state)
        return await self._repository.commit({})

    def _lay_out(self, state: Mapping[str, str]) -> None:
        work = self._repository.work
        for path in work.iterdir():
            if path.name != ".git":
                shutil.rmtree(path)
        for place, content in state.items():
            path = work / place
            if content.startswith("→"):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.symlink_to(content[1:])
            elif content:
                write(work, {place: content})

    async def render(self, commit: str, given: Helm) -> Output | str:
        root = await self.mirror.tree_id(commit, "")
        assert root is not None
        tree = GitTree(self.mirror, root, said=commit[:7])
        try:
            return await self._renderer.output(tree, options=given, revision=commit)
        except StalledError as e:
            return str(e)


@pytest.fixture
async def histories(tools: Path, tmp_path: Path) -> AsyncIterator[Histories]:
    async with git_server(tmp_path / "served") as server:
        repository = await Repository.make(tmp_path, "r")
        mirror = open_mirror(tmp_path, server.repository_url("r"))
        yield Histories(repository, mirror, await Renderer.make(tools, Unconfined(), tmp_path / "rooms"))
        await mirror.close()


@settings(max_examples=25, suppress_health_check=list(HealthCheck), deadline=None)
@given(states, st.lists(changes, min_size=3, max_size=5), options)
async def test_a_commit_that_changes_nothing_that_was_read_renders_the_same(
    histories: Histories, state: dict[str, str], following: list[dict[str, int]], given_: Helm
) -> None:
    commits = [await histories.commit(state)]
    for change in following:
        state = state | {place: PLACES[place][number % len(PLACES[place])] for place, number in change.items()}
        commits.append(await histories.commit(state))
    await histories.mirror.fetch(["main"], credentials=None)
    rendered = [await histories.render(commit, given_) for commit in commits]
    for old, first in enumerate(rendered):
        if isinstance(first, str):
            continue
        for new in range(old + 1, len(commits)):
            changed = await histories.mirror.changed_paths(commits[old], commits[new])
            assert changed is not None
            if any(entry.concerns(path) for entry in first.reads[""] for path in changed):
                continue
            second = rendered[new]
            assert not isinstance(second, str), second
            assert second.manifests == first.manifests, changed


BASE = {place: contents[0] for place, contents in PLACES.items()}


@pytest.mark.parametrize(
    ("place", "content", "value_file", "is_concerned"),
    [
        ("web/values.yaml", "a: 2\n", "v-1.yaml", True),
        ("web/files/new.txt", "x", "v-1.yaml", True),
        ("shared/t.yaml", config_map("shared too", "t"), "v-1.yaml", True),
        ("docs/readme.yaml", "readme: 2\n", "v-1.yaml", False),
        ("unrelated/Chart.yaml", LIBRARY, "v-1.yaml", False),
        ("lib/templates/l.yaml", "", "v-1.yaml", False),
        ("common/v.yaml", "common: 2\n", "v-1.yaml", False),
        ("common/v.yaml", "common: 2\n", "../common/v.yaml", True),
        ("common/new.yaml", "common: 2\n", "../common/v.yaml", False),
        ("common/new.yaml", "common: 2\n", "/common/*.yaml", True),
        ("common/deep/w.yaml", "deep: 2\n", "/common/*.yaml", False),
        ("common/deep/w.yaml", "deep: 2\n", "/common/**/*.yaml", True),
        ("elsewhere/new.yaml", "new: 2\n", "/common/**/*.yaml", True),
        ("elsewhere/v.yaml", "new: 2\n", "/common/more/v.yaml", True),
    ],
)
async def test_a_change_concerns_who_has_read_it_and_nobody_else(
    place: str, content: str, value_file: str, is_concerned: bool, histories: Histories
) -> None:
    first = await histories.commit(BASE)
    second = await histories.commit({**BASE, place: content})
    await histories.mirror.fetch(["main"], credentials=None)
    output = await histories.render(first, Helm(value_files=(value_file,)))
    assert isinstance(output, Output), output
    changed = await histories.mirror.changed_paths(first, second)
    assert changed
    assert any(entry.concerns(path) for entry in output.reads[""] for path in changed) == is_concerned


async def test_a_chart_in_the_repository_that_is_depended_on_counts(histories: Histories) -> None:
    first = await histories.commit({**BASE, "web/Chart.yaml": LOCAL})
    await histories.mirror.fetch(["main"], credentials=None)
    output = await histories.render(first, Helm())
    assert isinstance(output, Output), output
    assert b"name: lib" in output.manifests
    assert any(entry.concerns("lib/templates/l.yaml") for entry in output.reads[""])
    assert not any(entry.concerns("unrelated/Chart.yaml") for entry in output.reads[""])
