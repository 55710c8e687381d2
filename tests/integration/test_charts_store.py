"""Charts on the disk: whole, verified, bounded, and shared by processes."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from pathlib import Path

import pytest

from tests.support.charts import plain_chart
from trueup.clients.charts.archive import ArchiveRefusedError
from trueup.clients.charts.model import Chart, ChartBounds
from trueup.clients.charts.store import ChartStore
from trueup.domain.errors import TransientError

SOURCE = "a-repository"


def opened(tmp_path: Path, **bounds: float) -> ChartStore:
    store = ChartStore(tmp_path / "data", ChartBounds(**bounds))
    store.prepare()
    return store


async def put(store: ChartStore, tmp_path: Path, version: str, size: int = 10) -> Chart:
    body = plain_chart("shop", version, big="x" * size)
    archive = tmp_path / f"{version}.tgz"
    archive.write_bytes(body)
    return await store.put(archive, hashlib.sha256(body).hexdigest(), SOURCE)


def age(chart: Chart, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(chart.directory.parents[1], (then, then))


async def test_what_was_put_is_there_for_another_process(tmp_path: Path) -> None:
    chart = await put(opened(tmp_path), tmp_path, "1.0.0")
    assert await opened(tmp_path).get(chart.digest, SOURCE) == chart
    assert await opened(tmp_path).get("0" * 64, SOURCE) is None
    assert await opened(tmp_path).get(chart.digest, "another") is None


@pytest.mark.parametrize("damage", ["changed", "gone", "more", "link", "manifest", "no manifest"])
async def test_a_damaged_chart_is_thrown_away_and_can_be_put_again(tmp_path: Path, damage: str) -> None:
    store = opened(tmp_path)
    chart = await put(store, tmp_path, "1.0.0")
    place, values = chart.directory.parents[1], chart.directory / "values.yaml"
    for directory in (chart.directory, *chart.directory.rglob("*")):
        directory.chmod(0o700)
    if damage == "changed":
        values.write_text("a: 2\n")
    elif damage == "gone":
        values.unlink()
    elif damage == "more":
        (chart.directory / "templates" / "more.yaml").write_text("a: 1")
    elif damage == "link":
        values.unlink()
        values.symlink_to("/etc/passwd")
    elif damage == "manifest":
        (place / "manifest.json").write_text("{")
    else:
        (place / "manifest.json").unlink()
    assert await store.get(chart.digest, SOURCE) is None
    again = await put(store, tmp_path, "1.0.0")
    assert (again.directory / "values.yaml").read_text() == "a: 1\n"
    assert await store.get(chart.digest, SOURCE) == again
    assert not list((tmp_path / "data" / "charts" / "making").iterdir())


async def test_those_not_used_for_longest_go_first(tmp_path: Path) -> None:
    store = opened(tmp_path, charts_bytes_max=10_000, in_use_seconds=60)
    one, two = [await put(store, tmp_path, version, 4_000) for version in ("1.0.0", "2.0.0")]
    age(one, 1_000)
    age(two, 2_000)
    assert await store.get(two.digest, SOURCE) == two
    three = await put(store, tmp_path, "3.0.0", 4_000)
    kept = [await store.get(chart.digest, SOURCE) for chart in (one, two, three)]
    assert kept == [None, two, three]


async def test_what_is_in_use_stays_and_the_bound_holds(tmp_path: Path) -> None:
    store = opened(tmp_path, charts_bytes_max=10_000, in_use_seconds=60)
    used = [await put(store, tmp_path, version, 4_000) for version in ("1.0.0", "2.0.0")]
    with pytest.raises(TransientError, match="TRUEUP_CHARTS_BYTES_MAX"):
        await put(store, tmp_path, "3.0.0", 4_000)
    assert [await store.get(chart.digest, SOURCE) for chart in used] == used


async def test_a_refused_archive_leaves_nothing(tmp_path: Path) -> None:
    store = opened(tmp_path)
    (tmp_path / "bad").write_bytes(b"no archive")
    with pytest.raises(ArchiveRefusedError):
        await store.put(tmp_path / "bad", "a" * 64, SOURCE)
    for name in ("store", "making"):
        assert not list((tmp_path / "data" / "charts" / name).iterdir())


async def test_what_a_killed_process_left_is_cleared_away(tmp_path: Path) -> None:
    left, fresh = opened(tmp_path).making(), opened(tmp_path).making()
    (left / "half").write_text("x")
    os.utime(left, (0, 0))
    opened(tmp_path)
    assert not left.exists()
    assert fresh.exists()


async def test_one_at_a_time_fetches_a_chart(tmp_path: Path) -> None:
    held = asyncio.Event()
    async with opened(tmp_path).locked("digest"):
        with pytest.raises(TransientError, match="another process has held"):
            async with opened(tmp_path, lock_seconds_max=0.05).locked("digest"):
                held.set()
    assert not held.is_set()


async def test_a_full_disk_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(tmp_path)
    (tmp_path / "data" / "charts" / "making").rmdir()
    with pytest.raises(TransientError, match="cannot be written below TRUEUP_DATA_DIR: No such file"):
        await put(store, tmp_path, "1.0.0")
