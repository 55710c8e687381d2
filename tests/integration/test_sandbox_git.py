"""The Git server of the sandbox, driven by real git."""

from __future__ import annotations

import asyncio
import gzip
import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from tests.support.processes import children_of
from tests.support.wait import wait_until
from trueup.clients.process import Completed, base_environment, run
from trueup.sandbox import GitServer, create_repository, git_server

GIT_SECONDS_MAX = 60.0


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[GitServer]:
    async with git_server(tmp_path / "served") as running:
        yield running


async def try_git(cwd: Path, *arguments: str, protocol: int = 2) -> Completed:
    identity = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return await run(
        ["git", "-c", f"protocol.version={protocol}", "-c", "gc.auto=0", *arguments],
        cwd=cwd,
        env=base_environment() | identity | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0"},
        timeout_seconds=GIT_SECONDS_MAX,
        output_bytes_max=1024 * 1024,
    )


async def git(cwd: Path, *arguments: str, protocol: int = 2) -> str:
    done = await try_git(cwd, *arguments, protocol=protocol)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


async def clone_with_commit(server: GitServer, tmp_path: Path, name: str, content: bytes = b"hello") -> Path:
    await git(tmp_path, "clone", server.repository_url(name), "work")
    work = tmp_path / "work"
    (work / "file").write_bytes(content)
    await git(work, "add", ".")
    await git(work, "commit", "-m", "first")
    await git(work, "push", "origin", "HEAD")
    return work


async def test_push_and_fetch(server: GitServer, tmp_path: Path) -> None:
    bare = await create_repository(server.root, "app")
    work = await clone_with_commit(server, tmp_path, "app")
    head = await git(work, "rev-parse", "HEAD")
    assert await git(bare, "rev-parse", "refs/heads/main") == head
    assert await git(bare, "symbolic-ref", "HEAD") == "refs/heads/main"
    await git(tmp_path, "clone", server.repository_url("app"), "second")
    assert (tmp_path / "second" / "file").read_text() == "hello"


async def test_a_group_of_repositories_in_a_folder(server: GitServer, tmp_path: Path) -> None:
    await create_repository(server.root, "team/deep/app")
    await clone_with_commit(server, tmp_path, "team/deep/app")


@pytest.mark.parametrize("protocol", [0, 2])
async def test_a_large_push_and_fetch_stream_through(server: GitServer, tmp_path: Path, protocol: int) -> None:
    await create_repository(server.root, "large")
    content = os.urandom(6 * 1024 * 1024)
    await clone_with_commit(server, tmp_path, "large", content)
    await git(tmp_path, "clone", server.repository_url("large"), "second", protocol=protocol)
    assert (tmp_path / "second" / "file").read_bytes() == content


async def test_any_commit_can_be_fetched_by_its_id_and_without_blobs(server: GitServer, tmp_path: Path) -> None:
    await create_repository(server.root, "app")
    work = await clone_with_commit(server, tmp_path, "app")
    first = await git(work, "rev-parse", "HEAD")
    (work / "file").write_text("changed")
    await git(work, "commit", "-am", "second")
    await git(work, "push", "origin", "HEAD")
    await git(tmp_path, "init", "mirror")
    url = server.repository_url("app")
    await git(tmp_path / "mirror", "fetch", "--depth=1", "--filter=blob:none", url, first)
    assert await git(tmp_path / "mirror", "rev-parse", "FETCH_HEAD") == first


async def test_counts_what_is_asked_for(server: GitServer, tmp_path: Path) -> None:
    await create_repository(server.root, "app")
    await clone_with_commit(server, tmp_path, "app")
    server.counters.clear()
    await git(tmp_path, "ls-remote", server.repository_url("app"), "refs/heads/main")
    assert dict(server.counters) == {("app", "refs"): 1, ("app", "ls-refs"): 1}
    await git(tmp_path, "clone", server.repository_url("app"), "second")
    assert server.counters["app", "fetch"] == 1
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/-/counters") as response:
        assert await response.json() == {"app": {"fetch": 1, "ls-refs": 2, "refs": 2}}


async def test_credentials_are_asked_for(server: GitServer, tmp_path: Path) -> None:
    await create_repository(server.root, "private", credentials="robot:s3cret")
    url = server.repository_url("private")
    refused = await try_git(tmp_path, "ls-remote", url)
    assert refused.returncode != 0
    wrong = await try_git(tmp_path, "ls-remote", url.replace("http://", "http://robot:wrong@"))
    assert b"Authentication failed" in wrong.stderr
    await git(tmp_path, "ls-remote", url.replace("http://", "http://robot:s3cret@"))


@pytest.mark.parametrize(
    "path", ["absent.git/info/refs", "app.git/config", "app.git/trueup-credentials", "a/../app.git/info/refs"]
)
async def test_serves_nothing_but_git(server: GitServer, path: str) -> None:
    await create_repository(server.root, "app", credentials="robot:s3cret")
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
    writer.write(f"GET /{path}?service=git-upload-pack HTTP/1.1\r\nHost: git\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 401"))
    assert b"s3cret" not in answer


async def test_takes_compressed_requests(server: GitServer, tmp_path: Path) -> None:
    await create_repository(server.root, "app")
    await clone_with_commit(server, tmp_path, "app")
    request = b"0014command=ls-refs\n00010000"
    headers = {
        "Content-Type": "application/x-git-upload-pack-request",
        "Content-Encoding": "gzip",
        "Git-Protocol": "version=2",
    }
    url = f"{server.repository_url('app')}/git-upload-pack"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=gzip.compress(request), headers=headers) as response,
    ):
        assert b"refs/heads/main" in await response.read()


async def test_a_client_that_goes_away_leaves_no_process(server: GitServer, tmp_path: Path) -> None:
    await create_repository(server.root, "large")
    work = await clone_with_commit(server, tmp_path, "large", os.urandom(24 * 1024 * 1024))
    head = await git(work, "rev-parse", "HEAD")
    command = f"want {head}\n".encode()
    body = b"0012command=fetch\n0001" + b"%04x" % (len(command) + 4) + command + b"0009done\n0000"
    before = set(children_of(os.getpid(), "git"))
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
    writer.write(
        b"POST /large.git/git-upload-pack HTTP/1.1\r\nHost: git\r\nGit-Protocol: version=2\r\n"
        b"Content-Type: application/x-git-upload-pack-request\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    )
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    writer.transport.abort()
    await wait_until(lambda: set(children_of(os.getpid(), "git")) <= before, 30, "the end of git http-backend")
