"""A renderer that fails beside a secret says where and why, and the value of the secret nowhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.bad_input import fresh, told
from tests.support.canaries import new_canary, nothing_shows, texts
from tests.support.product import AUTOMATED, Installation, is_synced

CHART = "apiVersion: v2\nname: ship\nversion: 1.0.0\n"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\nstringData:\n  word: {value}\n"
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"


@dataclass(frozen=True)
class Case:
    files: Mapping[str, str]
    #: In the condition.
    words: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


def chart(template: str, *words: str, values: str = "password: {value}\n", **more: str) -> Callable[[str], Case]:
    """A chart with a value file that holds the secret, and with a template beside a Secret made of it."""

    def made(value: str) -> Case:
        files = {
            "Chart.yaml": CHART,
            "values.yaml": "password: open\nword: open\n",
            "secret.yaml": values.format(value=value),
            "templates/a-secret.yaml": SECRET.format(name="x", value="{{ .Values.password | quote }}"),
            "templates/b.yaml": template,
            **more,
        }
        return Case(files, words, {"helm": {"valueFiles": ["secret.yaml"]}})

    return made


def kustomization(text: str, *words: str, **more: str) -> Callable[[str], Case]:
    def made(value: str) -> Case:
        files = {"kustomization.yaml": text, **more}
        return Case({name: content.replace("CANARY", value) for name, content in files.items()}, words)

    return made


def jsonnet(text: str, *words: str, **more: str) -> Callable[[str], Case]:
    def made(value: str) -> Case:
        files = {"main.jsonnet": text, **more}
        return Case({name: content.replace("CANARY", value) for name, content in files.items()}, words)

    return made


CASES = {
    "helm-fails": chart("{{ fail .Values.password }}", "templates/b.yaml"),
    "helm-encoded": chart("{{ fail (b64enc .Values.password) }}", "templates/b.yaml"),
    "helm-include": chart("{{ include .Values.password . }}", "templates/b.yaml"),
    "helm-member": chart("{{ .Values.password.x }}", "templates/b.yaml"),
    "helm-date": chart('{{ mustToDate "2006-01-02" .Values.word }}', "templates/b.yaml", values="word: {value}\n"),
    "helm-address": chart("{{ urlParse (printf `:%s` .Values.word) }}", "b.yaml", values="word: '{value}'\n"),
    "helm-template": chart(
        SECRET.format(name="y", value="{{ .Values.word }}: : x"), "b.yaml", values="word: {value}\n"
    ),
    "helm-values": chart("a: b", "secret.yaml", values="password: {value}: {value}\n"),
    "helm-no-values": chart("a: b", "secret.yaml", values="{value}\n"),
    "helm-schema": chart(
        "a: b",
        "/word",
        values="word: {value}\n",
        **{"values.schema.json": '{"properties": {"word": {"pattern": "^x"}, "password": {"enum": ["y"]}}}'},
    ),
    "helm-twice": chart(SECRET.format(name="x", value="b"), "a-secret.yaml", "b.yaml", "twice"),
    "kustomize-literal": kustomization(
        "secretGenerator: [{name: s, literals: [p=CANARY, CANARY]}]\n", "kustomize cannot build it"
    ),
    "kustomize-env": kustomization(
        "secretGenerator: [{name: s, envs: [e.env], files: [nope]}]\n", "nope", **{"e.env": "P=CANARY\n"}
    ),
    "kustomize-secret": kustomization(
        "resources: [s.yaml]\n", "s.yaml", **{"s.yaml": SECRET.format(name="s", value="CANARY") + " x: CANARY\n"}
    ),
    "kustomize-patch": kustomization(
        "resources: [s.yaml]\npatches: [{path: p.yaml}]\n",
        "no matches",
        **{
            "s.yaml": SECRET.format(name="s", value="CANARY"),
            "p.yaml": SECRET.format(name="other", value="CANARY"),
        },
    ),
    "jsonnet-number": jsonnet(
        "{ a: std.parseInt(importstr 'password.txt') }", "main.jsonnet", **{"password.txt": "CANARY"}
    ),
    "jsonnet-error": jsonnet(
        "local s = import 's.libsonnet'; error s.password", "main.jsonnet", **{"s.libsonnet": "{ password: 'CANARY' }"}
    ),
    "jsonnet-field": jsonnet("local s = { password: 'CANARY' }; { a: { b: 1 }[s.password] }", "main.jsonnet, line 1"),
    "jsonnet-syntax": jsonnet("{ password: CANARY }", "main.jsonnet, line 1"),
    "jsonnet-quote": jsonnet("{ a: { password: 'x' 'CANARY' } }", "main.jsonnet, line 1"),
    "jsonnet-object": jsonnet(
        "{ apiVersion: 'v1', kind: ['CANARY'], metadata: { name: 'x' }, stringData: { password: 'CANARY' } }",
        "main.jsonnet",
    ),
}


async def test_a_renderer_that_fails_beside_a_secret_keeps_its_value_to_itself(running: Installation) -> None:
    repository, suffix = await running.repository(), fresh("r")
    canaries = {word: new_canary() for word in CASES}
    cases = {word: make(canaries[word]) for word, make in CASES.items()}
    await repository.push({f"{word}/{name}": text for word, case in cases.items() for name, text in case.files.items()})
    for word, case in cases.items():
        source = {"repoURL": repository.url, "path": word, "targetRevision": "main", **case.options}
        await running.apply(f"{word}-{suffix}", repository.url, source=source, syncPolicy=AUTOMATED)
    for word, case in cases.items():
        await told(running, f"{word}-{suffix}", "ComparisonError", *case.words)
    said = await asyncio.gather(*(running.trueup("app", "diff", f"{word}-{suffix}") for word in list(CASES)[::4]))
    assert [done.returncode for done in said] == [2] * len(said)
    await nothing_shows(running, canaries.values(), texts(said))


async def test_a_secret_that_was_rendered_is_delivered_and_no_difference_shows_it(running: Installation) -> None:
    repository, suffix = await running.repository(), fresh("d")
    canaries = [new_canary() for _ in range(4)]
    in_values, generated, by_file, edited = canaries
    first = await repository.push(
        {
            "helm/Chart.yaml": CHART,
            "helm/secret.yaml": f"password: {in_values}\n",
            "helm/templates/a.yaml": SECRET.format(name=f"helm-{suffix}", value="{{ .Values.password }}"),
            "kustomize/kustomization.yaml": f"secretGenerator: [{{name: kustomize-{suffix}, literals: "
            f"[word={generated}], files: [file.txt]}}]\ngeneratorOptions: {{disableNameSuffixHash: true}}\n",
            "kustomize/file.txt": by_file,
        }
    )
    options: dict[str, Any] = {"helm": {"helm": {"valueFiles": ["secret.yaml"]}}, "kustomize": {}}
    for word, more in options.items():
        source = {"repoURL": repository.url, "path": word, "targetRevision": "main", **more}
        await running.apply(f"{word}-{suffix}", repository.url, source=source, syncPolicy=AUTOMATED)
    for word in options:
        await running.until(f"{word}-{suffix}", is_synced(first), "synced")
        patch = f'{{"stringData": {{"word": "{edited}"}}}}'
        name = f"{word}-{suffix}"
        await running.kubectl("patch", "secret", name, "-n", running.delivered_to, "--type=merge", "-p", patch)
    said = [await running.trueup("app", "diff", f"{word}-{suffix}") for word in options]
    assert [done.returncode for done in said] == [1, 1], [done.stderr.decode() for done in said]
    said += [await running.trueup("app", "get", f"{word}-{suffix}", "-o", "json") for word in options]
    await nothing_shows(running, canaries, texts(said))
