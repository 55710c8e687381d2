"""A commit made in a bare mirror: exactly the files that were asked for, and never in anybody's way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from tests.support.git import Gate, Repository, git, http_server, open_mirror
from trueup.clients.git_commit import Author, FileChange
from trueup.clients.git_mirror import Mirror
from trueup.domain.errors import StalledError, TransientError

ADA = Author("Ada Example", "ada@example.org")
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FILES: dict[str, str | bytes | None] = {
    "app/a.yaml": "a: 1\n",
    "app/crlf.yaml": b"a: 1\r\nb: 2\r\n",
    "app/open.yaml": "a: 1",
    "app/odd name\t\u00e4.yaml": "a: 1\n",
    "app/gone.yaml": "a: 1\n",
    "other/x.yaml": "x: 1\n",
}


@pytest_asyncio.fixture(loop_scope="session")
async def repository(tmp_path: Path) -> Repository:
    made = await Repository.make(tmp_path, "shop")
    await git(made.bare, "config", "http.receivepack", "true")
    return made


@pytest_asyncio.fixture(loop_scope="session")
async def mirror(tmp_path: Path, repository: Repository) -> AsyncIterator[Mirror]:
    async with http_server(Gate(tmp_path / "served").answer) as url:
        made = open_mirror(tmp_path, f"{url}/shop.git")
        try:
            yield made
        finally:
            await made.close()


async def based(mirror: Mirror, repository: Repository) -> str:
    base = await repository.commit(FILES)
    await mirror.fetch(["main"], credentials=None)
    return base


async def made(mirror: Mirror, base: str, files: dict[str, FileChange]) -> str:
    return await mirror.workbench.commit(base, files, message="Accept\n\nIt is so.\n", author=ADA, at=AT)


async def test_its_patch_is_taken_by_git_apply_to_the_byte(mirror: Mirror, repository: Repository) -> None:
    base = await based(mirror, repository)
    await git(repository.work, "update-index", "--chmod=+x", "app/a.yaml")
    files = {
        "app/a.yaml": FileChange(b"a: 2\n"),
        "app/crlf.yaml": FileChange(b"a: 1\r\nb: 3\r\n"),
        "app/open.yaml": FileChange(b"a: 2"),
        "app/odd name\t\u00e4.yaml": FileChange(b"a: 2\n"),
        "app/gone.yaml": FileChange(None),
    }
    commit = await made(mirror, base, files)
    patch = await mirror.workbench.patch(base, commit)
    await git(repository.work, "reset", "-q", "--hard", base)
    await git(repository.work, "apply", "--index", "-", stdin=patch)
    for path, change in files.items():
        there = repository.work / path
        assert (there.read_bytes() if there.exists() else None) == change.content
    tree = await git(repository.work, "write-tree")
    assert tree == (await mirror.commit_info(commit)).tree


async def test_it_says_who_and_when_and_stands_on_one_commit(mirror: Mirror, repository: Repository) -> None:
    base = await based(mirror, repository)
    commit = await made(mirror, base, {"app/a.yaml": FileChange(b"a: 2\n")})
    form = "--format=%P|%an|%ae|%cn|%ct|%s"
    said = await git(mirror.directory, "log", "-1", form, commit)
    assert said == f"{base}|Ada Example|ada@example.org|Ada Example|{int(AT.timestamp())}|Accept"
    assert await mirror.resolve("main") == base, "no ref of the mirror moves"


async def test_a_file_keeps_its_mode(mirror: Mirror, repository: Repository) -> None:
    base = await based(mirror, repository)
    commit = await made(mirror, base, {"app/a.yaml": FileChange(b"a: 2\n", "100755")})
    tree = await git(mirror.directory, "ls-tree", commit, "app/a.yaml")
    assert tree.startswith("100755 blob ")


async def test_a_pushed_branch_is_new_or_moves_forward_and_is_never_forced(
    mirror: Mirror, repository: Repository
) -> None:
    base = await based(mirror, repository)
    commit = await made(mirror, base, {"app/a.yaml": FileChange(b"a: 2\n")})
    await mirror.workbench.push(commit, "accept", url=mirror.url, credentials=None)
    assert await git(repository.bare, "rev-parse", "refs/heads/accept") == commit
    assert await git(repository.bare, "rev-parse", "refs/heads/main") == base
    moved = await repository.commit({"other/x.yaml": "x: 2\n"})
    with pytest.raises(StalledError, match=r"branch main of repository .* has other commits"):
        await mirror.workbench.push(commit, "main", url=mirror.url, credentials=None)
    assert await git(repository.bare, "rev-parse", "refs/heads/main") == moved


async def test_a_push_that_a_hook_declines_says_so(mirror: Mirror, repository: Repository) -> None:
    base = await based(mirror, repository)
    hook = repository.bare / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        "#!/bin/sh\nprintf 'Branch \\033[2Jaccept\\nneeds a ticket, see https://me:word@example.org\\n' >&2\nexit 1\n"
    )
    hook.chmod(0o755)
    commit = await made(mirror, base, {"app/a.yaml": FileChange(b"a: 2\n")})
    with pytest.raises(StalledError, match=r"refuses the push to accept: .*hook declined") as refused:
        await mirror.workbench.push(commit, "accept", url=mirror.url, credentials=None)
    assert "needs a ticket, see https://" in str(refused.value), "the remote's own words say what to do"
    assert str(refused.value).isprintable()
    assert "word" not in str(refused.value)


async def test_a_push_that_may_not_be_names_the_way_out(mirror: Mirror, repository: Repository) -> None:
    base = await based(mirror, repository)
    commit = await made(mirror, base, {"app/a.yaml": FileChange(b"a: 2\n")})

    async def forbidden(_: web.Request) -> web.StreamResponse:
        return web.Response(status=401, headers={"WWW-Authenticate": "Basic realm=git"})

    async with http_server(forbidden) as url:
        with pytest.raises((StalledError, TransientError), match="asks for credentials and no repository Secret"):
            await mirror.workbench.push(commit, "accept", url=f"{url}/shop.git", credentials=None)


async def test_a_clone_gets_the_branch_and_keeps_what_it_has(mirror: Mirror, repository: Repository) -> None:
    base = await based(mirror, repository)
    commit = await made(mirror, base, {"app/a.yaml": FileChange(b"a: 2\n")})
    await mirror.workbench.hand_over(commit, "accept", repository.work / "app")
    assert await git(repository.work, "rev-parse", "accept") == commit
    assert await git(repository.work, "status", "--porcelain") == ""
    assert await git(repository.work, "branch", "--show-current") == "main"
    another = await made(mirror, base, {"app/a.yaml": FileChange(b"a: 3\n")})
    with pytest.raises(StalledError, match="has a branch accept with other commits"):
        await mirror.workbench.hand_over(another, "accept", repository.work)


async def test_the_branch_that_is_checked_out_in_a_clone_stays_where_it_is(
    mirror: Mirror, repository: Repository
) -> None:
    base = await based(mirror, repository)
    commit = await made(mirror, base, {"app/a.yaml": FileChange(b"a: 2\n")})
    with pytest.raises(StalledError, match="has branch main checked out; name another one"):
        await mirror.workbench.hand_over(commit, "main", repository.work)
    assert await git(repository.work, "rev-parse", "main") == base
    assert await git(repository.work, "status", "--porcelain") == ""


async def test_where_there_is_no_clone_that_is_said(mirror: Mirror, repository: Repository, tmp_path: Path) -> None:
    base = await based(mirror, repository)
    commit = await made(mirror, base, {"app/a.yaml": FileChange(b"a: 2\n")})
    empty = tmp_path / "nothing"
    empty.mkdir()
    with pytest.raises(StalledError, match="is in no clone of Git; name one by --into"):
        await mirror.workbench.hand_over(commit, "accept", empty)
