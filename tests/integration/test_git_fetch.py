"""A mirror has what the remote has, of the refs that are followed and of nothing else."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.git import Gate, Repository, git, http_server, open_mirror
from tests.support.mirrors import mirror, server
from tests.support.wait import wait_until
from trueup.clients.git import GitBounds
from trueup.clients.git_mirror import Mirror, Missing
from trueup.domain.errors import InvalidSpecError
from trueup.domain.version_range import among_tags
from trueup.sandbox import GitServer
from trueup.telemetry import GIT_COMMANDS, GIT_FETCHES

__all__ = ["mirror", "server"]


@pytest.fixture
async def repository(tmp_path: Path) -> Repository:
    made = await Repository.make(tmp_path, "r")
    await made.commit({"app/a.yaml": "a: 1\n"})
    return made


async def one(mirror: Mirror, revision: str) -> str | Missing:
    return (await mirror.fetch([revision], credentials=None))[revision]


def commands() -> dict[str, float]:
    return {
        sample.labels["command"]: sample.value
        for metric in GIT_COMMANDS.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    }


def fetches() -> float:
    return sum(s.value for m in GIT_FETCHES.collect() for s in m.samples if s.name.endswith("_total"))


async def test_every_kind_of_revision_is_resolved_to_a_commit(mirror: Mirror, repository: Repository) -> None:
    first = await repository.head()
    await git(repository.work, "tag", "-a", "v1", "-m", "v1")
    await git(repository.work, "tag", "-a", "nested", "v1", "-m", "of a tag")
    await git(repository.work, "tag", "light")
    second = await repository.commit({"app/a.yaml": "a: 2\n"}, branch="release/1.0")
    await repository.push("--tags", f"{first}:refs/pull/7/head")
    resolved = await mirror.fetch(
        ["", "HEAD", "main", "release/1.0", "v1", "nested", "light", "refs/heads/main", "refs/tags/v1",
         "refs/pull/7/head", first, "nope", first[:8], "0" * 40],
        credentials=None,
    )  # fmt: skip
    missing = {revision: found.reason for revision, found in resolved.items() if isinstance(found, Missing)}
    assert {r: c for r, c in resolved.items() if r not in missing} == {
        **dict.fromkeys(
            ["", "HEAD", "main", "v1", "nested", "light", "refs/heads/main", "refs/tags/v1", "refs/pull/7/head", first],
            first,
        ),
        "release/1.0": second,
    }
    assert set(missing) == {"nope", first[:8], "0" * 40}
    way_out = "push it, or correct spec.source.targetRevision"
    assert missing["nope"] == f"repository {mirror.url} has no branch or tag nope; {way_out}"
    assert "full SHA" in missing[first[:8]]


async def test_a_known_branch_costs_one_child_process_and_only_what_changed(
    mirror: Mirror, repository: Repository, server: GitServer
) -> None:
    await mirror.fetch(["main", "HEAD"], credentials=None)
    moved = await repository.commit({"app/a.yaml": "a: 2\n"})
    server.counters.clear()
    before, fetched = commands(), fetches()
    resolved = await mirror.fetch(["main", "HEAD"], credentials=None)
    assert resolved == {"main": moved, "HEAD": moved}
    assert {name: count - before.get(name, 0) for name, count in commands().items() if count != before.get(name)} == {
        "fetch": 1
    }
    assert fetches() - fetched == 1
    assert dict(server.counters) == {("r", "refs"): 1, ("r", "ls-refs"): 1, ("r", "fetch"): 1}
    server.counters.clear()
    assert await mirror.fetch(["main", "HEAD"], credentials=None) == resolved
    assert ("r", "fetch") not in server.counters


async def test_only_followed_refs_are_fetched(mirror: Mirror, repository: Repository) -> None:
    followed = await repository.head()
    other = await repository.commit({"other": "x"}, branch="other")
    await git(
        repository.bare,
        "update-ref",
        "--stdin",
        stdin=b"".join(
            b"create refs/heads/main-%d %s\ncreate refs/tags/main-%d %s\n" % (n, other.encode(), n, other.encode())
            for n in range(500)
        ),
    )
    assert await one(mirror, "main") == followed
    assert await one(mirror, "main") == followed
    held = await git(mirror.directory, "for-each-ref", "--format=%(objectname)")
    assert held.splitlines() == [followed]
    assert await mirror.objects([(other, None)]) == [None]


async def test_listing_is_of_the_named_refs(mirror: Mirror, repository: Repository) -> None:
    await git(repository.work, "tag", "-a", "v1", "-m", "v1")
    await repository.push("--tags", "main:refs/heads/main-2")
    head = await repository.head()
    listed = await mirror.ls_remote(["HEAD", "refs/heads/main", "refs/tags/v1", "refs/heads/no"], credentials=None)
    assert set(listed) == {"HEAD", "refs/heads/main", "refs/tags/v1"}
    assert (listed["HEAD"].sha, listed["HEAD"].symref) == (head, "refs/heads/main")
    assert listed["refs/tags/v1"].peeled == head
    assert not mirror.directory.exists()


async def test_callers_share_the_fetch_that_has_not_begun(
    mirror: Mirror, repository: Repository, server: GitServer
) -> None:
    await one(mirror, "main")
    await repository.commit({}, branch="b")
    server.counters.clear()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(mirror, "main")) for _ in range(50)]
    assert len({task.result() for task in tasks}) == 1
    assert server.counters["r", "refs"] == 1


async def test_who_comes_during_a_fetch_gets_what_came_after_it_began(
    tmp_path: Path, repository: Repository, server: GitServer
) -> None:
    gate = Gate(server.root)
    async with http_server(gate.answer) as url:
        mirror = open_mirror(tmp_path, f"{url}/r.git")
        try:
            gate.release.clear()
            first = await repository.head()
            early = asyncio.create_task(one(mirror, "main"))
            await gate.held.wait()
            moved = await repository.commit({"app/a.yaml": "a: 2\n"})
            late = [asyncio.create_task(one(mirror, "main")) for _ in range(10)]
            await asyncio.sleep(0)
            listed = len(gate.listed)
            gate.release.set()
            assert await early == first
            assert await asyncio.gather(*late) == [moved] * 10
            assert len(gate.listed) == listed + 1
        finally:
            await mirror.close()


async def test_the_remote_is_made_to_list_the_named_refs_only(
    tmp_path: Path, repository: Repository, server: GitServer
) -> None:
    await repository.push("main:refs/heads/other", "main:refs/tags/other", "main:refs/pull/1/head")
    gate = Gate(server.root)
    async with http_server(gate.answer) as url:
        mirror = open_mirror(tmp_path, f"{url}/r.git")
        try:
            await mirror.ls_remote(["HEAD", "refs/heads/main"], credentials=None)
            await mirror.fetch(["HEAD", "main", "none"], credentials=None)
            await mirror.fetch(["HEAD", "main"], credentials=None)
        finally:
            await mirror.close()
    assert len(gate.listed) >= 3
    assert all(b"refs/heads/main" in listed for listed in gate.listed)
    assert not any(b"other" in listed or b"pull" in listed for listed in gate.listed)


async def test_one_callers_bad_revision_is_not_the_others_fault(mirror: Mirror, repository: Repository) -> None:
    good, bad = await asyncio.gather(one(mirror, "main"), one(mirror, "--upload-pack=x"), return_exceptions=True)
    assert good == await repository.head()
    assert isinstance(bad, InvalidSpecError)


async def test_a_cancelled_caller_leaves_the_fetch_to_the_others(mirror: Mirror, repository: Repository) -> None:
    first, second = asyncio.create_task(one(mirror, "main")), asyncio.create_task(one(mirror, "main"))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == await repository.head()
    assert first.cancelled()
    alone = asyncio.create_task(one(mirror, "main"))
    await asyncio.sleep(0)
    alone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await alone
    assert await one(mirror, "main") == await repository.head()


async def test_force_push_is_followed_and_the_old_commit_is_still_compared(
    mirror: Mirror, repository: Repository
) -> None:
    base = await repository.head()
    old = await repository.commit({"app/b.yaml": "b: 1\n"})
    assert await one(mirror, "main") == old
    await git(repository.work, "reset", "-q", "--hard", base)
    new = await repository.commit({"app/c.yaml": "c: 1\n"})
    assert await one(mirror, "main") == new
    assert sorted(await mirror.changed_paths(old, new) or ()) == ["app/b.yaml", "app/c.yaml"]
    await git(repository.work, "reset", "-q", "--hard", base)
    await repository.push("main")
    assert await one(mirror, "main") == base


async def test_a_deleted_branch_is_missing_until_it_is_made_again(mirror: Mirror, repository: Repository) -> None:
    kept = await repository.head()
    await repository.commit({"x": "1"}, branch="feature")
    await mirror.fetch(["feature", "main"], credentials=None)
    await repository.push(":refs/heads/feature")
    resolved = await mirror.fetch(["feature", "main"], credentials=None)
    assert resolved["main"] == kept
    assert isinstance(resolved["feature"], Missing)
    assert await mirror.resolve("feature") is None
    again = await repository.commit({"x": "2"}, branch="feature")
    assert await one(mirror, "feature") == again


async def test_a_branch_may_take_the_place_of_a_directory_of_branches(mirror: Mirror, repository: Repository) -> None:
    await repository.push("main:refs/heads/a")
    await one(mirror, "a")
    await repository.push(":refs/heads/a")
    await repository.push("main:refs/heads/a/b")
    assert await one(mirror, "a/b") == await repository.head()


async def test_a_moved_tag_is_followed(mirror: Mirror, repository: Repository, server: GitServer) -> None:
    first = await repository.head()
    await git(repository.work, "tag", "-a", "stable", "-m", "1")
    await repository.push("--tags")
    assert await one(mirror, "stable") == first
    server.counters.clear()
    assert await one(mirror, "stable") == first
    assert dict(server.counters) == {("r", "refs"): 1, ("r", "ls-refs"): 1}
    second = await repository.commit({"app/a.yaml": "a: 2\n"})
    await git(repository.work, "tag", "-f", "-a", "stable", "-m", "2")
    await repository.push("--tags")
    assert await one(mirror, "stable") == second


async def test_a_branch_wins_over_a_tag_also_when_it_comes_later(mirror: Mirror, repository: Repository) -> None:
    tagged = await repository.head()
    await git(repository.work, "tag", "both")
    await repository.push("--tags")
    assert await one(mirror, "both") == tagged
    branch = await repository.commit({"x": "1"}, branch="b")
    await repository.push("b:refs/heads/both")
    assert await one(mirror, "both") == branch
    assert await one(mirror, "refs/tags/both") == tagged
    assert await mirror.resolve("both") == branch
    await repository.push(":refs/heads/both")
    assert await one(mirror, "both") == tagged


async def test_a_renamed_default_branch_is_followed(mirror: Mirror, repository: Repository) -> None:
    await one(mirror, "HEAD")
    trunk = await repository.commit({"x": "1"}, branch="trunk")
    await git(repository.bare, "symbolic-ref", "HEAD", "refs/heads/trunk")
    await repository.push(":refs/heads/main")
    assert await one(mirror, "") == trunk


async def test_a_commit_that_no_branch_has_is_fetched_by_name_once(
    mirror: Mirror, repository: Repository, server: GitServer
) -> None:
    base = await repository.head()
    orphan = await repository.commit({"x": "1"})
    await git(repository.work, "reset", "-q", "--hard", base)
    await repository.push("main")
    assert await one(mirror, orphan) == orphan
    server.counters.clear()
    assert await one(mirror, orphan.upper()) == orphan
    assert not server.counters


async def test_an_empty_repository_is_a_sentence(tmp_path: Path, server: GitServer) -> None:
    empty = await Repository.make(tmp_path, "empty")
    mirror = open_mirror(tmp_path, server.repository_url("empty"))
    try:
        found = await one(mirror, "HEAD")
        assert isinstance(found, Missing)
        assert "has no commit on its default branch" in found.reason
        made = await empty.commit({"a": "1"})
        assert await one(mirror, "HEAD") == made
    finally:
        await mirror.close()


async def test_a_repository_of_sha256_is_mirrored(tmp_path: Path, server: GitServer) -> None:
    repository = await Repository.make(tmp_path, "long", object_format="sha256")
    made = await repository.commit({"a/b": "1"})
    mirror = open_mirror(tmp_path, server.repository_url("long"))
    try:
        assert await one(mirror, "main") == made
        tree = await mirror.tree_id(made, "a")
        assert tree is not None
        (entry,) = await mirror.list_tree(tree)
        assert await mirror.read_blobs([entry.sha]) == {entry.sha: b"1"}
        assert isinstance(await one(mirror, "1" * 40), Missing)
    finally:
        await mirror.close()


async def test_what_is_no_longer_followed_can_be_forgotten(mirror: Mirror, repository: Repository) -> None:
    await repository.commit({"x": "1"}, branch="other")
    await mirror.fetch(["main", "other", "HEAD"], credentials=None)
    await mirror.forget_others(["main"])
    assert await mirror.resolve("main") is not None
    assert await mirror.resolve("other") is None
    assert await mirror.resolve("HEAD") is None


async def test_packs_do_not_pile_up_and_packing_disturbs_nobody(
    tmp_path: Path, server: GitServer, repository: Repository
) -> None:
    mirror = open_mirror(tmp_path, server.repository_url("r"), bounds=GitBounds(packs_max=3))
    packs = mirror.directory / "objects" / "pack"
    try:
        commits = []
        for n in range(8):
            commits.append(await repository.commit({"app/a.yaml": f"a: {n}\n"}))
            assert await one(mirror, "main") == commits[-1]
            assert await mirror.tree_ids([(commit, "app") for commit in commits])
        await wait_until(lambda: len(list(packs.glob("*.pack"))) <= 4, 30, "fewer packs")
        assert None not in await mirror.tree_ids([(commit, "app") for commit in commits])
        assert await mirror.changed_paths(commits[0], commits[-1]) == ["app/a.yaml"]
    finally:
        await mirror.close()


async def test_two_mirrors_on_one_disk_do_not_disturb_each_other(
    tmp_path: Path, server: GitServer, repository: Repository
) -> None:
    mirrors = [open_mirror(tmp_path, server.repository_url("r")) for _ in range(4)]
    try:
        for n in range(3):
            moved = await repository.commit({"x": str(n)})
            assert await asyncio.gather(*(one(mirror, "main") for mirror in mirrors)) == [moved] * 4
    finally:
        for mirror in mirrors:
            await mirror.close()


async def test_a_range_of_versions_follows_the_highest_tag_that_it_admits(
    mirror: Mirror, repository: Repository
) -> None:
    async def at(*ranges: str) -> list[str | None]:
        found = await mirror.fetch(ranges, credentials=None)
        return [None if isinstance(commit, Missing) else commit for commit in (found[r] for r in ranges)]

    tagged: dict[str, str] = {}
    for tag in ("v1.2.0", "v1.3.0", "v2.0.0"):
        tagged[tag] = await repository.commit({"x": tag})
        await git(repository.work, "tag", "-a", "-m", tag, tag)
        await repository.push(f"refs/tags/{tag}")
    assert await at("1.*", ">=1.2 <2", "~1.2", "3.x") == [tagged["v1.3.0"]] * 2 + [tagged["v1.2.0"], None]
    branch = await repository.commit({"x": "3"}, branch="3.x")
    assert await at("3.x", "1.*") == [branch, tagged["v1.3.0"]]
    await repository.push(":refs/tags/v1.3.0")
    assert await at("1.*") == [tagged["v1.2.0"]]
    await repository.push(":refs/tags/v1.2.0")
    assert await at("1.*") == [None]
    assert await mirror.resolve("1.*") is None
    await mirror.forget_others(["3.x"])
    assert await mirror.resolve("3.x") == branch
    for tag in ("web/v1.0.0", "web/1.4.0", "db/v1.9.0"):
        tagged[tag] = await repository.commit({"x": tag})
        await git(repository.work, "tag", tag)
        await repository.push(f"refs/tags/{tag}")
    prefixed = among_tags("web/", "1.*")
    assert await at(prefixed, "1.*") == [tagged["web/1.4.0"], None]
    assert await mirror.resolve(prefixed) == tagged["web/1.4.0"]
