"""No value of a Secret, no login and no token leaves: planted everywhere, and looked for everywhere."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
import pytest
import pytest_asyncio

from tests.support.audit import audit_url, audited
from tests.support.audit_writes import event
from tests.support.bad_input import fresh, told
from tests.support.canaries import new_canary, nothing_shows, secret, texts
from tests.support.drift import incident
from tests.support.fixtures import in_own_task
from tests.support.product import AUTOMATED, Installation, config_map, installation, is_synced, sync_status
from tests.support.sandbox import SandboxFacts
from tests.support.slack import slack
from trueup.clients.cluster import Cluster
from trueup.clients.process import Completed
from trueup.sandbox import SlackServer

__all__ = ["slack"]

SECONDS = 30.0
STRANGERS_KNOCK_AT = ("/api/webhook", "/api/webhook/github/hook", "/api/audit", "/api/audit/elsewhere")
RETRYING = {"automated": {"prune": True, "selfHeal": True}, "retry": {"limit": 0}}
#: What a person can ask of an application that drifted; `APP` is its name.
COMMANDS = (
    ("app", "list"),
    ("app", "get", "APP"),
    ("app", "get", "APP", "-o", "json"),
    ("app", "get", "APP", "-o", "yaml"),
    ("app", "diff", "APP"),
    ("app", "diff", "APP", "--why"),
    ("app", "manifests", "APP"),
    ("app", "manifests", "APP", "--source", "live"),
    ("app", "history", "APP"),
    ("drift", "list"),
    ("drift", "list", "-o", "json"),
    ("drift", "show", "APP"),
    ("drift", "adopt", "APP"),
    ("app", "as-of", "APP", "now"),
)


@pytest_asyncio.fixture(loop_scope="session")
async def watched(
    sandbox: SandboxFacts, cluster: Cluster, valkey_url: str, tmp_path: Path, slack: SlackServer
) -> AsyncIterator[Installation]:
    """An installation that tells Slack, with every log line there is."""
    settings = {
        "TRUEUP_SLACK_TOKEN": slack.token,
        "TRUEUP_SLACK_CHANNEL": slack.channel,
        "TRUEUP_SLACK_API_URL": slack.url,
        "TRUEUP_SLACK_SETTLE_SECONDS": "0.2",
        "TRUEUP_RETRY_SECONDS_MIN": "0.2",
        "TRUEUP_RETRY_SECONDS_MAX": "0.5",
        "TRUEUP_ATTEMPTS_MAX": "3",
        "TRUEUP_LOG_LEVEL": "debug",
    }
    async with in_own_task(installation(sandbox, cluster, tmp_path, valkey_url, **settings)) as place:
        await place.start_both()
        yield place


@dataclass(frozen=True)
class Planted:
    """The values that must show nowhere."""

    in_data: str
    in_string_data: str
    #: A Secret's value that a ConfigMap repeats, as it is, in base64 and in a URL.
    repeated: str
    login: str
    edited: str
    added: str
    annotated: str

    @classmethod
    def new(cls) -> Planted:
        return cls(*(new_canary() for _ in range(7)))


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def files(planted: Planted, name: str) -> dict[str, str]:
    """What Git says of an application that can be delivered."""
    word = planted.repeated
    address = f"https://ada:{quote(word)}@db.example.com/?token={quote(word)}"
    return {
        "app/secret.yaml": secret(
            f"{name}-secret", data={"a": encoded(planted.in_data)}, stringData={"b": planted.in_string_data, "c": word}
        ),
        "app/config.yaml": config_map(f"{name}-config", plain=f"word={word};", coded=encoded(word), address=address),
    }


#: Of these each is asked about every object that is malformed.
ABOUT_ERRORS = (("app", "get", "APP", "-o", "json"), ("app", "diff", "APP"), ("app", "sync", "APP", "--timeout", "20"))


async def everything_said(
    trueup: Installation, name: str, commands: Sequence[Sequence[str]] = COMMANDS
) -> list[Completed]:
    """What every command says; one that this version lacks says so."""
    spelled = [[name if word == "APP" else word for word in words] for words in commands]
    limit = asyncio.Semaphore(3)

    async def say(words: list[str]) -> Completed:
        async with limit:
            return await trueup.trueup(*words)

    return list(await asyncio.gather(*(say(words) for words in spelled)))


def messages(server: SlackServer) -> str:
    return "\n".join(
        json.dumps([message.text, message.blocks], ensure_ascii=False) for message in server.messages.values()
    )


async def test_nothing_shows_a_secret_that_drifts_and_is_put_right(watched: Installation, slack: SlackServer) -> None:
    planted, name = Planted.new(), fresh("leak")
    canaries = [*asdict(planted).values(), slack.token]
    repository = await watched.repository(credentials=f"ada:{planted.login}")
    await login(watched, repository.url, planted.login)
    revision = await repository.push(files(planted, name))
    await watched.apply(name, repository.url, syncPolicy=AUTOMATED)
    await watched.until(name, is_synced(revision), "synced")
    await nothing_shows(watched, canaries, [])
    await drift(watched, planted, name)
    await incident(watched, name, lambda one: one.is_open and len(one.objects) > 1, "it is open", SECONDS)
    await slack.until(lambda server: bool(server.messages), SECONDS)
    await watched.until(name, lambda raw: sync_status(raw) == "OutOfSync", "out of sync")
    said = await everything_said(watched, name)
    assert said[4].returncode == 1, said[4].stderr.decode()
    await nothing_shows(watched, canaries, [*texts(said), messages(slack)])
    await watched.patch(name, {"operation": {"sync": {}}})
    await watched.until(name, is_synced(revision), "put right")
    await slack.until(lambda server: "Synced again" in messages(server), SECONDS)
    said = await everything_said(watched, name)
    await nothing_shows(watched, canaries, [*texts(said), messages(slack)])


async def test_nothing_shows_a_secret_that_is_malformed(watched: Installation, slack: SlackServer) -> None:
    canaries, suffix = [new_canary() for _ in range(6)], fresh("bad")
    wrong, number, misspelt, sops, copied, beside = canaries
    repository = await watched.repository()
    encrypted = {
        "stringData": {"key": f"ENC[AES256_GCM,data:{sops},iv:{sops},tag:{sops},type:str]"},
        "sops": {
            "mac": f"ENC[AES256_GCM,data:{sops}]",
            "age": [{"enc": sops, "recipient": "age1shop"}],
            "version": "3.9.0",
        },
    }
    cases = {
        "base64": secret(f"base64-{suffix}", data={"key": f"{wrong}!!"}),
        "type": secret(f"type-{suffix}", data={"key": {"nested": number}}, stringData=[number]),
        "field": secret(f"field-{suffix}", stringDate={"key": misspelt}),
        "sops": secret(f"sops-{suffix}", **encrypted),
        "label": f"{secret(f'good-{suffix}', stringData={'key': copied})}\n---\n{labelled(f'label-{suffix}', copied)}",
        "list": f"apiVersion: v1\nkind: List\nitems:\n- {secret(f'in-list-{suffix}', data={'key': f'{beside}!'})}\n",
    }
    await repository.push({f"{word}/object.yaml": text for word, text in cases.items()})
    for word in cases:
        await watched.apply(f"{word}-{suffix}", repository.url, path=word, syncPolicy=RETRYING)
    for word in cases:
        await told(watched, f"{word}-{suffix}", "SyncError")
    said = await everything_said(watched, f"sops-{suffix}")
    for word in cases:
        said += await everything_said(watched, f"{word}-{suffix}", ABOUT_ERRORS)
    await nothing_shows(watched, canaries, [*texts(said), messages(slack)])


@pytest.mark.parametrize("form", [str, encoded, quote])
async def test_what_does_show_is_found(watched: Installation, form: Any) -> None:
    canary, name = new_canary(), fresh("shown")
    repository = await watched.repository()
    await repository.push({"app/one.yaml": config_map(fresh("one"), word="calm")})
    await watched.apply(name, repository.url, source={"repoURL": repository.url, "path": f"app{form(canary)}"})
    with pytest.raises(AssertionError, match=f"{canary} shows in"):
        await nothing_shows(watched, [canary], [])


async def test_nothing_shows_what_a_stranger_sent(watched: Installation, slack: SlackServer) -> None:
    token, wrong, body, signature = canaries = [new_canary() for _ in range(4)]
    await watched.cluster.create(
        await watched.cluster.resource("", "Secret"),
        watched.namespace,
        orjson.loads(secret("trueup-audit", stringData={"token": token})),
    )
    address = f"http://{watched.addresses('service')['listen']}"
    headers = {
        "Authorization": f"Bearer {wrong}",
        "X-Hub-Signature-256": f"sha256={signature}",
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": signature,
        "Content-Type": "application/json",
    }
    said = []
    async with aiohttp.ClientSession() as session:
        for path in STRANGERS_KNOCK_AT:
            for content in (f'{{"password": "{body}"', f'{{"items": [{{"password": "{body}"}}], "ref": "{body}"}}'):
                async with session.post(f"{address}{path}", data=content, headers=headers) as answer:
                    said.append(await answer.text())
                    assert answer.status >= 400, (path, said[-1])
    # Redis must hold something to be searched.
    repository, name = await watched.repository(), fresh("calm")
    revision = await repository.push({"app/one.yaml": config_map(fresh("one"))})
    await watched.apply(name, repository.url, syncPolicy=AUTOMATED)
    await watched.until(name, is_synced(revision), "synced")
    await nothing_shows(watched, canaries, [*said, messages(slack)])


async def test_nothing_shows_what_an_audit_log_or_a_visitor_tells(watched: Installation, slack: SlackServer) -> None:
    sent, answered, agent, query, header, path = canaries = [new_canary() for _ in range(6)]
    repository, name = await watched.repository(), fresh("told")
    planted = Planted.new()
    revision = await repository.push(files(planted, name))
    await watched.apply(name, repository.url, syncPolicy=AUTOMATED)
    await watched.until(name, is_synced(revision), "synced")
    now = datetime.now(UTC).isoformat()
    written = {
        "requestURI": f"/api/v1/namespaces/x/secrets/y?fieldManager=kubectl-edit&token={query}",
        "userAgent": f"curl/8 (https://ada:{agent}@example.com)",
        "objectRef": {"resource": "secrets", "namespace": watched.delivered_to, "name": f"{name}-secret"},
        "requestObject": {"stringData": {"a": sent}},
        "responseObject": {"kind": "Secret", "apiVersion": "v1", "data": {"a": encoded(answered)}},
        "requestReceivedTimestamp": now,
        "stageTimestamp": now,
    }
    batch = {"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": [event(**written)]}
    address = f"http://{watched.addresses('service')['listen']}"
    said = []
    async with audited(watched), aiohttp.ClientSession(headers={"Cookie": f"session={header}"}) as session:
        async with session.post(audit_url(watched), json=batch) as answer:
            assert (await answer.json())["kept"] == 1
        for place in (f"/?q={query}", f"/applications/{path}", f"/api/v1/incidents?by={query}&since={query}"):
            async with session.get(f"{address}{place}", headers={"X-Api-Key": header}) as answer:
                assert answer.status < 500
        await drift(watched, planted, name)
        await incident(watched, name, lambda one: one.is_open, "it is open", SECONDS)
        said = await everything_said(watched, name)
        await nothing_shows(watched, [*canaries, *asdict(planted).values()], [*texts(said), messages(slack)])


async def drift(trueup: Installation, planted: Planted, name: str) -> None:
    """As people make it: a value changed, one added, and the whole noted by `kubectl apply`."""
    where = ("-n", trueup.delivered_to)
    applied = secret(f"{name}-secret", stringData={"b": planted.edited, "noted": planted.annotated})
    await trueup.kubectl("apply", *where, "-f", "-", stdin=applied)
    added = orjson.dumps({"data": {"added": encoded(planted.added), "a": None}}).decode()
    await trueup.kubectl("patch", "secret", f"{name}-secret", *where, "--type=merge", "-p", added)
    config = orjson.dumps({"data": {"plain": f"now={planted.edited}", "more": encoded(planted.added)}}).decode()
    await trueup.kubectl("patch", "configmap", f"{name}-config", *where, "--type=merge", "-p", config)


async def login(trueup: Installation, url: str, password: str) -> None:
    labels = {"argocd.argoproj.io/secret-type": "repository"}
    data = {"url": url, "username": "ada", "password": password}
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": fresh("login"), "labels": labels},
        "stringData": data,
    }
    await trueup.cluster.create(await trueup.cluster.resource("", "Secret"), trueup.namespace, body)


def labelled(name: str, value: str) -> str:
    """A ConfigMap that the API server refuses, and says why, with the value in it."""
    body = orjson.loads(config_map(name))
    body["metadata"]["labels"] = {"copied": f"{value}!"}
    return orjson.dumps(body).decode()
