"""Git and the API server with nothing in between, for the floor. Uses nothing of the product."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import yaml

MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
REF = "refs/floor/main"

#: Where each kind is served.
PATHS = {
    "Application": ("apis/argoproj.io/v1alpha1", "applications"),
    "ConfigMap": ("api/v1", "configmaps"),
    "Deployment": ("apis/apps/v1", "deployments"),
    "Service": ("api/v1", "services"),
}

#: What makes a fetch as safe as the product's; see git-config(1).
_GIT_SETTINGS = {
    "protocol.version": "2",
    "protocol.allow": "never",
    "protocol.http.allow": "always",
    "core.hooksPath": "/dev/null",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "http.followRedirects": "false",
    "fetch.fsckObjects": "true",
}


class Git:
    """A bare mirror of one branch: one long-lived `git cat-file` reads it and one `git diff-tree` compares in it."""

    def __init__(self, url: str, directory: Path) -> None:
        self._url = url
        self._directory = directory
        self._reader: asyncio.subprocess.Process | None = None
        self._differ: asyncio.subprocess.Process | None = None
        self._reading = asyncio.Lock()
        self.work = {"git fetches": 0.0, "fetch seconds": 0.0, "git children": 0.0}
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory.parent),
            "GIT_DIR": str(directory),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_COUNT": str(len(_GIT_SETTINGS)),
        }
        for number, (name, value) in enumerate(_GIT_SETTINGS.items()):
            self._environment |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}

    async def open(self) -> None:
        await self._run("init", "--quiet", "--bare", str(self._directory))
        await self.fetch()
        self._reader = await self._stays("cat-file", "--batch")
        self._differ = await self._stays("diff-tree", "--stdin", "-r", "-z", "--no-renames", "--name-only")

    async def close(self) -> None:
        for child in (self._reader, self._differ):
            if child is not None:
                child.terminate()
                await child.wait()

    async def fetch(self) -> None:
        flags = ("--quiet", "--atomic", "--force", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head")
        more = ("--no-auto-maintenance", "--no-show-forced-updates")
        _, seconds = await self._run("fetch", *flags, *more, self._url, f"+refs/heads/main:{REF}")
        self.work["fetch seconds"] += seconds
        self.work["git fetches"] += 1

    async def changed_paths(self, old: str, new: str) -> list[str]:
        """Between two trees, one question at a time."""
        asked, answers = _pipes(self._differ)
        # A line that names no object comes back as it is, and no path looks like this one.
        asked.write(f"{old} {new}\n//\n".encode())
        out = await answers.readuntil(b"//\n")
        return [path.decode() for path in out.removesuffix(b"//\n").partition(b"\n")[2].split(b"\0") if path]

    async def read(self, name: str) -> tuple[str, bytes]:
        """SHA and bytes of an object."""
        asked, answers = _pipes(self._reader)
        async with self._reading:
            asked.write(f"{name}\n".encode())
            header = (await answers.readuntil(b"\n")).split()
            if len(header) != 3:
                raise RuntimeError(f"git cat-file has no {name}")
            data = await answers.readexactly(int(header[2]) + 1)
        return header[0].decode(), data[:-1]

    async def manifests(self, revision: str, directory: str) -> list[dict[str, Any]]:
        """What the YAML files of one directory hold."""
        _, data = await self.read(f"{revision}:{directory}")
        found = []
        while data:
            _, _, rest = data.partition(b"\0")
            _, text = await self.read(rest[:20].hex())
            found.append(yaml.load(text, Loader=yaml.CSafeLoader))
            data = rest[20:]
        return found

    async def _stays(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            "git",
            *arguments,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )

    async def _run(self, *arguments: str) -> tuple[bytes, float]:
        """What the child wrote, and for how many seconds it ran once it was started."""
        self.work["git children"] += 1
        child = await asyncio.create_subprocess_exec(
            "git", *arguments, env=self._environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        started = time.monotonic()
        out, words = await child.communicate()
        if child.returncode != 0:
            raise RuntimeError(f"git {arguments[0]}: {words.decode(errors='replace')}")
        return out, time.monotonic() - started


def _pipes(child: asyncio.subprocess.Process | None) -> tuple[asyncio.StreamWriter, asyncio.StreamReader]:
    if child is None or child.stdin is None or child.stdout is None:
        raise RuntimeError("the mirror is not open")
    return child.stdin, child.stdout


@dataclass
class Api:
    """Requests to the API server, one aiohttp call each."""

    server: str
    token: str
    ca: str
    calls: dict[str, int] = field(default_factory=dict)
    session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        trust = ssl.create_default_context(cadata=self.ca)
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trust, limit=0), headers={"Authorization": f"Bearer {self.token}"}
        )

    async def close(self) -> None:
        if self.session is not None:
            await self.session.close()

    async def get(self, kind: str, namespace: str, name: str) -> dict[str, Any]:
        return await self._call("GET", "GET", _path(kind, namespace, name))

    async def list(self, kind: str, namespace: str) -> dict[str, Any]:
        return await self._call("LIST", "GET", _path(kind, namespace))

    async def patch(self, kind: str, namespace: str, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        path = _path(kind, namespace, name) + "?fieldManager=trueup"
        return await self._call("PATCH", "PATCH", path, body, MERGE_PATCH)

    async def apply(self, kind: str, namespace: str, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        path = _path(kind, namespace, name) + "?fieldManager=trueup&force=true"
        return await self._call("APPLY", "PATCH", path, body, APPLY_PATCH)

    async def watch(self, kind: str, namespace: str, resource_version: str) -> AsyncIterator[dict[str, Any]]:
        """Each event, until cancelled. RuntimeError where what comes next is no longer known."""
        while True:
            async for event in self._watch(kind, namespace, resource_version):
                if event["type"] == "ERROR":
                    raise RuntimeError(f"the watch of {kind} objects: {event['object']}")
                resource_version = event["object"]["metadata"]["resourceVersion"]
                yield event

    async def _watch(self, kind: str, namespace: str, resource_version: str) -> AsyncIterator[dict[str, Any]]:
        """Each event, until the server ends it: after half an hour, or because it has too many to hand over."""
        path = f"{_path(kind, namespace)}?watch=true&resourceVersion={resource_version}"
        limits = aiohttp.ClientTimeout(total=None)
        async with self._open.get(self.server + path, timeout=limits) as answer:
            answer.raise_for_status()
            rest = b""
            async for chunk in answer.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield orjson.loads(line)

    @property
    def _open(self) -> aiohttp.ClientSession:
        if self.session is None:
            raise RuntimeError("not open")
        return self.session

    async def _call(
        self, verb: str, method: str, path: str, body: Mapping[str, Any] | None = None, kind: str = ""
    ) -> dict[str, Any]:
        self.calls[verb] = self.calls.get(verb, 0) + 1
        data = None if body is None else orjson.dumps(body)
        headers = {"Content-Type": kind} if kind else {}
        async with self._open.request(method, self.server + path, data=data, headers=headers) as answer:
            raw = await answer.read()
            if answer.status >= 300:
                raise RuntimeError(f"{method} {path}: {answer.status} {raw[:500].decode(errors='replace')}")
            found: dict[str, Any] = orjson.loads(raw)
            return found


def _path(kind: str, namespace: str, name: str = "") -> str:
    root, plural = PATHS[kind]
    return f"/{root}/namespaces/{namespace}/{plural}" + (f"/{name}" if name else "")
