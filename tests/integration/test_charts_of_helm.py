"""What the real helm publishes is read here, and what is fetched here is rendered by the real helm."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.charts import archive, chart_host, charts, helm, packaged
from tests.support.fixtures import in_own_task
from trueup.clients.charts.index import Entry, _part, entries_of

NAMES = ("shop", "shop-a", "123", "true", "entries", "a.b")
said = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"), max_size=120)
nasty = st.one_of(
    said, st.sampled_from(["a\n  shop:\n  - version: 6.6.6\nb", '"', "x: |\n  y", "word " * 60, "entries:\n  shop:"])
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 9), nasty), min_size=1, max_size=6))
async def test_an_index_that_helm_makes_is_read_by_parts(
    tools: Path, tmp_path_factory: pytest.TempPathFactory, made: list[tuple[str, int, str]]
) -> None:
    directory = tmp_path_factory.mktemp("repository")
    for name, minor, text in made:
        # JSON is YAML, and says any text.
        chart = {"apiVersion": "v2", "name": name, "version": f"1.{minor}.0", "description": text}
        described = json.dumps(chart, ensure_ascii=False)
        packed = archive({f"{name}/Chart.yaml": described, f"{name}/values.yaml": ""})
        (directory / f"{name}-1.{minor}.0.tgz").write_bytes(packed)
    await helm(tools, directory, "repo", "index", ".", "--url", "https://charts.example/x")
    text = (directory / "index.yaml").read_bytes()
    # Helm passes over a chart with characters that its own reader does not take.
    listed = yaml.load(text, Loader=yaml.CBaseLoader)["entries"]  # noqa: S506 -- texts, lists and mappings alone
    assert set(listed) <= {name for name, _, _ in made}
    for name in NAMES:
        assert _part(text, name) is not None or not listed
        found = entries_of(text, name, is_late=lambda: False)
        whole = [Entry(one["version"], tuple(one["urls"]), one["digest"]) for one in listed.get(name, ())]
        assert list(found or ()) == whole


async def test_a_chart_of_helms_is_found_fetched_and_rendered(tools: Path, tmp_path: Path) -> None:
    directory = tmp_path / "packages"
    directory.mkdir()
    for version in ("1.0.0", "1.1.0+build.2", "2.0.0-beta"):
        await packaged(tools, directory, "shop", version)
    await helm(tools, directory, "repo", "index", ".")
    async with in_own_task(chart_host()) as host, charts(tmp_path) as it:
        host.files |= {f"/{path.name}": path.read_bytes() for path in directory.iterdir() if path.is_file()}
        ref = await it.resolve(host.url, "shop", "~1", credentials=None)
        chart = await it.fetch(ref, credentials=None)
    assert (ref.version, chart.version) == ("1.1.0+build.2", "1.1.0+build.2")
    rendered = await helm(tools, tmp_path, "template", "it", chart.directory)
    assert "helm.sh/chart: shop-1.1.0_build.2" in rendered
