"""What a render was given is gone with it, and what a killed process left goes with the next one's start."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from trueup.clients.process import PIPE, base_environment, spawn
from trueup.engine.local_tree import LocalTree
from trueup.engine.render.workdir import private_directory, workplace, write_out

STAYS = """
import asyncio, sys
from pathlib import Path
from trueup.engine.render.workdir import private_directory, workplace

async def main():
    async with workplace(Path(sys.argv[1])) as place, private_directory(place) as directory:
        (directory / "secret").write_text("x")
        print("there", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_a_directory_goes_with_its_render_whatever_rights_a_tool_left_there(tmp_path: Path) -> None:
    async with workplace(tmp_path / "work") as place:
        async with private_directory(place) as directory:
            (directory / "a" / "b").mkdir(parents=True)
            (directory / "a" / "b" / "c").write_text("x")
            os.chmod(directory / "a" / "b", 0)  # noqa: PTH101
            os.chmod(directory / "a", 0o500)  # noqa: PTH101
        assert not directory.exists()
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("steps", range(6))
async def test_a_directory_goes_though_its_making_is_cancelled(tmp_path: Path, steps: int) -> None:
    async def use() -> None:
        async with private_directory(tmp_path / "work"):
            await asyncio.Event().wait()

    using = asyncio.create_task(use())
    for _ in range(steps):
        await asyncio.sleep(0)
    using.cancel()
    with pytest.raises(asyncio.CancelledError):
        await using
    assert not (tmp_path / "work").exists() or list((tmp_path / "work").iterdir()) == []


async def test_what_a_killed_process_left_is_removed_and_what_others_use_stays(tmp_path: Path) -> None:
    work = tmp_path / "work"
    environment = base_environment() | {"PYTHONPATH": os.pathsep.join(sys.path)}
    child = await spawn([sys.executable, "-c", STAYS, str(work)], env=environment, stdout=PIPE)
    try:
        assert await child.stdout.readline() == b"there\n"
        (left,) = work.glob("*/render-*/secret")
        async with workplace(work):
            assert left.exists(), "its process still runs"
    finally:
        await child.terminate(grace_seconds=0)
    assert left.exists(), "it was killed, and could not tidy up"
    async with workplace(work) as place:
        assert not left.exists()
        assert [path for path in work.iterdir() if path.suffix != ".lock"] == [place]


async def test_no_link_is_written_and_nothing_is_written_twice(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "real").mkdir(parents=True)
    (tree / "real" / "file").write_text("content")
    (tree / "link").symlink_to("real")
    (tree / "other").symlink_to("real/file")
    source = LocalTree(tree, file_bytes_max=1_000)
    target = tmp_path / "target"
    target.mkdir()
    await write_out(source, await source.files(""), target, bytes_max=1_000)
    written = {path.relative_to(target).as_posix(): path for path in target.rglob("*") if path.is_file()}
    assert sorted(written) == ["link/file", "other", "real/file"]
    assert not any(path.is_symlink() for path in target.rglob("*"))
