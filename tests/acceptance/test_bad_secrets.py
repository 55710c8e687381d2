"""Whatever goes wrong with a Secret or a login, no value of it shows anywhere: looked for, not believed."""

from __future__ import annotations

import asyncio
import base64

import orjson

from tests.support.bad_input import fresh, healed, told
from tests.support.canaries import new_canary, nothing_shows, secret, texts
from tests.support.product import AUTOMATED, Installation, config_map

RETRYING = {"automated": {"prune": True, "selfHeal": True}, "retry": {"limit": 0}}


async def test_a_secret_that_the_api_server_refuses_keeps_its_values_to_itself(running: Installation) -> None:
    repository, name = await running.repository(), fresh("refused")
    canaries = [new_canary() for _ in range(6)]
    data, string_data, undecodable, number, borrowed, kept = canaries
    encoded = base64.b64encode(data.encode()).decode()
    files = {
        "app/key.yaml": secret(fresh("key"), data={"bad key!": encoded}, stringData={"also bad!": string_data}),
        "app/base64.yaml": secret(fresh("base64"), data={"key": f"{undecodable}!!"}),
        "app/type.yaml": secret(fresh("type"), stringData={"key": {"nested": number}}),
        "app/name.yaml": secret(f"Bad_Name_{fresh('x')}", stringData={"key": data}),
        "app/kind.yaml": secret(fresh("kind"), type="kubernetes.io/tls", stringData={"key": data}),
        "app/field.yaml": secret(fresh("field"), stringDate={"key": string_data}),
        # A value of a Secret that turns up in another kind's error.
        "app/good.yaml": secret(fresh("good"), stringData={"key": borrowed}),
        "app/label.yaml": _labelled(fresh("label"), f"{borrowed}!"),
        "app/kept.yaml": secret(kept_name := fresh("kept"), stringData={"key": kept}),
    }
    await repository.push(files)
    await running.apply(name, repository.url, syncPolicy=RETRYING)
    raw = await told(running, name, "SyncError", "objects failed")
    failed = [r for r in raw["status"]["operationState"]["syncResult"]["resources"] if r["status"] == "SyncFailed"]
    assert len(failed) == 7, [r["message"] for r in failed]
    assert all("in app/" in result["message"] for result in failed), "each names its file, if not what stands there"
    # What the very first status said, before a later one could know better.
    await nothing_shows(running, canaries, [])
    canaries.append(new_canary())
    await _edit(running, kept_name, canaries[-1])
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
    await nothing_shows(running, canaries, texts(said))


async def test_a_file_that_cannot_be_read_is_not_quoted(running: Installation) -> None:
    repository, canary, suffix = await running.repository(), new_canary(), fresh("file")
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
    await nothing_shows(running, [canary], texts(said))


async def test_a_login_that_is_refused_is_not_repeated(running: Installation) -> None:
    password, wrong, token, inline = new_canary(), new_canary(), new_canary(), new_canary()
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
    await nothing_shows(running, [password, wrong, token, inline], texts(said))


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
