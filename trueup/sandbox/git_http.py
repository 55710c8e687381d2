"""Git over smart HTTP, by Git's own `git http-backend`."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hmac
import os
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from trueup.clients.process import PIPE, Child, ProcessError, ProcessNotStarted, base_environment, run, spawn
from trueup.sandbox.errors import SandboxError
from trueup.sandbox.files import make_directory, read_if_there
from trueup.sandbox.ports import ADDRESS

DEFAULT_BRANCH = "main"
# In a repository's folder: `user:password`, asked of everybody who wants in.
CREDENTIALS_FILE = "trueup-credentials"

CHUNK_BYTES_MAX = 64 * 1024
HEADER_LINES_MAX = 64
INIT_SECONDS_MAX = 30.0
OUTPUT_BYTES_MAX = 64 * 1024
SHUTDOWN_SECONDS_MAX = 1.0

_REQUEST = re.compile(r"/(?P<name>(?:[\w.-]+/)*[\w.-]+\.git)/(?P<service>info/refs|git-upload-pack|git-receive-pack)")
_SETTINGS = {
    "http.receivepack": "true",
    "safe.directory": "*",
    # As the large Git hosts have it: any commit can be asked for, and in part.
    "uploadpack.allowAnySHA1InWant": "true",
    "uploadpack.allowFilter": "true",
}


@dataclass(frozen=True, slots=True)
class GitServer:
    """`counters` counts requests by (repository, what for).

    What for is one of `refs`, `ls-refs`, `fetch`, `push-refs`, `push`: a fetch
    or ls-remote with protocol 2 asks for `refs` (the capabilities), `ls-refs`
    and, when there is something new, `fetch`. `GET url/-/counters` has the same
    as JSON, by repository.
    """

    url: str
    root: Path
    counters: Counter[tuple[str, str]] = field(default_factory=Counter)

    def repository_url(self, name: str) -> str:
        return f"{self.url}/{name}.git"


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    # The settings of whoever runs the sandbox are for their own repositories.
    fixed = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_COUNT": str(len(_SETTINGS))}
    for number, (key, value) in enumerate(_SETTINGS.items()):
        fixed |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return base_environment() | fixed | dict(extra)


async def create_repository(root: Path, name: str, *, credentials: str | None = None) -> Path:
    """Make the empty bare repository `root/NAME.git`, whose HEAD is the branch main, and return its folder.

    With `credentials` (`user:password`) only their bearer gets in over HTTP.
    Raises SandboxError.
    """
    path = root / f"{name}.git"
    try:
        done = await run(
            ["git", "init", "--quiet", "--bare", f"--initial-branch={DEFAULT_BRANCH}", path],
            env=_environment({}),
            timeout_seconds=INIT_SECONDS_MAX,
            output_bytes_max=OUTPUT_BYTES_MAX,
        )
    except ProcessError as error:
        raise SandboxError(f"The repository {name} cannot be made: {error}.") from error
    if done.returncode != 0:
        raise SandboxError(f"git init of {path} failed: {done.stderr.decode(errors='replace').strip()}")
    if credentials is not None:
        (path / CREDENTIALS_FILE).write_text(credentials)
    return path


@asynccontextmanager
async def git_server(root: Path, *, port: int = 0) -> AsyncIterator[GitServer]:
    """Serve every bare repository `root/N.git` as `url/N.git`, for fetch and push, until the block ends."""
    make_directory(root)
    counters: Counter[tuple[str, str]] = Counter()
    backend = _Backend(root, counters)
    application = web.Application()
    application.add_routes(
        [
            web.get("/-/counters", backend.counted),
            web.route("*", "/{path:.*}", backend.handle),
        ]
    )
    runner = web.AppRunner(
        application, access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_SECONDS_MAX
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, ADDRESS, port)
        await site.start()
        yield GitServer(f"http://{ADDRESS}:{runner.addresses[0][1]}", root, counters)
    finally:
        await runner.cleanup()


class _Backend:
    def __init__(self, root: Path, counters: Counter[tuple[str, str]]) -> None:
        self._root = root
        self._counters = counters

    async def counted(self, _: web.Request) -> web.Response:
        by_repository: dict[str, dict[str, int]] = {}
        for (repository, purpose), count in sorted(self._counters.items()):
            by_repository.setdefault(repository, {})[purpose] = count
        return web.json_response(by_repository)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        found = _REQUEST.fullmatch(request.path)
        if not found or ".." in found["name"].split("/") or not (self._root / found["name"] / "HEAD").exists():
            return web.Response(status=404, text="no such repository\n")
        name, service = found["name"], found["service"]
        if not _allowed(self._root / name, request):
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="git"'})
        first = await request.content.readany()
        self._counters[name.removesuffix(".git"), _purpose(service, request, first)] += 1
        try:
            child = await spawn(
                ["git", "http-backend"], env=_environment(self._variables(request)), stdin=PIPE, stdout=PIPE
            )
        except ProcessNotStarted as error:
            return web.Response(status=500, text=f"{error}\n")
        response = web.StreamResponse(status=400)
        try:
            async with asyncio.TaskGroup() as group:
                feeding = group.create_task(_feed(child, first, request))
                response = await _answer(child, request)
                feeding.cancel()
        except* (ConnectionError, web.RequestPayloadError):
            pass  # the client went away
        finally:
            await child.terminate(grace_seconds=0)
        return response

    def _variables(self, request: web.Request) -> dict[str, str]:
        # No CONTENT_LENGTH: the body comes inflated, and ends where it ends.
        return {
            "GIT_PROJECT_ROOT": str(self._root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
            "PATH_INFO": request.path,
            "QUERY_STRING": request.query_string,
            "REQUEST_METHOD": request.method,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "REMOTE_ADDR": request.remote or "",
        }


def _allowed(repository: Path, request: web.Request) -> bool:
    wanted = read_if_there(repository / CREDENTIALS_FILE)
    if wanted is None:
        return True
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    try:
        given = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return False
    return scheme.lower() == "basic" and hmac.compare_digest(given, wanted.encode())


def _purpose(service: str, request: web.Request, first: bytes) -> str:
    if service == "info/refs":
        return "push-refs" if request.query.get("service") == "git-receive-pack" else "refs"
    if service == "git-receive-pack":
        return "push"
    return "ls-refs" if b"command=ls-refs" in first[:CHUNK_BYTES_MAX] else "fetch"


async def _feed(child: Child, first: bytes, request: web.Request) -> None:
    # The backend may have heard enough, and hung up, before the client is done.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        child.stdin.write(first)
        async for chunk in request.content.iter_chunked(CHUNK_BYTES_MAX):
            child.stdin.write(chunk)
            await child.stdin.drain()
        child.stdin.close()


async def _answer(child: Child, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    for _ in range(HEADER_LINES_MAX):
        line = (await child.stdout.readline()).decode("latin-1").rstrip("\r\n")
        if not line:
            break
        name, _, value = line.partition(":")
        if name.lower() == "status":
            response.set_status(int(value.split()[0]))
        else:
            response.headers[name] = value.strip()
    if not response.headers:
        return web.Response(status=500, text="git http-backend gave no answer\n")
    await response.prepare(request)
    while chunk := await child.stdout.read(CHUNK_BYTES_MAX):
        await response.write(chunk)
    await response.write_eof()
    return response
