"""Workers that come for what there is and go: from an empty disk, several at once, and past what cannot be done."""

from __future__ import annotations

import asyncio
from pathlib import Path

from redis.asyncio import Redis

from tests.support.bad_input import fresh, told
from tests.support.product import AUTOMATED, STEP_SECONDS, Installation, Repo, config_map, is_synced
from tests.support.wait import wait_until
from trueup.clients.process import Completed
from trueup.clients.queue import Queue

REPOSITORIES = 5
APPLICATIONS_EACH = 10
NOWHERE = "http://127.0.0.1:1/nowhere.git"


async def test_drains_from_empty_disks_reach_what_a_running_worker_would(trueup: Installation, tmp_path: Path) -> None:
    await trueup.start("service")
    fleet = {await trueup.repository(): [fresh("app") for _ in range(APPLICATIONS_EACH)] for _ in range(REPOSITORIES)}
    names = [name for each in fleet.values() for name in each]
    for at, disks in (("dawn", ["first"]), ("noon", ["second", "third"])):
        revisions = await _push(fleet, at)
        if at == "dawn":
            for repository, each in fleet.items():
                for name in each:
                    await trueup.apply(name, repository.url, path=name, syncPolicy=AUTOMATED)
        for repository in fleet:
            assert await trueup.webhook(repository.url) == 202
        await _queued(trueup, REPOSITORIES)
        done = await asyncio.gather(*(_drain(trueup, tmp_path / disk) for disk in disks))
        assert [one.returncode for one in done] == [0] * len(disks), [one.stderr[-3000:] for one in done]
        for one in done:
            assert b'"event": "examined"' in one.stderr or b'"event": "synced"' in one.stderr, "each had its share"
        for repository, each in fleet.items():
            for name in each:
                raw = await trueup.application(name)
                assert raw is not None
                assert is_synced(revisions[repository])(raw), raw["status"]
                live = await trueup.live("ConfigMap", name)
                assert live is not None
                assert live["data"] == {"at": at}
    before = {name: await trueup.application(name) for name in names}
    # A worker that stays finds nothing left to do.
    await trueup.start("worker")
    await trueup.at_rest()
    assert {name: await trueup.application(name) for name in names} == before


async def test_a_drain_ends_before_what_cannot_be_done_yet_and_says_so(trueup: Installation, tmp_path: Path) -> None:
    trueup.settings |= {"TRUEUP_RETRY_SECONDS_MIN": "0.2", "TRUEUP_DRAIN_DELAY_SECONDS_MAX": "1"}
    await trueup.start("service")
    repository, sound, lost = await trueup.repository(), fresh("sound"), fresh("lost")
    revision = await repository.push({f"{name}/one.yaml": config_map(name) for name in (sound, lost)})
    await trueup.apply(lost, NOWHERE, path=lost, syncPolicy=AUTOMATED)
    await trueup.apply(sound, repository.url, path=sound, syncPolicy=AUTOMATED)
    await _queued(trueup, 2)
    done = await _drain(trueup, tmp_path / "first", TRUEUP_WORKERS="2")
    assert done.returncode == 3, done.stderr[-3000:]
    assert b"jobs are left to a later worker" in done.stderr
    await told(trueup, lost, "ComparisonError", NOWHERE, "cannot be reached", "check the address")
    raw = await trueup.application(sound)
    assert raw is not None
    assert is_synced(revision)(raw)
    # The next one has no other queue, and takes it from there.
    await trueup.patch(lost, {"spec": {"source": {"repoURL": repository.url}}})
    await _queued(trueup, 1)
    await _drain(trueup, tmp_path / "second")
    raw = await trueup.application(lost)
    assert raw is not None
    assert is_synced(revision)(raw)


async def _push(fleet: dict[Repo, list[str]], at: str) -> dict[Repo, str]:
    return {
        repository: await repository.push({f"{name}/one.yaml": config_map(name, at=at) for name in each})
        for repository, each in fleet.items()
    }


async def _drain(trueup: Installation, disk: Path, **more: str) -> Completed:
    return await trueup.trueup("worker", "--drain", TRUEUP_DATA_DIR=str(disk), **more)


async def _queued(trueup: Installation, jobs: int) -> None:
    """Wait until so many jobs wait at least, and nothing is on its way to them."""

    async def is_there() -> bool:
        on_their_way = (await trueup.metrics("service")).total("trueup_dirty_jobs")
        async with Redis.from_url(trueup.redis_url) as redis:
            depth = await Queue(redis).depth()
        return not on_their_way and depth.ready >= jobs

    await wait_until(is_there, STEP_SECONDS, f"{jobs} jobs wait")
