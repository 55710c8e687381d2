"""A directory with Jsonnet among its files is rendered whole, and again only where something that went in changed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.fixtures import in_own_task
from tests.support.jsonnet import BYTES_MAX, MAIN, config_map
from tests.support.rendering import Counted, toolkit
from trueup.domain.source import Directory, Jsonnet, JsonnetVariable, Source
from trueup.engine.local_tree import LocalTree
from trueup.engine.render.plain import directory
from trueup.engine.render.request import OWN, Files, Request, Target
from trueup.engine.sources import SourceAt


class Rendering(Counted):
    """A directory of a repository, rendered as a worker does it."""

    async def names(
        self,
        options: Jsonnet | None = None,
        *,
        revision: str = "a" * 40,
        application: str = "shop",
        fresh: bool = False,
    ) -> list[str]:
        source = Source(
            "https://example.org/r", "apps/web", "main", Directory(recurse=True, jsonnet=options or Jsonnet())
        )
        tree = LocalTree(self.root, file_bytes_max=BYTES_MAX)
        request = Request(source, Files(tree, "apps/web"), Target(application, "default", "web"), revision)
        at = SourceAt(source, "spec.source", revision, tree, "apps/web")
        parsed, reads = await directory(self.toolkit, request, at, fresh=fresh)
        self.reads = reads[OWN]
        return [item.name for item in parsed.objects]


@pytest.fixture
async def rendering(tmp_path: Path, tools: Path) -> AsyncIterator[Rendering]:
    async with in_own_task(toolkit(tmp_path / "data", tools)) as opened:
        yield Rendering(tmp_path / "repository", opened)


async def test_it_is_found_again_until_something_it_read_changes(rendering: Rendering) -> None:
    rendering.write(
        {
            MAIN: config_map("x") + " + { metadata+: { name: import 'lib.libsonnet' } }",
            "apps/web/lib.libsonnet": "'made'",
            "apps/web/plain.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: plain}\n",
            "apps/web/sub/deep.jsonnet": f"[{config_map('deep')}]",
        }
    )
    assert sorted(await rendering.names()) == ["deep", "made", "plain"]
    assert rendering.jail.runs == 2
    rendering.write({"elsewhere": "1", "apps/web/unused.libsonnet": "1"})
    assert sorted(await rendering.names(revision="b" * 40)) == ["deep", "made", "plain"]
    assert rendering.jail.runs == 2
    assert not any(entry.concerns(path) for entry in rendering.reads for path in ("elsewhere", "apps/b.jsonnet"))
    rendering.write({"apps/web/lib.libsonnet": "'changed'"})
    assert any(entry.concerns("apps/web/lib.libsonnet") for entry in rendering.reads)
    assert sorted(await rendering.names()) == ["changed", "deep", "plain"]
    assert rendering.jail.runs == 4
    assert sorted(await rendering.names(fresh=True)) == ["changed", "deep", "plain"]
    assert rendering.jail.runs == 6


async def test_what_is_told_of_the_application_counts(rendering: Rendering) -> None:
    rendering.write({MAIN: config_map("x") + " + { metadata+: { name: std.extVar('name') } }"})
    options = Jsonnet(ext_vars=(JsonnetVariable("name", "of-$ARGOCD_APP_NAME"),))
    assert await rendering.names(options) == ["of-shop"]
    assert await rendering.names(options, application="mill") == ["of-mill"]
    assert rendering.jail.runs == 2
    assert await rendering.names(options) == ["of-shop"]
    assert rendering.jail.runs == 2
    named = Jsonnet(ext_vars=(JsonnetVariable("name", "at-$ARGOCD_APP_REVISION_SHORT"),))
    assert await rendering.names(named) == ["at-aaaaaaa"]
    assert await rendering.names(named, revision="b" * 40) == ["at-bbbbbbb"]
    assert any(entry.concerns("elsewhere") for entry in rendering.reads)
