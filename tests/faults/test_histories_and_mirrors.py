"""A ref that goes any way but forward, and a damaged mirror: the right target in the end, all else untouched."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.support.bad_input import healed, owned, told
from tests.support.git import git
from tests.support.product import Installation
from tests.support.ships import Ship
from tests.support.wait import wait_until
from trueup.clients.git_store import local_ref
from trueup.domain.repository import normalize_url

SECONDS = 30.0
MAIN = "refs/heads/main"


async def _bare(ship: Ship) -> Path:
    return Path(await ship.git("remote", "get-url", "origin"))


async def _forced_aside(ship: Ship) -> str:
    """A commit beside the one that was synced, as `git commit --amend` makes it."""
    await ship.git("reset", "-q", "--soft", "HEAD~1")
    return await ship.second()


async def _forced_back(ship: Ship) -> str:
    await ship.git("reset", "-q", "--hard", "HEAD~1")
    await ship.git("push", "-q", "--force", "origin", f"HEAD:{MAIN}")
    return await ship.git("rev-parse", "HEAD")


async def _unrelated(ship: Ship) -> str:
    await ship.git("checkout", "-q", "--orphan", "anew")
    return await ship.second()


async def _recreated(ship: Ship) -> str:
    # A host may refuse to delete its default branch.
    await git(await _bare(ship), "config", "receive.denyDeleteCurrent", "ignore")
    await ship.git("push", "-q", "origin", f":{MAIN}")
    await ship.announce()
    raw = await told(ship.trueup, ship.name, "ComparisonError", "no branch or tag main", ship.url, "push it")
    assert owned(raw) == {ship.stays, ship.goes}
    await ship.trueup.at_rest()
    await ship.is_as_at_first()
    return await _unrelated(ship)


@pytest.mark.parametrize("move", [_forced_aside, _forced_back, _unrelated, _recreated])
async def test_a_branch_may_go_anywhere(patient: Installation, move: Callable[[Ship], Awaitable[str]]) -> None:
    ship, neighbour = await Ship.make(patient, "branch"), await Ship.make(patient, "neighbour")
    # Where `_forced_back` goes back to.
    await ship.first()
    await ship.second()
    await ship.sail()
    await neighbour.sail()
    await patient.at_rest()
    before = await patient.application(neighbour.name)
    revision = await move(ship)
    await ship.announce()
    await ship.is_as_at_second(revision)
    assert await patient.application(neighbour.name) == before


@pytest.mark.parametrize("annotated", [False, True])
async def test_a_tag_that_is_moved_is_followed(patient: Installation, annotated: bool) -> None:
    ship = await Ship.make(patient, "tag")
    await ship.sail("v1")
    revision = await ship.second()
    await ship.announce()
    await patient.at_rest()
    await ship.is_as_at_first()
    await ship.tag("v1", annotated=annotated)
    await ship.announce("refs/tags/v1")
    await ship.is_as_at_second(revision)


async def test_a_webhook_that_comes_before_its_commit_is_right_once_the_remote_shows_it(patient: Installation) -> None:
    ship = await Ship.make(patient, "early")
    first = await ship.sail()
    for name, content in ship.files_at_second.items():
        path = ship.repository.work / name
        if content is None:
            path.unlink()
        else:
            path.write_text(content)
    await ship.git("add", "-A")
    await ship.git("commit", "-q", "-m", "Not pushed yet")
    revision = await ship.git("rev-parse", "HEAD")
    before = await patient.metrics("worker")
    await ship.announce(after=revision)

    async def has_looked() -> bool:
        looked = (await patient.metrics("worker")).since(before)
        return looked.total("trueup_jobs_run_total", kind="repository", outcome="done") >= 2

    await wait_until(has_looked, SECONDS, "the remote was looked at in vain")
    await healed(patient, ship.name, first)
    await ship.is_as_at_first()
    await ship.git("push", "-q", "origin", f"HEAD:{MAIN}")
    await ship.is_as_at_second(revision)


def _no_objects(directory: Path) -> None:
    for file in [*(directory / "objects").rglob("*")]:
        if file.is_file():
            file.unlink()


def _no_head(directory: Path) -> None:
    (directory / "HEAD").unlink()


def _lost_commit(directory: Path) -> None:
    (directory / local_ref(MAIN)).write_text("f" * 40 + "\n")


def _torn_config(directory: Path) -> None:
    (directory / "config").write_text("[[[\n")


def _stale_locks(directory: Path) -> None:
    for name in (local_ref(MAIN), "packed-refs", "HEAD", "config", "shallow"):
        (directory / f"{name}.lock").touch()


async def test_a_damaged_mirror_is_made_anew_and_a_stale_lock_is_cleared(patient: Installation) -> None:
    damages = [_no_objects, _no_head, _lost_commit, _torn_config, _stale_locks]
    ships = [await Ship.make(patient, "damaged") for _ in damages]
    neighbour = await Ship.make(patient, "neighbour")
    await asyncio.gather(*(ship.sail() for ship in [*ships, neighbour]))
    await patient.at_rest()
    before = await patient.application(neighbour.name)
    for damage, ship in zip(damages, ships, strict=True):
        damage(_mirror(patient, ship))
    revisions = [await ship.second() for ship in ships]
    for ship in ships:
        await ship.announce()
    await asyncio.gather(*(ship.is_as_at_second(revision) for ship, revision in zip(ships, revisions, strict=True)))
    assert await patient.application(neighbour.name) == before
    assert "nobody foresaw" not in patient.log("worker").read_text()


def _mirror(trueup: Installation, ship: Ship) -> Path:
    name = hashlib.sha256(normalize_url(ship.url).encode()).hexdigest()[:40]
    return trueup.directory / "data" / "mirrors" / name / "repository.git"
