"""Pages as tests read them: answered by the real site, taken apart by the standard library's parser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.test_utils import TestClient, TestServer

from service.parts import Parts, assemble
from tests.support.service import settings_for
from trueup.clients.audit_stream import AuditStream
from trueup.clients.cluster import Cluster
from trueup.clients.credentials import ServerAccess
from trueup.clients.queue import Queue
from trueup.clients.redis import connect
from trueup.clients.view_shelf import ViewShelf

VOID = frozenset({"meta", "link", "img", "input", "br", "hr", "path", "rect"})


class Markup(HTMLParser):
    """The tags of a page, each with the names of its attributes; complains of what does not nest."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, f"never closed: {self._open}"
        assert len(set(self.ids)) == len(self.ids), f"an id stands twice: {self.ids}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        found = dict(attrs)
        assert len(found) == len(attrs), f"an attribute stands twice in {tag} {attrs}"
        assert not any(name.startswith("on") or name == "style" for name in found), f"inline: {tag} {attrs}"
        if identity := found.get("id"):
            self.ids.append(identity)
        self.links += [value for name in ("href", "src") if (value := found.get(name))]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag, f"</{tag}> closes another"

    def handle_data(self, data: str) -> None:
        self.text += data


def application(name: str, *, sync: str = "Synced", health: str = "Healthy", **more: Any) -> dict[str, Any]:
    """An Application as the API server would have it."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd", "uid": f"uid-{name}", "resourceVersion": "1"},
        "spec": {
            "project": "default",
            "source": {"repoURL": "https://git.example.com/acme/deploy.git", "path": name, "targetRevision": "main"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
            **more,
        },
        "status": {
            "sync": {"status": sync, "revision": "c" * 40},
            "health": {"status": health},
            "resources": [
                {"version": "v1", "kind": "ConfigMap", "namespace": "shop", "name": name, "status": sync},
            ],
        },
    }


@asynccontextmanager
async def unstarted(tmp_path: Path, **settings: Any) -> AsyncIterator[tuple[Parts, TestClient[Any, Any]]]:
    """The service's public side over HTTP, with nobody behind it: no API server, no Redis, nothing loaded."""
    client = connect("redis://127.0.0.1:1/0")
    cluster = Cluster(ServerAccess("https://127.0.0.1:1", bearer_token="none"))
    chosen = settings_for("argocd", "redis://127.0.0.1:1/0", tmp_path, view_seconds_max=0.2, **settings)
    parts = assemble(chosen, cluster, Queue(client), AuditStream(client), ViewShelf(client))
    async with TestClient(TestServer(parts.public)) as http:
        yield parts, http
    await client.aclose()


async def read_event(stream: aiohttp.ClientResponse) -> dict[str, str]:
    """The next event, but for those that only say that the stream lives."""
    while True:
        event: dict[str, str] = {}
        async with asyncio.timeout(10):
            while line := (await stream.content.readline()).decode().rstrip("\n"):
                name, _, value = line.partition(": ")
                event[name] = value
        if not event:
            raise EOFError
        if event["event"] != "beat":
            return event


def change(parts: Parts, old: dict[str, Any] | None, new: dict[str, Any] | None) -> None:
    """What the watch of Applications tells once its first list is known."""
    followed = parts.snapshots.followed["Application"]
    followed.on_change(old, new)
    assert followed.on_later is not None
    followed.on_later(old, new)
