"""A target revision or a path that is not there: said, nothing pruned, and taken up when it comes (back)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.bad_input import fresh, healed, owned, sound_neighbour, told
from tests.support.git import git
from tests.support.product import AUTOMATED, Installation, Repo, config_map, sync_status
from tests.support.ships import Ship

MISSING_SHA = "1234567890abcdef1234567890abcdef12345678"


@pytest.mark.parametrize("revision", ["no-such-branch", "v9.9.9", "refs/tags/v9", MISSING_SHA])
async def test_a_revision_that_is_nowhere_is_named_and_the_others_go_on(running: Installation, revision: str) -> None:
    repository, one, name = await running.repository(), fresh("one"), fresh("nowhere")
    first = await repository.push({"app/one.yaml": config_map(one), "next/two.yaml": config_map(fresh("two"))})
    await running.apply(name, repository.url, source=_source(repository, revision), syncPolicy=AUTOMATED)
    raw = await told(running, name, "ComparisonError", revision, repository.url)
    assert sync_status(raw) == "Unknown"
    await sound_neighbour(running, repository.url, "next", first)
    await running.patch(name, {"spec": {"source": {"targetRevision": "main"}}})
    await healed(running, name, first)


@pytest.mark.parametrize("revision", ["main~1", "a..b", "-upload-pack=x", "@{-1}", "1.2.*.y", "main:app", "x" * 300])
async def test_what_is_no_revision_at_all_is_refused_and_the_others_go_on(running: Installation, revision: str) -> None:
    repository, one, name = await running.repository(), fresh("one"), fresh("odd")
    first = await repository.push({"app/one.yaml": config_map(one), "next/two.yaml": config_map(fresh("two"))})
    await running.apply(name, repository.url, source=_source(repository, revision), syncPolicy=AUTOMATED)
    await told(running, name, "InvalidSpecError", "spec.source.targetRevision", "branch or tag")
    await sound_neighbour(running, repository.url, "next", first)
    await running.patch(name, {"spec": {"source": {"targetRevision": first}}})
    await healed(running, name, first)


async def test_a_branch_that_is_deleted_takes_nothing_with_it(running: Installation) -> None:
    repository, one, name = await running.repository(), fresh("one"), fresh("deleted")
    await repository.push({"README": "the default branch"})
    revision = await repository.push({"app/one.yaml": config_map(one)}, branch="release")
    await running.apply(name, repository.url, source=_source(repository, "release"), syncPolicy=AUTOMATED)
    await healed(running, name, revision)
    await git(repository.work, "push", "-q", "origin", ":refs/heads/release")
    assert await running.webhook(repository.url, ref="refs/heads/release") == 202
    raw = await told(running, name, "ComparisonError", "no branch or tag release")
    assert sync_status(raw) == "Unknown"
    assert owned(raw) == {one}, "what it owns is not forgotten"
    await running.at_rest()
    assert await running.live("ConfigMap", one) is not None
    await git(repository.work, "push", "-q", "origin", f"{revision}:refs/heads/release")
    assert await running.webhook(repository.url, ref="refs/heads/release") == 202
    await healed(running, name, revision)


async def test_a_path_that_is_not_there_yet_is_awaited(running: Installation) -> None:
    repository, one, name = await running.repository(), fresh("one"), fresh("early")
    await repository.push({"README": "nothing yet"})
    await running.apply(name, repository.url, path="later/app", syncPolicy=AUTOMATED)
    await told(running, name, "ComparisonError", "'later/app' does not exist", repository.url)
    revision = await repository.push({"later/app/one.yaml": config_map(one)})
    assert await running.webhook(repository.url) == 202
    await healed(running, name, revision)


async def test_a_path_that_a_commit_removes_takes_nothing_with_it(running: Installation) -> None:
    repository, one, name = await running.repository(), fresh("one"), fresh("removed")
    first = await repository.push({"app/one.yaml": config_map(one), "README": "stays"})
    await running.apply(name, repository.url, syncPolicy={"automated": {"prune": True, "allowEmpty": True}})
    await healed(running, name, first)
    await repository.push({"app/one.yaml": None})
    assert await running.webhook(repository.url) == 202
    raw = await told(running, name, "ComparisonError", "'app' does not exist")
    assert owned(raw) == {one}
    await running.at_rest()
    assert await running.live("ConfigMap", one) is not None
    third = await repository.push({"app/one.yaml": config_map(one, back="again")})
    assert await running.webhook(repository.url) == 202
    await healed(running, name, third)
    live = await running.live("ConfigMap", one)
    assert live is not None
    assert live["data"] == {"back": "again"}


async def test_a_path_to_a_file_asks_for_a_directory(running: Installation) -> None:
    repository, one, name = await running.repository(), fresh("one"), fresh("file")
    revision = await repository.push({"app/one.yaml": config_map(one)})
    await running.apply(name, repository.url, path="app/one.yaml", syncPolicy=AUTOMATED)
    await told(running, name, "ComparisonError", "'app/one.yaml' is not a directory")
    await running.patch(name, {"spec": {"source": {"path": "app"}}})
    await healed(running, name, revision)


@pytest.mark.parametrize("path", ["../outside", "/etc", "app/../../x", "a\nb"])
async def test_a_path_out_of_the_repository_is_refused(running: Installation, path: str) -> None:
    repository, one, name = await running.repository(), fresh("one"), fresh("outside")
    revision = await repository.push({"app/one.yaml": config_map(one)})
    await running.apply(name, repository.url, path=path, syncPolicy=AUTOMATED)
    await told(running, name, "InvalidSpecError", "spec.source.path")
    await running.patch(name, {"spec": {"source": {"path": "app"}}})
    await healed(running, name, revision)


async def test_a_sync_that_was_asked_for_ends_where_the_revision_is_not_there(running: Installation) -> None:
    repository, name = await running.repository(), fresh("asked")
    await repository.push({"app/one.yaml": config_map(fresh("one"))})
    await running.apply(name, repository.url, source=_source(repository, "no-such-branch"))
    done = await running.trueup("app", "sync", name, "--timeout", "30")
    assert done.returncode != 0
    assert "no-such-branch" in (done.stdout + done.stderr).decode()
    raw = await running.application(name)
    assert raw is not None
    assert "operation" not in raw
    assert raw["status"]["operationState"]["phase"] == "Error"


async def test_a_hundred_thousand_refs_cost_what_one_does(running: Installation) -> None:
    branch, tagged = await Ship.make(running, "branch"), await Ship.make(running, "range")
    for ship in (branch, tagged):
        tip = await ship.first()
        _fabricate_refs(Path(await ship.git("remote", "get-url", "origin")), tip)
    await branch.apply()
    await tagged.apply("1.*")
    for ship in (branch, tagged):
        await healed(running, ship.name, await ship.git("rev-parse", "HEAD"))
    for ship in (branch, tagged):
        revision = await ship.second()
        if ship is tagged:
            await ship.tag("v1.1.0")
        await ship.announce("refs/tags/v1.1.0" if ship is tagged else "refs/heads/main")
        await ship.is_as_at_second(revision)


def _fabricate_refs(bare: Path, tip: str) -> None:
    lines = sorted(f"{tip} refs/tags/v1.0.{n}\n" for n in range(100_000))
    head = "# pack-refs with: peeled fully-peeled sorted \n"
    (bare / "packed-refs").write_text(head + f"{tip} refs/heads/main\n" + "".join(lines))


def _source(repository: Repo, revision: str) -> dict[str, str]:
    return {"repoURL": repository.url, "path": "app", "targetRevision": revision}
