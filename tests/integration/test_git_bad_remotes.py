"""A remote or a disk that is worse than away: the mirror stays as it was, and is right once that is over."""

from __future__ import annotations

import asyncio
import resource
from pathlib import Path

import pytest
from aiohttp import web

from tests.support.git import Repository, git, http_server, open_mirror
from tests.support.mirrors import mirror, server
from trueup.clients.git import GitBounds
from trueup.clients.git_mirror import Mirror, Missing
from trueup.domain.errors import TransientError

__all__ = ["mirror", "server"]


@pytest.fixture
async def repository(tmp_path: Path) -> Repository:
    made = await Repository.make(tmp_path, "r")
    await made.commit({"app/a.yaml": "a: 1\n"})
    return made


async def main(mirror: Mirror) -> str:
    found = (await mirror.fetch(["main"], credentials=None))["main"]
    assert not isinstance(found, Missing)
    return found


@pytest.mark.parametrize(("header", "seconds"), [("120", 120), ("999999", 3600), ("soon", None), (None, None)])
async def test_a_host_that_limits_requests_is_given_the_pause_that_it_asks_for(
    tmp_path: Path, header: str | None, seconds: float | None
) -> None:
    async def limited(_: web.Request) -> web.StreamResponse:
        return web.Response(status=429, headers={} if header is None else {"Retry-After": header})

    async with http_server(limited) as url:
        with pytest.raises(TransientError, match="limits requests") as raised:
            await main(open_mirror(tmp_path, f"{url}/r"))
        assert raised.value.retry_after_seconds == seconds


async def test_a_remote_that_trickles_is_given_up(tmp_path: Path) -> None:
    async def trickle(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "application/x-git-upload-pack-advertisement"})
        await answer.prepare(request)
        while True:
            await answer.write(b"0")
            await asyncio.sleep(0.05)

    async with http_server(trickle) as url:
        bounds = GitBounds(low_speed_seconds_max=1, list_seconds_max=20)
        with pytest.raises(TransientError, match=r"too slowly|failed to answer"):
            await main(open_mirror(tmp_path, f"{url}/r", bounds=bounds))


async def test_a_disk_without_room_leaves_the_mirror_as_it_was(mirror: Mirror, repository: Repository) -> None:
    first = await main(mirror)
    large = "".join(f"{n}: {n * 7919}\n" for n in range(60_000))
    second = await repository.commit({"app/large.yaml": large})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
    try:
        with pytest.raises(TransientError):
            await main(mirror)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert await mirror.resolve("main") == first
    assert await mirror.tree_id(first, "app") is not None
    assert await main(mirror) == second


async def test_a_data_directory_that_cannot_be_written_to_is_named(tmp_path: Path, repository: Repository) -> None:
    (tmp_path / "data").symlink_to(tmp_path / "a-volume-that-is-gone")
    with pytest.raises(TransientError, match=r"repository .*: its mirror cannot be written; see to TRUEUP_DATA_DIR"):
        await main(open_mirror(tmp_path, "http://127.0.0.1:1/r.git"))


async def test_a_branch_of_unrelated_history_is_followed_and_compared(mirror: Mirror, repository: Repository) -> None:
    first = await main(mirror)
    await git(repository.work, "checkout", "-q", "--orphan", "other")
    await git(repository.work, "rm", "-rqf", ".")
    (repository.work / "app").mkdir()
    (repository.work / "app" / "b.yaml").write_text("b: 1\n")
    await git(repository.work, "add", "-A")
    await git(repository.work, "commit", "-q", "-m", "Anew")
    await repository.push("+other:refs/heads/main")
    second = await main(mirror)
    assert second == await repository.head()
    assert sorted(await mirror.changed_paths(first, second) or []) == ["app/a.yaml", "app/b.yaml"]


async def test_of_a_hundred_thousand_refs_only_the_followed_one_is_listed_and_kept(
    mirror: Mirror, repository: Repository
) -> None:
    tip = await repository.head()
    lines = sorted(f"{tip} refs/heads/many/{n}\n" for n in range(100_000))
    (repository.bare / "packed-refs").write_text("# pack-refs with: peeled fully-peeled sorted \n" + "".join(lines))
    assert len(await git(repository.bare, "for-each-ref", "--format=x")) > 100_000
    assert await main(mirror) == tip
    kept = await git(mirror.directory, "for-each-ref", "--format=%(refname)")
    assert len(kept.splitlines()) == 1
