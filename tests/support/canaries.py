"""Values that must show nowhere, and every place where one could."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Iterable
from html import escape
from urllib.parse import quote, quote_plus

import aiohttp
import orjson
from redis.asyncio import Redis

from tests.support.product import Installation
from trueup.clients.process import Completed


def texts(said: Iterable[Completed]) -> list[str]:
    """What commands said."""
    return [part.decode() for done in said for part in (done.stdout, done.stderr)]


#: What the service answers people and programs; `APP` and `INCIDENT` stand for each name there is.
PAGES = (
    "/",
    "/applications/APP",
    "/incidents",
    "/incidents/INCIDENT",
    "/events",
    "/api/v1/applications",
    "/api/v1/applications/APP",
    "/api/v1/incidents",
    "/api/v1/incidents/INCIDENT",
    "/api/v1/repositories",
    "/nowhere",
)
#: An answer that never ends, such as a stream of events, is read for so long.
PAGE_SECONDS_MAX = 2.0


async def nothing_shows(trueup: Installation, canaries: Iterable[str], said: Iterable[str]) -> None:
    """In nothing that has left so far, and not in these texts."""
    forms = {form: canary for canary in canaries for form in _forms(canary)}
    async for place, content in _places(trueup, said):
        for form, canary in forms.items():
            assert form not in content, f"{canary} shows in {place}: …{_around(content, form)}…"


async def _places(trueup: Installation, said: Iterable[str]) -> AsyncIterator[tuple[str, str]]:
    """Everything that leaves: what commands said, records, events, logs, answers, metrics, all of Redis."""
    for text in said:
        yield "a command's output", text
    names: dict[str, list[str]] = {"APP": [], "INCIDENT": []}
    kinds = (("argoproj.io", "Application", "APP"), ("trueup.dev", "Incident", "INCIDENT"), ("", "Event", ""))
    for group, kind, word in kinds:
        resource = await trueup.cluster.resource(group, kind)
        for namespace in (trueup.namespace, trueup.delivered_to):
            for item in (await trueup.cluster.list_all(resource, namespace)).items:
                names.setdefault(word, []).append(item["metadata"]["name"])
                yield f"{kind} {item['metadata']['name']}", orjson.dumps(item).decode()
    for half in trueup.children:
        yield f"the log of the {half}", trueup.log(half).read_text()
        yield f"/readyz and /metrics of the {half}", await _ops(trueup, half)
    if "service" in trueup.children:
        for page in PAGES:
            for path in _named(page, names):
                yield f"the answer to {path}", await _answer(trueup, path)
    async with Redis.from_url(trueup.redis_url) as redis:
        found = 0
        async for key in redis.scan_iter():
            found += 1
            yield f"Redis key {key!r}", key.decode(errors="replace") + await _value(redis, key)
        assert found, "there is something to look at"


def _named(page: str, names: dict[str, list[str]]) -> list[str]:
    word = page.rpartition("/")[2]
    return [page.removesuffix(word) + name for name in names[word]] if word in names else [page]


async def _answer(trueup: Installation, path: str) -> str:
    """Whatever comes, an error too."""
    address, text = trueup.addresses("service")["listen"], ""
    try:
        async with (
            asyncio.timeout(PAGE_SECONDS_MAX),
            aiohttp.ClientSession() as session,
            session.get(f"http://{address}{path}") as answer,
        ):
            text = str(answer.headers)
            async for chunk, _ in answer.content.iter_chunks():
                text += chunk.decode(errors="replace")
    except TimeoutError:
        pass
    return text


async def _ops(trueup: Installation, half: str) -> str:
    address = trueup.addresses(half)["ops_listen"]
    text = ""
    async with aiohttp.ClientSession() as session:
        for path in ("/metrics", "/readyz", "/healthz"):
            async with session.get(f"http://{address}{path}") as answer:
                text += await answer.text()
    return text


async def _value(redis: Redis, key: bytes) -> str:
    kind = await redis.type(key)
    commands = {
        b"string": ("GET",),
        b"hash": ("HGETALL",),
        b"list": ("LRANGE", 0, -1),
        b"set": ("SMEMBERS",),
        b"zset": ("ZRANGE", 0, -1),
        b"stream": ("XRANGE", "-", "+"),
    }
    command, *arguments = commands[kind]
    return _flat(await redis.execute_command(command, key, *arguments))


def _flat(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, dict):
        return " ".join(_flat(part) for pair in value.items() for part in pair)
    if isinstance(value, list | tuple | set):
        return " ".join(_flat(part) for part in value)
    return str(value)


def _forms(canary: str) -> set[str]:
    """As it is, escaped, and in base64 wherever it may begin in a longer text."""
    forms = {canary, canary[:12], canary[-12:], quote(canary), quote_plus(canary), escape(canary)}
    forms |= {orjson.dumps(canary).decode()[1:-1], canary.encode().hex()}
    for offset, first in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(b"\0" * offset + canary.encode())[first:].decode()
        forms.add(encoded[:14])
    forms.add(base64.b64encode(f"ada:{canary}".encode()).decode()[8:22])
    return forms


def _around(content: str, form: str) -> str:
    place = content.index(form)
    return content[max(0, place - 150) : place + 60]


def new_canary() -> str:
    """A value that nothing else can happen to contain."""
    return f"canary{secrets.token_hex(12)}"


def secret(name: str, **more: object) -> str:
    """A Secret, with these fields."""
    return orjson.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, **more}).decode()
