"""What a version of a chart was is remembered, and a disk that takes nothing costs no more than a question."""

from pathlib import Path

from tests.support.charts import charts
from trueup.clients.charts import ChartRef
from trueup.domain.source import Source
from trueup.engine.chart_shelf import ChartShelf

SOURCE = Source("https://charts.example.org", "", "1.*", chart="shop")
REF = ChartRef(SOURCE.repo_url, "shop", "1.2.0", "d" * 64, "https://charts.example.org/shop-1.2.0.tgz")


async def test_a_version_is_what_it_was_when_it_was_last_looked_at(tmp_path: Path) -> None:
    shelf = ChartShelf(charts(tmp_path), tmp_path / "versions")
    await shelf.remember(SOURCE, REF)
    assert await shelf.remembered(SOURCE, "1.2.0") == REF
    assert await shelf.remembered(SOURCE, "1.3.0") is None


async def test_a_disk_that_takes_nothing_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "versions").write_text("a file where a directory should be")
    shelf = ChartShelf(charts(tmp_path), tmp_path / "versions")
    await shelf.remember(SOURCE, REF)
    assert await shelf.remembered(SOURCE, "1.2.0") is None
