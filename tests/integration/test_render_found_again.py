"""What a tool rendered is found again until something that went in is another: files, options, target or tool."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.fixtures import in_own_task
from tests.support.jsonnet import BYTES_MAX
from tests.support.kustomizations import config_map
from tests.support.rendering import Counted, toolkit
from trueup.clients.process import Completed
from trueup.domain.source import Helm, HelmParameter, Kustomize, Source
from trueup.engine.local_tree import LocalTree
from trueup.engine.render.fetch import Fetch
from trueup.engine.render.helm_fetch import RepositoryCharts
from trueup.engine.render.kind import Kind
from trueup.engine.render.request import Files, Request, Target
from trueup.engine.render.tooled import tooled
from trueup.engine.render.tools import Tools
from trueup.engine.tree import Tree

FIRST, SECOND = "a" * 40, "b" * 40
SOURCE = Source("https://example.org/r", "app", "main")
TARGET = Target("shop", "default", "web", "v1.36.0", ("v1", "v1/ConfigMap"))
FILES = {
    "app/kustomization.yaml": "resources: [../base]\n",
    "base/kustomization.yaml": "resources: [a.yaml]\n",
    "base/a.yaml": config_map("a", at="noon"),
}
CHART = {
    "app/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\n",
    "app/values.yaml": "at: noon\n",
    "app/templates/a.yaml": config_map("a", at="{{ .Values.at }}"),
}
ASKS = '{{ if .Capabilities.APIVersions.Has "x.example/v1" }}' + config_map("b") + "{{ end }}"


def tree(root: Path) -> LocalTree:
    """With a digest of all of it, as the tree of a commit and the archive of a chart have one."""
    contents = [(str(path), path.read_text()) for path in sorted(root.rglob("*")) if path.is_file()]
    digest = hashlib.sha256(repr(contents).encode()).hexdigest()
    return LocalTree(root, file_bytes_max=BYTES_MAX, digest=digest)


class Rendering(Counted):
    """A source in Git, rendered as a worker does it."""

    async def runs(
        self,
        kind: Kind = "Kustomize",
        source: Source = SOURCE,
        *,
        revision: str = FIRST,
        target: Target = TARGET,
        fresh: bool = False,
        refs: Mapping[str, Tree] | None = None,
    ) -> int:
        """How many runs of a tool one look at it took."""
        before = self.jail.runs
        request = Request(source, Files(tree(self.root), "app", refs or {}), target, revision)
        charts = RepositoryCharts(self.toolkit.charts, (), target.project)
        self.parsed, _ = await tooled(self.toolkit, kind, request, fetch=Fetch(charts), chart="", fresh=fresh)
        return self.jail.runs - before

    @property
    def names(self) -> list[str]:
        return [item.name for item in self.parsed.objects]


@pytest.fixture
async def rendering(tmp_path: Path, tools: Path) -> AsyncIterator[Rendering]:
    async with in_own_task(toolkit(tmp_path / "data", tools)) as opened:
        yield Rendering(tmp_path / "repository", opened)


async def test_another_commit_that_changes_nothing_it_read_renders_nothing(rendering: Rendering) -> None:
    rendering.write(FILES)
    assert await rendering.runs() == 1
    rendering.write({"elsewhere/b.yaml": "x", "base/not-named.yaml": "y"})
    assert await rendering.runs(revision=SECOND) == 0
    assert rendering.names == ["a"]
    rendering.write({"base/a.yaml": config_map("other")})
    assert await rendering.runs(revision=SECOND) == 1
    assert rendering.names == ["other"]
    rendering.write({"base/a.yaml": FILES["base/a.yaml"]})
    assert await rendering.runs(revision=FIRST) == 0, "as it was before"
    assert rendering.names == ["a"]


async def test_a_hard_refresh_believes_nothing_that_was_made_before(rendering: Rendering) -> None:
    rendering.write(FILES)
    assert await rendering.runs() == 1
    assert await rendering.runs(fresh=True) == 1
    assert await rendering.runs() == 0


@pytest.mark.parametrize(
    "target",
    [
        replace(TARGET, application="other"),
        replace(TARGET, project="other"),
        replace(TARGET, namespace="other"),
        replace(TARGET, kube_version="v1.37.0"),
    ],
)
async def test_another_target_has_a_render_of_its_own(rendering: Rendering, target: Target) -> None:
    rendering.write(CHART)
    assert await rendering.runs("Helm") == 1
    assert await rendering.runs("Helm", target=target) == 1
    assert await rendering.runs("Helm", target=target) == 0


@pytest.mark.parametrize(
    ("kind", "files", "source"),
    [
        ("Kustomize", FILES, replace(SOURCE, kustomize=Kustomize(name_prefix="b-"))),
        ("Helm", CHART, replace(SOURCE, helm=Helm(parameters=(HelmParameter("at", "night"),)))),
        ("Helm", CHART, replace(SOURCE, helm=Helm(values="at: night\n"))),
        ("Helm", CHART, replace(SOURCE, target_revision="other")),
    ],
)
async def test_another_option_is_another_render(
    rendering: Rendering, kind: Kind, files: Mapping[str, str], source: Source
) -> None:
    rendering.write(files)
    assert await rendering.runs(kind) == 1
    assert await rendering.runs(kind, source) == 1
    assert await rendering.runs(kind, source) == await rendering.runs(kind) == 0


async def test_another_version_of_the_tool_renders_anew(rendering: Rendering, tools: Path, tmp_path: Path) -> None:
    rendering.write(FILES)
    assert await rendering.runs() == 1
    newer = tmp_path / "kustomize"
    newer.write_text(f'#!/bin/sh\nif [ "$1" = version ]; then echo v5.99.0; else exec {tools / "kustomize"} "$@"; fi\n')
    newer.chmod(0o755)
    known = rendering.toolkit
    rendering.toolkit = replace(known, tools=Tools(kustomize=str(newer)), jail=Instead(tools / "kustomize", rendering))
    assert await rendering.runs() == 1
    assert await rendering.runs() == 0
    rendering.toolkit = known
    assert await rendering.runs() == 0


@dataclass
class Instead:
    """Runs the real program for one that only says another version: the jail shows it no shell."""

    program: Path
    rendering: Rendering

    async def run(self, argv: Sequence[str], **options: Any) -> Completed:
        return await self.rendering.jail.run([str(self.program), *argv[1:]], **options)


async def test_an_option_that_names_the_revision_renders_each_commit(rendering: Rendering) -> None:
    rendering.write(FILES)
    options = Kustomize(common_annotations={"example.org/at": "$ARGOCD_APP_REVISION"}, common_annotations_envsubst=True)
    source = replace(SOURCE, kustomize=options)
    for revision in (FIRST, SECOND):
        assert await rendering.runs(source=source, revision=revision) == 1
        (item,) = rendering.parsed.objects
        assert item.body["metadata"]["annotations"] == {"example.org/at": revision}
        assert await rendering.runs(source=source, revision=revision) == 0


async def test_what_the_cluster_serves_counts_for_a_chart_that_asks_and_for_no_other(rendering: Rendering) -> None:
    more = replace(TARGET, api_versions=(*TARGET.api_versions, "x.example/v1"))
    rendering.write(CHART)
    assert await rendering.runs("Helm") == 1
    assert await rendering.runs("Helm", target=more) == 0
    rendering.write({"app/templates/a.yaml": ASKS})
    assert await rendering.runs("Helm") == 1
    assert rendering.names == []
    assert await rendering.runs("Helm", target=more) == 1
    assert rendering.names == ["b"]
    assert await rendering.runs("Helm", target=more) == await rendering.runs("Helm") == 0


async def test_what_is_damaged_on_the_disk_is_rendered_again(rendering: Rendering, tmp_path: Path) -> None:
    rendering.write(FILES)
    assert await rendering.runs() == 1
    (output,) = (tmp_path / "data" / "renders" / "outputs").iterdir()
    output.write_bytes(b"garbage")
    assert await rendering.runs() == 1
    assert rendering.names == ["a"]


async def test_a_chart_that_values_come_from_counts_by_its_digest(rendering: Rendering, tmp_path: Path) -> None:
    rendering.write(CHART)
    values = tmp_path / "values"
    (values / "env").mkdir(parents=True)
    (values / "env" / "a.yaml").write_text("at: noon\n")
    source = replace(SOURCE, helm=Helm(value_files=("$values/env/*.yaml",)))
    for _ in range(2):
        runs = await rendering.runs("Helm", source, refs={"values": tree(values)})
    assert runs == 0
    (values / "env" / "b.yaml").write_text("at: night\n")
    assert await rendering.runs("Helm", source, refs={"values": tree(values)}) == 1
    (item,) = rendering.parsed.objects
    assert item.body["data"] == {"at": "night"}
