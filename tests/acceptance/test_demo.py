"""The demo plays to its end on real parts, with and without a terminal, and leaves nobody behind."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import aiohttp
import pytest

from tests.support.processes import children_of, is_alive
from tests.support.product import SCRIPT
from trueup.cli.demo.fleet import config_map
from trueup.clients.process import PIPE, Child, base_environment, run, spawn

DEMO_SECONDS = 180.0
SAID = (
    "all Synced",
    "all Healthy",
    "webhook accepted: 202",
    "tides is Synced at the new revision",
    "not touched: harbour, lighthouse",
    "tides/config.yaml",
    "mended by the next commit",
    "tides is OutOfSync by a watch event",
    "  # by manager kubectl-edit, ",
    "⚠️ tides drifted from Git",
    "bob with kubectl-edit",
    "that it was Bob says the API server's audit log",
    "Waits for a person: `trueup app sync tides`",
    "tides is still OutOfSync",
    "its ports are [80]",
    "✅ tides is Synced again",
    "put right by a sync",
    "lighthouse is OutOfSync",
    "its replicas are 2",
    "✅ lighthouse is Synced again",
    "healed by self-heal",
)


def environment(home: Path) -> dict[str, str]:
    """Of a shell without a terminal; the control plane comes from the cache of whoever runs the tests."""
    cache = {name: os.environ[name] for name in ("TRUEUP_CACHE_DIR", "XDG_CACHE_HOME") if name in os.environ}
    return base_environment() | cache | {"HOME": str(Path.home()), "TMPDIR": str(home)}


def left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_the_demo_plays_to_its_end(tmp_path: Path) -> None:
    done = await run(
        [SCRIPT, "demo", "--once"],
        env=environment(tmp_path),
        timeout_seconds=DEMO_SECONDS,
        output_bytes_max=1024 * 1024,
    )
    words = done.stdout.decode()
    assert done.returncode == 0, words + done.stderr.decode()
    assert [sentence for sentence in SAID if sentence not in words] == []
    assert "Traceback" not in done.stderr.decode()
    assert "Unknown child process" not in done.stderr.decode()
    assert left_in(tmp_path) == [], "the folder it played in is gone"


async def test_the_demo_stays_until_ctrl_c_shows_what_changes_and_leaves_nobody_behind(tmp_path: Path) -> None:
    child = await spawn([SCRIPT, "demo"], env=environment(tmp_path), stdout=PIPE, stderr=PIPE)
    try:
        async with asyncio.timeout(DEMO_SECONDS):
            await _shows_its_page(await _until(child, "The page is open"))
            await _until(child, "try this from another terminal")
            lines = [await _line(child) for _ in range(8)]
            await _as_it_says(tmp_path, lines, child)
            everybody = [child.pid, *children_of(child.pid)]
            assert len(everybody) > 5, "the cluster, the queue and both halves"
            child.signal(signal.SIGINT)
            assert await child.wait() == 0
        assert not [pid for pid in everybody if is_alive(pid)]
        assert (await child.stderr.read()).decode() == "", "neither a traceback nor a warning"
        assert [name for name in left_in(tmp_path) if name.startswith("trueup-demo-")] == []
    finally:
        await child.terminate(grace_seconds=10)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_an_interrupt_in_the_middle_of_the_story_leaves_nothing_behind(
    tmp_path: Path, number: int, code: int
) -> None:
    child = await spawn([SCRIPT, "demo"], env=environment(tmp_path), stdout=PIPE, stderr=PIPE)
    try:
        async with asyncio.timeout(DEMO_SECONDS):
            await _until(child, "Everything answers")
            everybody = [child.pid, *children_of(child.pid)]
            child.signal(number)
            assert await child.wait() == code
        assert not [pid for pid in everybody if is_alive(pid)]
        assert (await child.stderr.read()).decode() == ""
        assert left_in(tmp_path) == []
    finally:
        await child.terminate(grace_seconds=10)


async def _line(child: Child) -> str:
    line = await child.stdout.readline()
    assert line, (await child.stderr.read()).decode()
    return line.decode().strip()


async def _until(child: Child, words: str) -> str:
    while words not in (line := await _line(child)):
        pass
    return line


async def _shows_its_page(line: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(line.rsplit(maxsplit=1)[-1]) as answer:
        assert answer.status == 200
        assert "Live is what Git says." in await answer.text()


async def _as_it_says(tmp_path: Path, lines: list[str], child: Child) -> None:
    """Type what it says, in another terminal."""
    settings = dict(word.split("=", 1) for word in lines[0].removeprefix("export ").split())
    env = environment(tmp_path) | settings | {"KUBE_EDITOR": "sed -i s/port:.80$/port:\\ 8088/"}

    async def typed(line: str) -> tuple[int, str]:
        argv = line.partition("   #")[0].split()
        done = await run(argv, cwd=tmp_path, env=env, timeout_seconds=60, output_bytes_max=1024 * 1024)
        return done.returncode, (done.stdout + done.stderr).decode()

    edit, diff, sync, drift, scale, clone, refresh = lines[1:]
    assert (await typed(diff))[0] == 0
    assert await typed(edit) == (0, "service/tides edited\n")
    await _until(child, "tides: OutOfSync")
    await _until(child, "Slack: ⚠️ tides drifted")
    code, words = await typed(diff)
    assert code == 1, words
    assert "port: 8088" in words
    code, words = await typed(sync)
    assert code == 0, words
    await _until(child, "tides: Synced, Healthy")
    await _until(child, "Slack: ✅ tides is Synced again")
    assert (await typed(diff))[0] == 0
    code, words = await typed(drift)
    assert code == 0, words
    assert "kubectl-edit" in words
    assert (await typed(scale))[0] == 0
    await _until(child, "Slack: ✅ lighthouse is Synced again")
    assert (await typed(clone))[0] == 0
    (tmp_path / "fleet" / "tides" / "config.yaml").write_text(config_map("tides", "spring tide"))
    assert await typed("git -C fleet -c user.name=you -c user.email=you@here.invalid commit -qam Spring") == (0, "")
    assert await typed("git -C fleet push --quiet") == (0, "")
    _, revision = await typed("git -C fleet rev-parse HEAD")
    code, words = await typed(refresh)
    assert code == 0, words
    await _until(child, f"tides: Synced, Healthy, at {revision[:7]}")
