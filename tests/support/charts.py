"""A host of charts for one test: static files as a web server has them, with a login, and as bad as a test wants."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import tarfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from tests.support.git import secret
from trueup.clients.charts import ChartBounds, Charts
from trueup.clients.process import base_environment, run
from trueup.domain.credentials import RepositoryCredentials, parse_secrets

USERNAME, PASSWORD = "ada", "s3cr3t-chart-word"
BASIC = "Basic " + base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
SCHEMES = frozenset({"https", "http"})


@dataclass(slots=True)
class Asked:
    """One request, as it came in."""

    path: str
    headers: Mapping[str, str]

    @property
    def authorization(self) -> str:
        return self.headers.get("Authorization", "")


@dataclass(slots=True)
class ChartHost:
    """Answers with the files in it, and with an ETag; 404 for the rest."""

    #: Where the server is, without a slash at the end.
    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    #: Answers to give instead, by path.
    instead: dict[str, web.Response] = field(default_factory=dict)
    #: The Authorization without which there is a 401; empty where anybody may read.
    login: str = ""
    #: What the 401 asks for.
    challenge: str = ""
    asked: list[Asked] = field(default_factory=list)

    def paths(self) -> list[str]:
        return [one.path for one in self.asked]

    def redirect(self, path: str, to: str, status: int = 302) -> None:
        self.instead[path] = web.Response(status=status, headers={"Location": to})

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(Asked(request.path, dict(request.headers)))
        if self.login and request.headers.get("Authorization") != self.login:
            return web.Response(status=401, headers={"WWW-Authenticate": self.challenge} if self.challenge else {})
        if (said := self.instead.get(request.path)) is not None:
            return web.Response(status=said.status, body=said.body, headers=said.headers)
        body = self.files.get(request.path)
        if body is None:
            return web.Response(status=404)
        etag = f'"{hashlib.sha256(body).hexdigest()}"'
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304)
        return web.Response(body=body, headers={"ETag": etag})


@asynccontextmanager
async def chart_host() -> AsyncIterator[ChartHost]:
    host = ChartHost()
    application = web.Application()
    application.router.add_get("/{path:.*}", host.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield host
    finally:
        await runner.cleanup()


def charts(tmp_path: Path, **bounds: float) -> Charts:
    """Charts kept below `tmp_path`, over plain HTTP too; to be entered."""
    return Charts(tmp_path / "data", schemes=SCHEMES, bounds=ChartBounds(**bounds))


def chart_secret(url: str, **data: str) -> RepositoryCredentials:
    """What a Secret for charts says; the login of this module unless another is given."""
    whole = {"type": "helm", "url": url, "username": USERNAME, "password": PASSWORD} | data
    (parsed,), faults = parse_secrets([secret("charts", "repository", **whole)])
    assert not faults
    return parsed


def archive(files: Mapping[str, str | bytes]) -> bytes:
    """A gzipped tar of these files, made by hand: it holds what `helm package` would not."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            body = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    return gzip.compress(out.getvalue(), mtime=0)


def plain_chart(name: str = "shop", version: str = "1.0.0", **files: str) -> bytes:
    """The archive of a small chart."""
    described = f"apiVersion: v2\nname: {name}\nversion: {version}\n"
    template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: it\n"
    whole = {"Chart.yaml": described, "values.yaml": "a: 1\n", "templates/it.yaml": template} | files
    return archive({f"{name}/{path}": content for path, content in whole.items()})


def index(*versions: tuple[str, str, bytes], url: str = "", digests: bool = True) -> bytes:
    """An index of (name, version, archive), laid out as Helm does it; the archives are below `url`."""
    lines = ["apiVersion: v1", "entries:"]
    for name in dict.fromkeys(name for name, _, _ in versions):
        lines.append(f"  {name}:")
        for each, version, body in versions:
            if each == name:
                digest = hashlib.sha256(body).hexdigest()
                lines += ["  - apiVersion: v2", *([f"    digest: {digest}"] if digests else [])]
                lines += [
                    f"    name: {name}",
                    "    urls:",
                    f"    - {url}{name}-{version}.tgz",
                    f"    version: {version}",
                ]
    return "\n".join([*lines, 'generated: "2026-03-02T09:12:31Z"', ""]).encode()


def publish(host: ChartHost, *versions: tuple[str, str], url: str = "", digests: bool = True) -> None:
    """Small charts of these names and versions, below the host's `/charts`, in an index."""
    made = [(name, version, plain_chart(name, version)) for name, version in versions]
    host.files["/charts/index.yaml"] = index(*made, url=url, digests=digests)
    host.files |= {f"/charts/{name}-{version}.tgz": body for name, version, body in made}


async def helm(tools: Path, directory: Path, *arguments: str | Path) -> str:
    """Run the real helm with a home of its own; what it says. Raises AssertionError where it fails."""
    home = directory / "helm-home"
    home.mkdir(exist_ok=True)
    done = await run(
        [tools / "helm", *arguments],
        cwd=directory,
        env=base_environment() | {"HOME": str(home)},
        timeout_seconds=60,
        output_bytes_max=1_000_000,
    )
    assert done.returncode == 0, (arguments, done.stderr.decode(errors="replace"))
    return done.stdout.decode()


async def packaged(tools: Path, directory: Path, name: str, version: str) -> Path:
    """The archive of a chart that `helm create` made and `helm package` packed."""
    if not (directory / name).exists():
        await helm(tools, directory, "create", name)
    await helm(tools, directory, "package", name, "--version", version)
    return directory / f"{name}-{version}.tgz"
