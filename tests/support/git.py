"""Real repositories to fetch from: a working clone that commits, and the bare one that is served."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from trueup.clients.git import Git, GitBounds
from trueup.clients.git_mirror import Mirror
from trueup.clients.process import base_environment, run

SECONDS_MAX = 60.0
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_IDENTITY = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "Ada Example",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada Example",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    "GIT_AUTHOR_DATE": "2024-02-03T04:05:06Z",
    "GIT_COMMITTER_DATE": "2024-02-03T04:05:06Z",
}


async def git(directory: Path, *arguments: str | bytes | Path, stdin: bytes | None = None) -> str:
    """Run git and return what it writes, without the line end. Raises AssertionError where it fails."""
    completed = await run(
        ["git", *arguments],
        cwd=directory,
        env=base_environment() | _IDENTITY,
        stdin=stdin,
        timeout_seconds=SECONDS_MAX,
        output_bytes_max=64 * 1024 * 1024,
    )
    assert completed.returncode == 0, (arguments, completed.stderr.decode(errors="replace"))
    return completed.stdout.decode(errors="surrogateescape").removesuffix("\n")


class Repository:
    """A bare repository `root/NAME.git`, HEAD on main, and a clone of it to commit in."""

    def __init__(self, bare: Path, work: Path) -> None:
        self.bare = bare
        self.work = work

    @classmethod
    async def make(cls, root: Path, name: str, *, object_format: str = "sha1") -> Repository:
        bare, work = root / "served" / f"{name}.git", root / "work" / name
        for directory, options in ((bare, ["--bare"]), (work, [])):
            directory.mkdir(parents=True)
            await git(directory, "init", "-q", "-b", "main", f"--object-format={object_format}", *options)
        await git(work, "remote", "add", "origin", str(bare))
        return cls(bare, work)

    async def commit(
        self, files: Mapping[str, str | bytes | None], *, branch: str = "main", message: str = "Change"
    ) -> str:
        """Commit on the branch (made from here if new), push it, and return the SHA; None deletes a file."""
        if await git(self.work, "branch", "--show-current") != branch:
            known = await git(self.work, "for-each-ref", "--format=%(refname:short)", "refs/heads")
            await git(self.work, "checkout", "-q", *([] if branch in known.splitlines() else ["-b"]), branch)
        for name, content in files.items():
            path = self.work / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        await git(self.work, "add", "-A")
        await git(self.work, "commit", "-q", "--allow-empty", "-m", message)
        await self.push(f"+{branch}:refs/heads/{branch}")
        return await self.head()

    async def head(self) -> str:
        return await git(self.work, "rev-parse", "HEAD")

    async def push(self, *refspecs: str) -> None:
        await git(self.work, "push", "-q", "--force", "origin", *refspecs)


def secret(name: str, kind: str, **data: str) -> dict[str, Any]:
    """A Kubernetes Secret as Argo CD has it."""
    return {
        "metadata": {"namespace": "argocd", "name": name, "labels": {"argocd.argoproj.io/secret-type": kind}},
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    }


def open_mirror(tmp_path: Path, url: str, *, bounds: GitBounds | None = None, known_hosts: str = "") -> Mirror:
    """A mirror under `tmp_path` that may use plain HTTP; the caller closes it."""
    home = tmp_path / "empty"
    home.mkdir(exist_ok=True)
    return Mirror(Git(home, bounds or GitBounds(), frozenset({"http"}), known_hosts), tmp_path / "data", url)


@asynccontextmanager
async def http_server(handle: Handler) -> AsyncIterator[str]:
    """The URL of a server that answers every request so."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class Gate:
    """Git's own backend behind a door: a fetch can be cut short, or held until `release` is set."""

    def __init__(self, root: Path) -> None:
        self._root = root
        #: How much of the answer to a fetch is sent; None is all.
        self.cut_bytes: int | None = None
        self.held = asyncio.Event()
        self.release = asyncio.Event()
        self.release.set()
        #: What was answered to each `ls-refs`.
        self.listed: list[bytes] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        variables = {
            "GIT_PROJECT_ROOT": str(self._root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
            "PATH_INFO": request.path,
            "QUERY_STRING": request.query_string,
            "REQUEST_METHOD": request.method,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        }
        done = await run(
            ["git", "http-backend"],
            env=base_environment() | variables,
            stdin=body,
            timeout_seconds=60,
            output_bytes_max=10_000_000,
        )
        head, _, out = done.stdout.partition(b"\r\n\r\n")
        kind = next(line for line in head.decode().splitlines() if line.startswith("Content-Type"))
        if b"command=ls-refs" in body:
            self.listed.append(out)
        if b"command=fetch" in body:
            self.held.set()
            await self.release.wait()
            out = out[: self.cut_bytes]
        return web.Response(body=out, content_type=kind.partition(": ")[2])
