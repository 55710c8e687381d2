"""Whatever goes wrong with a Secret or a login, no value of it shows anywhere: looked for, not believed."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Iterable

import aiohttp
import orjson
from redis.asyncio import Redis

from tests.support.bad_input import fresh, healed, told
from tests.support.product import AUTOMATED, Installation, config_map
from trueup.clients.process import Completed

RETRYING = {"automated": {"prune": True, "selfHeal": True}, "retry": {"limit": 0}}


async def test_a_secret_that_the_api_server_refuses_keeps_its_values_to_itself(running: Installation) -> None:
    repository, name = await running.repository(), fresh("refused")
    canaries = [_canary() for _ in range(6)]
    data, string_data, undecodable, number, borrowed, kept = canaries
    encoded = base64.b64encode(data.encode()).decode()
    files = {
        "app/key.yaml": _secret(fresh("key"), data={"bad key!": encoded}, stringData={"also bad!": string_data}),
        "app/base64.yaml": _secret(fresh("base64"), data={"key": f"{undecodable}!!"}),
        "app/type.yaml": _secret(fresh("type"), stringData={"key": {"nested": number}}),
        "app/name.yaml": _secret(f"Bad_Name_{fresh('x')}", stringData={"key": data}),
        "app/kind.yaml": _secret(fresh("kind"), type="kubernetes.io/tls", stringData={"key": data}),
        "app/field.yaml": _secret(fresh("field"), stringDate={"key": string_data}),
        # A value of a Secret that turns up in another kind's error.
        "app/good.yaml": _secret(fresh("good"), stringData={"key": borrowed}),
        "app/label.yaml": _labelled(fresh("label"), f"{borrowed}!"),
        "app/kept.yaml": _secret(kept_name := fresh("kept"), stringData={"key": kept}),
    }
    await repository.push(files)
    await running.apply(name, repository.url, syncPolicy=RETRYING)
    raw = await told(running, name, "SyncError", "objects failed")
    failed = [r for r in raw["status"]["operationState"]["syncResult"]["resources"] if r["status"] == "SyncFailed"]
    assert len(failed) == 7, [r["message"] for r in failed]
    assert all("in app/" in result["message"] for result in failed), "each names its file, if not what stands there"
    # What the very first status said, before a later one could know better.
    await _nothing_shows(running, canaries, [])
    await _edit(running, kept_name, _canary_in(canaries))
    said = [
        await running.trueup("app", "diff", name),
        await running.trueup("app", "sync", name, "--timeout", "30"),
        await running.trueup("app", "get", name, "-o", "json"),
        await running.trueup("app", "get", name, "-o", "yaml"),
        await running.trueup("app", "get", name),
        await running.trueup("app", "list"),
        await running.trueup("app", "wait", name, "--timeout", "1"),
    ]
    assert said[0].returncode == 1, said[0].stderr.decode()
    await _nothing_shows(running, canaries, _texts(said))


async def test_a_file_that_cannot_be_read_is_not_quoted(running: Installation) -> None:
    repository, canary, suffix = await running.repository(), _canary(), fresh("file")
    head = "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n"
    cases = {
        "colon": f"{head}stringData:\n  key: {canary}: {canary}\n",
        "quote": f'{head}stringData:\n  key: "{canary}\n',
        "tab": f"{head}stringData:\n\tkey: {canary}\n",
        "alias": f"{head}stringData:\n  key: *{canary}\n",
        "twice": f"{head}stringData:\n  {canary}: a\n---\n{head}stringData:\n  {canary}: b\n",
        "label": f"apiVersion: v1\nkind: Secret\nmetadata: {{name: x, labels: [{canary}]}}\n",
        "scalar": f"{canary}\n",
        "version": f"apiVersion: [{canary}]\nkind: Secret\nmetadata: {{name: x}}\n",
        "named": f"apiVersion: v1\nkind: Secret\nmetadata: {{name: [{canary}]}}\n",
    }
    await repository.push({f"{word}/secret.yaml": content for word, content in cases.items()})
    for word in cases:
        await running.apply(f"{word}-{suffix}", repository.url, path=word, syncPolicy=AUTOMATED)
    for word in cases:
        await told(running, f"{word}-{suffix}", "ComparisonError", "secret.yaml" if word != "twice" else "twice")
    said = await asyncio.gather(*(running.trueup("app", "diff", f"{word}-{suffix}") for word in cases))
    await _nothing_shows(running, [canary], _texts(said))


async def test_a_login_that_is_refused_is_not_repeated(running: Installation) -> None:
    password, wrong, token, inline = _canary(), _canary(), _canary(), _canary()
    good, refused, bearer = [await running.repository(credentials=f"ada:{password}") for _ in range(3)]
    suffix = fresh("login")
    for number, (repository, data) in enumerate(
        [
            (good, {"username": "ada", "password": password}),
            (refused, {"username": "ada", "password": wrong}),
            (bearer, {"bearerToken": token}),
        ]
    ):
        await _repository_secret(running, f"{suffix}-{number}", {"url": repository.url, **data})
    revision = await good.push({"app/one.yaml": config_map(fresh("one"))})
    await running.apply(f"good-{suffix}", good.url, syncPolicy=AUTOMATED)
    await running.apply(f"refused-{suffix}", refused.url, syncPolicy=AUTOMATED)
    await running.apply(f"bearer-{suffix}", bearer.url, syncPolicy=AUTOMATED)
    await healed(running, f"good-{suffix}", revision)
    await told(running, f"refused-{suffix}", "ComparisonError", "refuses the credentials", f"{suffix}-1")
    await told(running, f"bearer-{suffix}", "ComparisonError", "refuses the credentials", f"{suffix}-2")
    address = good.url.replace("://", f"://ada:{inline}@")
    await running.apply(f"inline-{suffix}", address, syncPolicy=AUTOMATED)
    raw = await told(running, f"inline-{suffix}", "InvalidSpecError", "repository Secret")
    assert inline not in orjson.dumps(raw["status"]).decode()
    asked = [("get", "inline"), ("get", "refused"), ("diff", "good"), ("diff", "refused"), ("diff", "bearer")]
    said = await asyncio.gather(*(running.trueup("app", verb, f"{word}-{suffix}") for verb, word in asked))
    # The Application that carries a password in its spec shows it itself; nobody may repeat it.
    applications = await running.cluster.resource("argoproj.io", "Application")
    await running.cluster.delete(
        applications, running.namespace, f"inline-{suffix}", uid=raw["metadata"]["uid"], propagation="Background"
    )
    await _nothing_shows(running, [password, wrong, token, inline], _texts(said))


def _texts(said: Iterable[Completed]) -> list[str]:
    return [part.decode() for done in said for part in (done.stdout, done.stderr)]


async def _nothing_shows(trueup: Installation, canaries: Iterable[str], texts: Iterable[str]) -> None:
    forms = {form: canary for canary in canaries for form in _forms(canary)}
    async for place, content in _places(trueup, texts):
        for form, canary in forms.items():
            assert form not in content, f"{canary} shows in {place}: …{_around(content, form)}…"


async def _places(trueup: Installation, texts: Iterable[str]) -> AsyncIterator[tuple[str, str]]:
    """Everything that leaves: what commands said, Applications, logs, metrics, all of Redis."""
    for text in texts:
        yield "a command's output", text
    applications = await trueup.cluster.resource("argoproj.io", "Application")
    for item in (await trueup.cluster.list_all(applications, trueup.namespace)).items:
        yield f"Application {item['metadata']['name']}", orjson.dumps(item).decode()
    for half in trueup.children:
        yield f"the log of the {half}", trueup.log(half).read_text()
        yield f"/readyz and /metrics of the {half}", await _ops(trueup, half)
    async with Redis.from_url(trueup.redis_url) as redis:
        found = 0
        async for key in redis.scan_iter():
            found += 1
            yield f"Redis key {key!r}", key.decode(errors="replace") + await _value(redis, key)
        assert found, "there is something to look at"


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
    """As it is, and in base64 wherever it may begin in a longer text."""
    forms = {canary, canary[:12], canary[-12:]}
    for offset, first in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(b"\0" * offset + canary.encode())[first:].decode()
        forms.add(encoded[:14])
    forms.add(base64.b64encode(f"ada:{canary}".encode()).decode()[8:22])
    return forms


def _around(content: str, form: str) -> str:
    place = content.index(form)
    return content[max(0, place - 150) : place + 60]


def _canary() -> str:
    """A value that nothing else can happen to contain."""
    return f"canary{secrets.token_hex(12)}"


def _canary_in(canaries: list[str]) -> str:
    canaries.append(_canary())
    return canaries[-1]


def _secret(name: str, **more: object) -> str:
    return orjson.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, **more}).decode()


def _labelled(name: str, label: str) -> str:
    body = orjson.loads(config_map(name))
    body["metadata"]["labels"] = {"copied": label}
    return orjson.dumps(body).decode()


async def _edit(trueup: Installation, name: str, value: str) -> None:
    """As a person does who edits a live Secret."""
    patch = orjson.dumps({"stringData": {"key": value}}).decode()
    await trueup.kubectl("patch", "secret", name, "-n", trueup.delivered_to, "--type=merge", "-p", patch)


async def _repository_secret(trueup: Installation, name: str, data: dict[str, str]) -> None:
    labels = {"argocd.argoproj.io/secret-type": "repository"}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "labels": labels}, "stringData": data}
    await trueup.cluster.create(await trueup.cluster.resource("", "Secret"), trueup.namespace, body)
