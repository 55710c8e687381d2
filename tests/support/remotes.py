"""A Git host in front of the sandbox's own, that can be given trouble."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from tests.support.git import http_server

#: What it answers in the sandbox's place.
Trouble = Callable[[web.Request], Awaitable[web.StreamResponse]]
_PASSED_ON = ("Git-Protocol", "Content-Type", "Accept", "Authorization")


@dataclass
class TroubledHost:
    """While it has trouble, that is its answer to everything; else the sandbox's."""

    upstream: str
    session: aiohttp.ClientSession
    url: str = ""
    trouble: Trouble | None = None
    #: Of an answer with objects in it so much is sent; None is all.
    cut_bytes: int | None = None
    requests: int = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        if self.trouble is not None:
            return await self.trouble(request)
        body = await request.read()
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        async with self.session.request(
            request.method, f"{self.upstream}{request.path_qs}", data=body, headers=headers
        ) as found:
            content = await found.read()
            if b"command=fetch" in body:
                content = content[: self.cut_bytes]
            return web.Response(status=found.status, body=content, headers={"Content-Type": found.content_type})


def answering(status: int, **headers: str) -> Trouble:
    """A status and nothing else; `_` in the name of a header stands for a hyphen."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return answer


async def hanging(_: web.Request) -> web.StreamResponse:
    """Takes the request and never answers."""
    return await asyncio.Future()


async def trickling(request: web.Request) -> web.StreamResponse:
    """Answers a byte at a time, for ever."""
    answer = web.StreamResponse(headers={"Content-Type": "application/x-git-upload-pack-advertisement"})
    await answer.prepare(request)
    while True:
        await answer.write(b"0")
        await asyncio.sleep(0.1)


@asynccontextmanager
async def troubled_host(upstream: str) -> AsyncIterator[TroubledHost]:
    """A host of its own, by address and port."""
    async with aiohttp.ClientSession() as session:
        host = TroubledHost(upstream, session)
        async with http_server(host.answer) as host.url:
            yield host


def through(host: TroubledHost, url: str) -> str:
    """The sandbox's repository, as this host has it."""
    return host.url + url.removeprefix(host.upstream)


TROUBLES: Mapping[str, tuple[Trouble, tuple[str, ...]]] = {
    "a 401": (answering(401, WWW_Authenticate="Basic"), ("no repository Secret matches it; create one",)),
    "a 403": (answering(403), ("access is forbidden", "check the rights of the credentials")),
    "a 404": (answering(404), ("no such repository", "check spec.source.repoURL")),
    "a 429": (answering(429, Retry_After="1"), ("limits requests", "asked again after a pause")),
    "a 500": (answering(500), ("failed to answer", "asked again")),
    "a 503": (answering(503, Retry_After="1"), ("failed to answer", "asked again")),
    "silence": (hanging, ("answers too slowly", "check its host")),
    "a trickle": (trickling, ("answers too slowly", "check its host")),
}
