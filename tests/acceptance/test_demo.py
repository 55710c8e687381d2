"""The demo plays to its end on real parts, with and without a terminal, and leaves nobody behind."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from tests.support.processes import children_of, is_alive
from tests.support.product import SCRIPT
from trueup.clients.process import PIPE, base_environment, run, spawn

DEMO_SECONDS = 180.0
SAID = (
    "all Synced",
    "all Healthy",
    "webhook accepted: 202",
    "tides is Synced at the new revision",
    "not touched: harbour, lighthouse",
    "tides/config.yaml",
    "mended by the next commit",
    "(last written by kubectl-edit)",
    "its ports are [80]",
)


def environment(home: Path) -> dict[str, str]:
    """Of a shell without a terminal; the control plane comes from the cache of whoever runs the tests."""
    cache = {name: os.environ[name] for name in ("TRUEUP_CACHE_DIR", "XDG_CACHE_HOME") if name in os.environ}
    return base_environment() | cache | {"HOME": str(Path.home()), "TMPDIR": str(home)}


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
    assert os.listdir(tmp_path) == [], "the folder it played in is gone"  # noqa: PTH208 - nothing blocks here


async def test_the_demo_stays_until_ctrl_c_and_leaves_nobody_behind(tmp_path: Path) -> None:
    child = await spawn([SCRIPT, "demo"], env=environment(tmp_path), stdout=PIPE, stderr=PIPE)
    try:
        async with asyncio.timeout(DEMO_SECONDS):
            while b"Live, until Ctrl-C" not in (line := await child.stdout.readline()):
                assert line, (await child.stderr.read()).decode()
        everybody = [child.pid, *children_of(child.pid)]
        assert len(everybody) > 5, "the cluster, the queue and both halves"
        child.signal(signal.SIGINT)
        async with asyncio.timeout(60):
            await child.wait()
        assert not [pid for pid in everybody if is_alive(pid)]
        errors = (await child.stderr.read()).decode()
        assert "Traceback" not in errors
        assert "Unknown child process" not in errors
    finally:
        await child.terminate(grace_seconds=10)
