"""`service`, `worker` and `standalone` as processes: how they start, share work, and end without a trace."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import orjson
import pytest
from redis.asyncio import Redis

from tests.support.commands import refused, trueup
from tests.support.processes import children_of, is_alive
from tests.support.product import (
    AUTOMATED,
    SCRIPT,
    START_SECONDS,
    Installation,
    config_map,
    is_synced,
    kubeconfig,
)
from tests.support.wait import wait_until
from trueup.clients.process import Child, spawn

#: More than one worker gets hold of some of so many applications.
APPLICATIONS = 24
CLOSED_PORT = "http://127.0.0.1:1"
LONG_RUNNING = ("service", "worker", "standalone")
UNWRITABLE = "TRUEUP_DATA_DIR=/dev/null/data cannot be written to"


def family(pid: int) -> list[int]:
    """The process's children, and theirs."""
    children = children_of(pid)
    return [*children, *(grandchild for child in children for grandchild in family(child))]


async def gone(pids: list[int]) -> None:
    await wait_until(lambda: not [pid for pid in pids if is_alive(pid)], 30, f"the end of {pids}")


@pytest.mark.parametrize(
    ("command", "setting", "named"),
    [
        ("worker", {"TRUEUP_WORKERS": "0"}, "TRUEUP_WORKERS"),
        ("service", {"TRUEUP_LEASE_SECONDS": "soon"}, "TRUEUP_LEASE_SECONDS"),
        ("standalone", {"TRUEUP_LEASE_SECONDS": "soon"}, "TRUEUP_LEASE_SECONDS"),
        ("service", {"TRUEUP_LOG_LEVEL": "loud"}, "TRUEUP_LOG_LEVEL"),
        *((command, {"TRUEUP_DATA_DIR": "/dev/null/data"}, UNWRITABLE) for command in LONG_RUNNING),
    ],
)
async def test_a_bad_setting_ends_the_start_with_one_sentence(
    command: str, setting: dict[str, str], named: str, tmp_path: Path
) -> None:
    file = kubeconfig(tmp_path / "kubeconfig", CLOSED_PORT, "a-token")
    env = {"KUBECONFIG": str(file), "TRUEUP_DATA_DIR": str(tmp_path), **setting}
    assert named in refused(await trueup(command, home=tmp_path, env=env), code=1)


@pytest.mark.parametrize(
    ("command", "setting", "named"),
    [
        ("service", {"TRUEUP_LISTEN": "nonsense"}, "TRUEUP_LISTEN"),
        ("worker", {"TRUEUP_WORKER_OPS_LISTEN": "nonsense"}, "TRUEUP_WORKER_OPS_LISTEN"),
        ("service", {"TRUEUP_WATCH_LEASE_SECONDS": "6"}, "TRUEUP_WATCH_LEASE_DEADLINE_SECONDS"),
        ("service", {"TRUEUP_REDIS_URL": "nonsense"}, "Redis URL"),
        ("worker", {"TRUEUP_REDIS_URL": "nonsense"}, "Redis URL"),
        ("service", {"KUBECONFIG": "/nowhere"}, "There is no kubeconfig at /nowhere"),
        ("worker", {"KUBECONFIG": "/nowhere"}, "There is no kubeconfig at /nowhere"),
        ("worker", {"PATH": "/nowhere"}, "git is not installed"),
    ],
)
async def test_what_only_one_half_needs_is_named_by_it(
    command: str, setting: dict[str, str], named: str, tmp_path: Path
) -> None:
    file = kubeconfig(tmp_path / "kubeconfig", CLOSED_PORT, "a-token")
    env = {
        "KUBECONFIG": str(file),
        "TRUEUP_DATA_DIR": str(tmp_path),
        "TRUEUP_LISTEN": "127.0.0.1:0",
        "TRUEUP_OPS_LISTEN": "127.0.0.1:0",
        "TRUEUP_WORKER_OPS_LISTEN": "127.0.0.1:0",
        **setting,
    }
    done = await trueup(command, home=tmp_path, env=env)
    assert done.returncode == 1
    words = done.stderr.decode().splitlines()
    assert len(words) == 1, words
    assert named in words[0]


async def test_draining_does_the_work_there_is_and_ends_with_0(trueup: Installation) -> None:
    done = await trueup.trueup("worker", "--drain")
    assert done.returncode == 0, "a new Redis has neither an epoch nor a job"
    repository = await trueup.repository()
    revision = await repository.push({"app/one.yaml": config_map("one", at="dawn")})
    await trueup.apply("harbour", repository.url, syncPolicy=AUTOMATED)
    await trueup.start("service")
    done = await trueup.trueup("worker", "--drain")
    assert done.returncode == 0, done.stderr.decode()
    raw = await trueup.application("harbour")
    assert raw is not None
    assert is_synced(revision)(raw), "what waited when it started is done when it ends"


async def _two_workers(trueup: Installation) -> tuple[Child, list[int]]:
    trueup.settings["TRUEUP_WORKERS"] = "2"
    trueup.settings["TRUEUP_JOBS_RUNNING_MAX"] = "1"
    child = await trueup.start("worker", wait=False)

    def ready() -> list[int] | None:
        assert child.returncode is None, trueup.log("worker").read_text()
        files = [trueup.directory / "data" / f"{name}.json" for name in ("worker", "worker-1")]
        pids = [orjson.loads(file.read_bytes())["pid"] for file in files if file.exists()]
        return pids if len(pids) == 2 else None

    return child, await wait_until(ready, START_SECONDS, "both workers are ready")


async def test_two_workers_share_the_work_and_end_together(trueup: Installation) -> None:
    repository = await trueup.repository()
    names = [f"app-{number}" for number in range(APPLICATIONS)]
    revision = await repository.push({f"{name}/one.yaml": config_map(name, at="dawn") for name in names})
    parent, workers = await _two_workers(trueup)
    assert sorted(children_of(parent.pid)) == sorted(workers)
    for name in names:
        await trueup.apply(name, repository.url, path=name, syncPolicy=AUTOMATED)
    await trueup.start("service")
    for name in names:
        await trueup.until(name, is_synced(revision), "synced")
    for name in ("worker", "worker-1"):
        assert (await trueup.metrics(name)).total("trueup_syncs_total") > 0, f"{name} worked too"
    everybody = family(parent.pid)
    os.kill(parent.pid, signal.SIGTERM)
    assert await parent.wait() == 0
    assert not [pid for pid in everybody if is_alive(pid)]


async def test_a_killed_parent_leaves_no_worker_behind(trueup: Installation) -> None:
    parent, workers = await _two_workers(trueup)
    everybody = family(parent.pid)
    assert set(workers) <= set(everybody)
    await trueup.kill("worker")
    await gone(everybody)


async def test_a_worker_that_ends_by_itself_ends_the_others_with_a_sentence(trueup: Installation) -> None:
    parent, workers = await _two_workers(trueup)
    os.kill(workers[1], signal.SIGKILL)
    assert await parent.wait() == 1
    assert not [pid for pid in workers if is_alive(pid)]
    assert trueup.log("worker").read_text().endswith("trueup: the worker ended with -9; what it said stands above\n")


async def _start_standalone(trueup: Installation, env: dict[str, str]) -> Child:
    with trueup.log("standalone").open("wb") as log:
        child = await spawn([SCRIPT, "standalone"], env=env, stdout=log, stderr=log)
    trueup.children["standalone"] = child
    return child


async def _standalone(trueup: Installation, env: dict[str, str]) -> None:
    """A push becomes a synced cluster; Ctrl-C leaves nobody behind."""
    repository = await trueup.repository()
    first = await repository.push({"app/one.yaml": config_map("one", at="dawn")})
    await trueup.apply("harbour", repository.url, syncPolicy=AUTOMATED)
    child = await _start_standalone(trueup, env)
    await trueup.until("harbour", is_synced(first), "synced at the first commit")
    second = await repository.push({"app/one.yaml": config_map("one", at="noon")})
    assert await trueup.webhook(repository.url) == 202
    await trueup.until("harbour", is_synced(second), "synced at the second commit")
    addresses = trueup.addresses("standalone")
    assert addresses["pid"] == child.pid
    for name in ("listen", "ops_listen", "worker_ops_listen"):
        assert addresses[name].startswith("127.0.0.1:")
    everybody = family(child.pid)
    os.kill(child.pid, signal.SIGINT)
    assert await child.wait() == 0
    assert not [pid for pid in everybody if is_alive(pid)]
    words = trueup.log("standalone").read_text()
    assert "Traceback" not in words
    assert "Unknown child process" not in words


async def test_standalone_brings_a_valkey_of_its_own(trueup: Installation) -> None:
    env = trueup.environment()
    del env["TRUEUP_REDIS_URL"]
    await _standalone(trueup, env)
    async with Redis.from_url(trueup.redis_url) as redis:
        assert await redis.dbsize() == 0, "nobody told it of this one"


async def test_standalone_uses_the_redis_that_is_named(trueup: Installation) -> None:
    await _standalone(trueup, trueup.environment())
    async with Redis.from_url(trueup.redis_url) as redis:
        assert await redis.dbsize() > 0


async def test_a_killed_standalone_leaves_nobody_behind(trueup: Installation) -> None:
    env = trueup.environment()
    del env["TRUEUP_REDIS_URL"]
    child = await _start_standalone(trueup, env)
    await wait_until((trueup.directory / "data" / "service.json").exists, START_SECONDS, "ready")
    everybody = family(child.pid)
    assert len(everybody) >= 3
    await trueup.kill("standalone")
    await gone(everybody)
