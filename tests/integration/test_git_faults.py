"""A remote or a disk at fault ends in one clear sentence, and in a true mirror once it is mended."""

from __future__ import annotations

import asyncio
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from tests.support.git import Gate, Repository, git, http_server, open_mirror
from tests.support.mirrors import mirror, server
from trueup.clients.git import GitBounds
from trueup.clients.git_errors import local_error
from trueup.clients.git_lock import file_lock
from trueup.clients.git_mirror import Mirror, Missing
from trueup.clients.git_store import local_ref
from trueup.domain.errors import StalledError, TransientError
from trueup.sandbox import GitServer

__all__ = ["mirror", "server"]


@pytest.fixture
async def repository(tmp_path: Path) -> Repository:
    made = await Repository.make(tmp_path, "r")
    await made.commit({"app/a.yaml": "a: 1\n", "app/b.yaml": "b: 1\n" * 50, "other/c.yaml": "c"})
    return made


async def main(mirror: Mirror) -> str:
    found = (await mirror.fetch(["main"], credentials=None))["main"]
    assert not isinstance(found, Missing)
    return found


async def tree(mirror: Mirror, commit: str) -> str:
    found = await mirror.tree_id(commit, "app")
    if found is None:
        raise TransientError("the tree is not to be had")
    return found


async def files(mirror: Mirror, commit: str) -> dict[str, bytes]:
    entries = await mirror.list_tree(await tree(mirror, commit))
    blobs = await mirror.read_blobs(entry.sha for entry in entries)
    return {entry.path: blobs[entry.sha] for entry in entries}


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, TransientError, "asks for credentials and no repository Secret matches"),
        (403, TransientError, "access is forbidden"),
        (404, TransientError, "there is no such repository"),
        (429, TransientError, "limits requests"),
        (500, TransientError, "failed to answer"),
        (503, TransientError, "failed to answer"),
        (301, StalledError, "answers with a redirect"),
    ],
)
async def test_an_answer_that_is_no_repository_is_named(
    tmp_path: Path, status: int, kind: type[Exception], words: str
) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": "/x", "WWW-Authenticate": "Basic"})

    async with http_server(answer) as url:
        mirror = open_mirror(tmp_path, f"{url}/org/repo.git")
        with pytest.raises(kind, match=words) as raised:
            await main(mirror)
        assert f"repository {url}/org/repo.git" in str(raised.value)


async def test_no_server_no_name_no_tls(tmp_path: Path) -> None:
    async def never(request: web.Request) -> web.Response:
        raise AssertionError

    async with http_server(never) as url:
        port = url.rpartition(":")[2]
        cases = {
            f"https://127.0.0.1:{port}/r": "TLS",
            "https://host.invalid/r": "cannot be resolved",
        }
        for address, words in cases.items():
            with pytest.raises(TransientError, match=words):
                await main(open_mirror(tmp_path, address))
    with pytest.raises(TransientError, match="cannot be reached"):
        await main(open_mirror(tmp_path, f"{url}/r"))


async def test_a_page_that_is_no_repository_is_an_error(tmp_path: Path) -> None:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<html>Welcome</html>", content_type="text/html")

    async with http_server(page) as url:
        with pytest.raises((TransientError, StalledError), match=f"repository {url}/r"):
            await main(open_mirror(tmp_path, f"{url}/r"))


async def test_a_remote_that_hangs_is_given_up(tmp_path: Path) -> None:
    left = asyncio.Event()

    async def hang(request: web.Request) -> web.Response:
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        raise AssertionError

    async with http_server(hang) as url:
        mirror = open_mirror(tmp_path, f"{url}/r", bounds=GitBounds(list_seconds_max=0.3))
        with pytest.raises(TransientError, match="answers too slowly"):
            await main(mirror)
        async with asyncio.timeout(10):
            await left.wait()


async def test_a_pack_that_breaks_off_leaves_the_mirror_as_it_was(
    tmp_path: Path, server: GitServer, repository: Repository
) -> None:
    gate = Gate(server.root)
    async with http_server(gate.answer) as url:
        mirror = open_mirror(tmp_path, f"{url}/r.git")
        try:
            first = await main(mirror)
            second = await repository.commit({f"app/{n}": os.urandom(4_000) for n in range(20)})
            gate.cut_bytes = 40_000
            with pytest.raises(TransientError):
                await main(mirror)
            assert await mirror.resolve("main") == first
            assert not (mirror.directory.parent / "quarantine.git").exists()
            gate.cut_bytes = None
            assert await main(mirror) == second
        finally:
            await mirror.close()


async def test_a_fetch_that_is_killed_midway_leaves_the_mirror_as_it_was(
    tmp_path: Path, server: GitServer, repository: Repository
) -> None:
    gate = Gate(server.root)
    async with http_server(gate.answer) as url:
        mirror = open_mirror(tmp_path, f"{url}/r.git")
        try:
            first = await main(mirror)
            second = await repository.commit({"app/a.yaml": "a: 2\n"})
            gate.release.clear()
            fetching = asyncio.create_task(main(mirror))
            await gate.held.wait()
            # Cancelling kills git's whole process group with SIGKILL.
            fetching.cancel()
            with pytest.raises(asyncio.CancelledError):
                await fetching
            gate.release.set()
            assert await mirror.resolve("main") == first
            assert await main(mirror) == second
        finally:
            await mirror.close()


async def test_closing_ends_a_fetch_that_is_under_way(
    tmp_path: Path, server: GitServer, repository: Repository
) -> None:
    gate = Gate(server.root)
    gate.release.clear()
    async with http_server(gate.answer) as url:
        mirror = open_mirror(tmp_path, f"{url}/r.git")
        fetching = asyncio.create_task(main(mirror))
        await gate.held.wait()
        await mirror.close()
        with pytest.raises(asyncio.CancelledError):
            await fetching


@pytest.mark.parametrize(
    "words",
    [
        "fatal: unable to unpack abc header: No space left on device",
        "fatal: pack has bad object at offset 12: inflate returned -5\nfatal: fetch-pack: invalid index-pack output",
        "error: cannot fork: Resource temporarily unavailable\nfatal: bad object refs/x",
        "fetch-pack: unexpected disconnect while reading sideband packet\nfatal: protocol error: bad pack header",
        "fatal: protocol error: bad pack header",
        f"error: 12 bytes of body are still expected\nerror: Could not read {'a' * 40}\nfatal: the remote end hung up",
        f"error: 2 bytes of length header were received\nerror: Could not read {'a' * 40}",
    ],
)
def test_a_machine_short_of_room_or_a_broken_pack_is_no_damage(words: str) -> None:
    assert local_error(words) is None


async def test_wherever_an_answer_breaks_off_the_mirror_stays_and_the_remote_is_named(
    tmp_path: Path, server: GitServer, repository: Repository
) -> None:
    gate = Gate(server.root)
    async with http_server(gate.answer) as url:
        mirror = open_mirror(tmp_path, f"{url}/r.git")
        try:
            first = await main(mirror)
            second = await repository.commit({f"app/{n}": os.urandom(400) for n in range(5)})
            for gate.cut_bytes in (0, 1, 20, 40, 80, 110, 120, 124, 126, 130, 140, 150, 1_500):
                with pytest.raises(TransientError, match="broke off or failed to answer"):
                    await main(mirror)
                assert await mirror.resolve("main") == first, gate.cut_bytes
            assert not (mirror.directory.parent / "quarantine.git").exists()
            gate.cut_bytes = None
            assert await main(mirror) == second
        finally:
            await mirror.close()


async def test_locks_of_a_killed_fetch_are_cleared(mirror: Mirror, repository: Repository) -> None:
    await main(mirror)
    moved = await repository.commit({"app/a.yaml": "a: 2\n"})
    for name in (local_ref("refs/heads/main"), "packed-refs", "HEAD", "config", "shallow"):
        (mirror.directory / f"{name}.lock").touch()
    assert await main(mirror) == moved


async def test_a_fetch_waits_for_that_of_another_process_and_says_so_in_the_end(
    tmp_path: Path, server: GitServer, repository: Repository
) -> None:
    mirror = open_mirror(tmp_path, server.repository_url("r"), bounds=GitBounds(lock_seconds_max=0.2))
    try:
        await main(mirror)
        async with file_lock(mirror.directory.parent / "fetch.lock", seconds_max=1):
            with pytest.raises(TransientError, match="another process"):
                await main(mirror)
            waiting = asyncio.create_task(open_mirror(tmp_path, mirror.url).fetch(["main"], credentials=None))
            await asyncio.sleep(0)
        assert (await waiting)["main"] == await main(mirror)
    finally:
        await mirror.close()


def _no_objects(directory: Path) -> None:
    for file in sorted((directory / "objects").rglob("*")):
        if file.is_file():
            file.unlink()


def _no_head(directory: Path) -> None:
    (directory / "HEAD").unlink()


def _empty_ref(directory: Path) -> None:
    (directory / local_ref("refs/heads/main")).write_text("")


def _garbage_ref(directory: Path) -> None:
    (directory / local_ref("refs/heads/main")).write_text("f" * 40 + "\n")


def _garbage_config(directory: Path) -> None:
    (directory / "config").write_text("[[[\n")


@pytest.mark.parametrize("damage", [_no_objects, _no_head, _empty_ref, _garbage_ref, _garbage_config])
@pytest.mark.parametrize("moved", [False, True])
async def test_a_damaged_mirror_is_made_anew_by_the_next_fetch(
    mirror: Mirror, repository: Repository, damage: Callable[[Path], None], moved: bool
) -> None:
    await main(mirror)
    await mirror.release()
    damage(mirror.directory)
    expected = await repository.commit({"app/z.yaml": "z"}) if moved else await repository.head()
    assert await until_true(mirror, expected) >= {"a.yaml": b"a: 1\n"}.items()


async def until_true(mirror: Mirror, expected: str) -> set[tuple[str, bytes]]:
    """What the retries of a job come to: at most one of them may fail."""
    for attempt in range(2):
        try:
            commit = await main(mirror)
            assert commit == expected
            return set((await files(mirror, commit)).items())
        except TransientError:
            assert attempt == 0
    raise AssertionError


async def test_no_flipped_bit_is_ever_read_as_content(mirror: Mirror, repository: Repository) -> None:
    commit = await main(mirror)
    true = await files(mirror, commit)
    noticed = 0
    for number in range(40):
        if not mirror.directory.exists():
            await main(mirror)
        stored = sorted(f for f in (mirror.directory / "objects").rglob("*") if f.is_file() and f.stat().st_size)
        target = stored[number % len(stored)]
        data = bytearray(target.read_bytes())
        target.chmod(0o600)
        position = (number * 7919) % len(data)
        data[position] ^= 1 << (number % 8)
        await mirror.release()
        target.write_bytes(data)
        try:
            assert await files(mirror, commit) == true
        except TransientError:
            noticed += 1
        if mirror.directory.exists() and target.exists():
            data[position] ^= 1 << (number % 8)
            target.write_bytes(data)
    assert noticed > 10
    assert await main(mirror) == commit
    assert await files(mirror, commit) == true


async def test_other_content_under_a_true_name_is_never_read(
    tmp_path: Path, mirror: Mirror, repository: Repository
) -> None:
    commit = await main(mirror)
    (entry,) = [e for e in await mirror.list_tree(await tree(mirror, commit)) if e.path == "a.yaml"]
    for pack in (mirror.directory / "objects" / "pack").glob("*.pack"):
        away = pack.rename(tmp_path / pack.name)
        await git(mirror.directory, "unpack-objects", "-q", stdin=away.read_bytes())
    stored = mirror.directory / "objects" / entry.sha[:2] / entry.sha[2:]
    stored.chmod(0o600)
    stored.write_bytes(zlib.compress(b"blob 5\0a: 2\n"))
    await mirror.release()
    with pytest.raises(TransientError, match="cloned anew"):
        await mirror.read_blobs([entry.sha])
    assert await main(mirror) == commit
    assert await mirror.read_blobs([entry.sha]) == {entry.sha: b"a: 1\n"}


async def test_a_hook_in_the_mirror_is_not_run(mirror: Mirror, repository: Repository, tmp_path: Path) -> None:
    await main(mirror)
    hook = mirror.directory / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/marker\n")
    hook.chmod(0o755)
    moved = await repository.commit({"app/a.yaml": "a: 2\n"})
    assert await main(mirror) == moved
    assert not (tmp_path / "marker").exists()


async def test_a_mirror_that_another_process_made_anew_is_read_anew(
    tmp_path: Path, mirror: Mirror, repository: Repository
) -> None:
    commit = await main(mirror)
    await files(mirror, commit)
    other = open_mirror(tmp_path, mirror.url)
    try:
        with pytest.raises(TransientError):
            await other.read_blobs(["1" * 40])
        moved = await repository.commit({"app/a.yaml": "a: 2\n"})
        assert await main(other) == moved
        assert await mirror.resolve("main") == moved
        assert (await files(mirror, moved))["a.yaml"] == b"a: 2\n"
    finally:
        await other.close()


async def test_objects_that_git_refuses_do_not_come_in(mirror: Mirror, repository: Repository) -> None:
    first = await main(mirror)
    blob = await git(repository.work, "hash-object", "-w", "--stdin", stdin=b"x")
    entry = b"100644 ..\0" + bytes.fromhex(blob)
    tree = await git(repository.work, "hash-object", "-w", "-t", "tree", "--literally", "--stdin", stdin=entry)
    commit = await git(repository.work, "commit-tree", "-m", "evil", tree)
    await repository.push(f"{commit}:refs/heads/main")
    with pytest.raises(StalledError, match="git's checks refuse"):
        await main(mirror)
    assert await mirror.resolve("main") == first
