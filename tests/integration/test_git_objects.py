"""What is read is what the commit has: any bytes, any names, verified, and never another reader's answer."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.git import Repository, git, open_mirror
from tests.support.wait import wait_until
from trueup.clients.git import GitBounds
from trueup.clients.git_errors import CorruptMirrorError
from trueup.clients.git_mirror import Mirror
from trueup.clients.git_objects import parse_commit, parse_tree
from trueup.domain.errors import StalledError, TransientError
from trueup.sandbox import GitServer, git_server
from trueup.telemetry import GIT_COMMANDS

ODD_NAMES = [
    "plain.yaml",
    "with space.yaml",
    "with\nnewline.yaml",
    "ünïcode/dïr/日本.yaml",
    os.fsdecode(b"not-utf8-\xff\xfe.yaml"),
    "tab\t\"quote'\\.yaml",
    "-dash.yaml",
    "a b missing\n",
]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[GitServer]:
    async with git_server(tmp_path / "served") as running:
        yield running


@pytest.fixture
async def repository(tmp_path: Path) -> Repository:
    return await Repository.make(tmp_path, "r")


@pytest.fixture
async def mirror(tmp_path: Path, server: GitServer, repository: Repository) -> AsyncIterator[Mirror]:
    opened = open_mirror(tmp_path, server.repository_url("r"))
    yield opened
    await opened.close()


async def fetched(mirror: Mirror) -> str:
    commit = (await mirror.fetch(["main"], credentials=None))["main"]
    assert isinstance(commit, str)
    return commit


async def read(mirror: Mirror, commit: str, path: str = "") -> dict[str, bytes]:
    tree = await mirror.tree_id(commit, path)
    assert tree is not None
    entries = await mirror.list_tree(tree)
    blobs = await mirror.read_blobs(entry.sha for entry in entries)
    return {entry.path: blobs[entry.sha] for entry in entries}


async def test_any_bytes_under_any_name_come_back(mirror: Mirror, repository: Repository) -> None:
    contents = [b"", b"\0\xff\n\r\n", bytes(range(256)) * 100, b"deadbeef blob 3\nabc\n", b"x" * 3_000_000]
    files = {name: contents[n % len(contents)] + b"%d" % n for n, name in enumerate(ODD_NAMES)}
    first = await repository.commit(dict(files))
    commit = await fetched(mirror)
    assert commit == first
    assert await read(mirror, commit) == files
    assert await read(mirror, commit, "ünïcode") == {"dïr/日本.yaml": files["ünïcode/dïr/日本.yaml"]}
    second = await repository.commit(dict.fromkeys(ODD_NAMES, b"changed"))
    await fetched(mirror)
    assert sorted(await mirror.changed_paths(first, second) or ()) == sorted(ODD_NAMES)


async def test_trees_are_found_by_path_in_one_exchange_without_a_process_each(
    mirror: Mirror, repository: Repository
) -> None:
    await repository.commit({f"apps/{n}/a.yaml": str(n) for n in range(50)} | {"apps/with\nline/a": "x", "file": "x"})
    commit = await fetched(mirror)
    expected = [await git(repository.work, "rev-parse", f"{commit}:apps/{n}") for n in range(50)]
    before = GIT_COMMANDS.labels("cat-file")._value.get()
    places = [(commit, f"apps/{n}") for n in range(50)] * 60
    odd = ["", "file", "apps/none", "apps/with\nline", "../x", "./apps", "apps/", "/apps", "a\0b", ":/x", "apps/with\n"]
    found = await mirror.tree_ids(places + [(commit, path) for path in odd] + [("0" * 40, "apps"), ("main", "apps")])
    assert found[: len(places)] == expected * 60
    root = await git(repository.work, "rev-parse", f"{commit}^{{tree}}")
    line = await git(repository.work, "rev-parse", f"{commit}:apps/with\nline")
    assert dict(zip(odd, found[len(places) :], strict=False)) == dict.fromkeys(odd) | {
        "": root,
        "apps/with\nline": line,
    }
    assert found[-2:] == [None, None]
    assert GIT_COMMANDS.labels("cat-file")._value.get() == before


async def test_changed_paths_name_both_ends_of_a_rename_and_deletions(mirror: Mirror, repository: Repository) -> None:
    old = await repository.commit({"a/x.yaml": "same content\n" * 9, "b/y.yaml": "y", "c": "c"})
    new = await repository.commit({"a/x.yaml": None, "d/x.yaml": "same content\n" * 9, "b/y.yaml": None, "c": "c"})
    await fetched(mirror)
    assert sorted(await mirror.changed_paths(old, new) or ()) == ["a/x.yaml", "b/y.yaml", "d/x.yaml"]
    assert await mirror.changed_paths(new, new) == []


@pytest.mark.parametrize("old", ["", "main", "--output=x", "0" * 40, "f" * 64])
async def test_changes_since_an_unknown_commit_are_unknown(mirror: Mirror, repository: Repository, old: str) -> None:
    await repository.commit({"a": "1"})
    commit = await fetched(mirror)
    assert await mirror.changed_paths(old, commit) is None
    assert await mirror.changed_paths(commit, old) is None


async def test_submodules_are_left_out(mirror: Mirror, repository: Repository) -> None:
    await repository.commit(
        {"a.yaml": "1", ".gitmodules": '[submodule "s"]\n\tpath = s\n\turl = https://example.org/s\n'}
    )
    await git(repository.work, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},s")
    await git(repository.work, "commit", "-q", "-m", "submodule")
    await repository.push("main")
    assert set(await read(mirror, await fetched(mirror))) == {"a.yaml", ".gitmodules"}


async def test_without_recursion_only_the_directory_itself(mirror: Mirror, repository: Repository) -> None:
    await repository.commit({"a.yaml": "1", "sub/b.yaml": "2"})
    tree = await mirror.tree_id(await fetched(mirror), "")
    assert tree is not None
    assert [entry.path for entry in await mirror.list_tree(tree, recurse=False)] == ["a.yaml"]


async def test_a_commit_is_described(mirror: Mirror, repository: Repository) -> None:
    commit = await repository.commit({"a": "1"}, message="Raise the replicas\n\nBecause of Friday.\n\ntree x")
    await fetched(mirror)
    described = await mirror.commit_info(commit)
    assert (described.sha, described.author) == (commit, "Ada Example <ada@example.org>")
    assert (described.authored_at, described.subject) == (1706933106, "Raise the replicas")
    assert described.tree == await mirror.tree_id(commit, "")


async def test_a_cancelled_reader_does_not_shift_the_answers_of_the_next(
    mirror: Mirror, repository: Repository
) -> None:
    files = {f"f{n}": os.urandom(200_000) for n in range(20)}
    await repository.commit(dict(files))
    commit = await fetched(mirror)
    for turns in range(0, 60, 3):
        reader = asyncio.create_task(read(mirror, commit))
        for _ in range(turns):
            await asyncio.sleep(0)
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
    results = await asyncio.gather(*(read(mirror, commit) for _ in range(3)))
    assert results == [files] * 3


async def test_a_killed_reading_process_is_started_again(mirror: Mirror, repository: Repository) -> None:
    await repository.commit({"a": "1"})
    commit = await fetched(mirror)
    child = mirror._reader._child._child
    assert child is not None
    child.signal(signal.SIGKILL)
    await child.wait()
    assert await read(mirror, commit) == {"a": b"1"}


async def test_a_reading_process_that_is_killed_midway_is_no_damage(mirror: Mirror, repository: Repository) -> None:
    files = {f"f{n}": os.urandom(2_000_000) for n in range(10)}
    await repository.commit(dict(files))
    commit = await fetched(mirror)
    child = mirror._reader._child._child
    assert child is not None
    child.signal(signal.SIGSTOP)
    reading = asyncio.create_task(read(mirror, commit))
    await wait_until(mirror._reader._turn.locked, 10, "a read under way")
    child.signal(signal.SIGKILL)
    with pytest.raises(TransientError, match="ended by signal 9"):
        await reading
    assert mirror.directory.exists()
    assert await read(mirror, commit) == files


async def test_a_cancelled_comparison_does_not_shift_the_answers_of_the_next(
    mirror: Mirror, repository: Repository
) -> None:
    commits = [await repository.commit({f"f{n}": "x" for n in range(count)}) for count in (1, 400, 2_000)]
    await fetched(mirror)
    for turns in range(0, 40, 2):
        asking = asyncio.create_task(mirror.changed_paths(commits[0], commits[2]))
        for _ in range(turns):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    answers = await asyncio.gather(*(mirror.changed_paths(commits[0], commit) for commit in commits))
    assert [len(answer or ()) for answer in answers] == [0, 399, 1_999]


async def test_a_killed_comparing_process_is_started_again(mirror: Mirror, repository: Repository) -> None:
    old = await repository.commit({"a": "1"})
    new = await repository.commit({"a": "2"})
    await fetched(mirror)
    assert await mirror.changed_paths(old, new) == ["a"]
    child = mirror._diff._child._child
    assert child is not None
    child.signal(signal.SIGKILL)
    await child.wait()
    assert await mirror.changed_paths(new, old) == ["a"]


async def test_a_comparison_sees_what_was_fetched_after_its_process_had_started(
    mirror: Mirror, repository: Repository
) -> None:
    commits = [await repository.commit({"a": "0"})]
    await fetched(mirror)
    for number in range(1, 4):
        # More than git unpacks, so that it comes as a pack.
        commits.append(await repository.commit({f"{number}/{n}": f"{number} {n}" for n in range(150)}))
        await fetched(mirror)
        assert len(await mirror.changed_paths(commits[-2], commits[-1]) or ()) == 150


async def test_more_changed_paths_than_the_bound_are_unknown_and_the_next_answer_is_right(
    tmp_path: Path, server: GitServer, repository: Repository
) -> None:
    first = await repository.commit({"a": "1"})
    second = await repository.commit({"a": "2"})
    third = await repository.commit({f"{'long' * 20}{n}": "x" for n in range(100)})
    mirror = open_mirror(tmp_path, server.repository_url("r"), bounds=GitBounds(diff_bytes_max=1_000))
    try:
        await fetched(mirror)
        assert await mirror.changed_paths(first, third) is None
        assert await mirror.changed_paths(first, second) == ["a"]
    finally:
        await mirror.close()


async def test_bounds_end_a_read_with_a_sentence_and_leave_the_mirror_usable(
    tmp_path: Path, server: GitServer, repository: Repository
) -> None:
    commit = await repository.commit({"big": "x" * 2_000, "small": "y", "more/z": "z", "more/w": "w" * 900})
    shas = {
        path: await git(repository.work, "rev-parse", f"HEAD:{path}") for path in ("big", "small", "more/z", "more/w")
    }
    bounds = GitBounds(blob_bytes_max=1_000, read_bytes_max=900, objects_max=3)
    mirror = open_mirror(tmp_path, server.repository_url("r"), bounds=bounds)
    try:
        await fetched(mirror)
        with pytest.raises(StalledError, match="2000 bytes; 1000 are the most"):
            await mirror.read_blobs([shas["big"]])
        with pytest.raises(StalledError, match="larger than 900 bytes together"):
            await mirror.read_blobs([shas["more/w"], shas["small"]])
        with pytest.raises(StalledError, match="more than 3"):
            await read(mirror, commit)
        assert await mirror.read_blobs([shas["small"]]) == {shas["small"]: b"y"}
    finally:
        await mirror.close()


async def test_a_tree_that_doubles_at_each_level_is_stopped(mirror: Mirror, repository: Repository) -> None:
    await repository.commit({"a": "1"})
    tree = await git(repository.work, "rev-parse", "HEAD^{tree}")
    for _ in range(30):
        tree = await git(repository.work, "mktree", stdin=f"040000 tree {tree}\tl\n040000 tree {tree}\tr\n".encode())
    commit = await git(repository.work, "commit-tree", "-m", "bomb", tree)
    await repository.push(f"{commit}:refs/heads/main")
    assert await fetched(mirror) == commit
    with pytest.raises(StalledError, match="more than 200000 files"):
        await mirror.list_tree(tree)


async def test_a_tree_that_was_read_is_not_asked_for_again(mirror: Mirror, repository: Repository) -> None:
    await repository.commit({"a/b": "1", "c": "2"})
    commit = await fetched(mirror)
    tree = await mirror.tree_id(commit, "")
    assert tree is not None
    listed = await mirror.list_tree(tree)
    await mirror.release()
    shutil.rmtree(mirror.directory)
    assert await mirror.list_tree(tree) == listed
    assert list(await mirror.entries(tree)) == ["a", "c"]


async def test_a_missing_object_is_damage_and_not_an_empty_file(mirror: Mirror, repository: Repository) -> None:
    await repository.commit({"a": "1"})
    await fetched(mirror)
    with pytest.raises(TransientError, match="cloned anew"):
        await mirror.read_blobs(["1" * 40])
    assert not mirror.directory.exists()


@given(st.binary(max_size=80))
@example(b"\xff a\0" + b"s" * 20)
def test_a_damaged_tree_is_recognised_or_parsed_but_nothing_else(data: bytes) -> None:
    with contextlib.suppress(CorruptMirrorError, StalledError):
        parse_tree(data, sha_chars=40, said="")


@pytest.mark.parametrize("name", [b"..", b".", b".git", b"a/b", b"../x", b""])
def test_a_name_that_leads_elsewhere_is_refused(name: bytes) -> None:
    with pytest.raises(StalledError, match="leads elsewhere"):
        parse_tree(b"100644 " + name + b"\0" + b"s" * 20, sha_chars=40, said="")


@given(st.binary(max_size=200))
def test_any_commit_can_be_described(data: bytes) -> None:
    assert parse_commit("a" * 40, data).sha == "a" * 40
