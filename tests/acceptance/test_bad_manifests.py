"""One bad file: of its application nothing is applied and nothing pruned, and all others go on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import pairwise

from tests.support.bad_input import fresh, gone, healed, owned, sound_neighbour, told
from tests.support.product import AUTOMATED, Installation, Repo, config_map, sync_status

NESTED = "[" * 2_000 + "]" * 2_000
BOMB = (
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bomb}\n"
    "a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n"
    + "".join(f"{word}: &{word} [{', '.join([f'*{before}'] * 10)}]\n" for before, word in pairwise("abcdefghi"))
)
HEAD = "apiVersion: v1\nkind: ConfigMap\n"


@dataclass(frozen=True)
class Case:
    """A file beside good ones, and what is said of it."""

    content: str
    words: tuple[str, ...]
    kind: str = "ComparisonError"
    file: str = "bad.yaml"


CASES = {
    "unparsable": Case("apiVersion: v1\nkind: [\n", ("bad.yaml", "line")),
    "tab": Case("a:\n\t- b\n", ("bad.yaml", "line 2")),
    "json": Case('{"apiVersion": "v1", "kind":', ("bad.json",), file="bad.json"),
    "no-kind": Case("apiVersion: v1\nmetadata: {name: x}\n", ("bad.yaml", "kind is missing")),
    "no-version": Case("kind: ConfigMap\nmetadata: {name: x}\n", ("bad.yaml", "apiVersion is missing")),
    "no-name": Case(f"{HEAD}metadata: {{}}\n", ("bad.yaml", "metadata.name is missing")),
    "no-metadata": Case(HEAD, ("bad.yaml", "no metadata")),
    "scalar": Case("just words\n", ("bad.yaml", "not an object")),
    "second": Case(f"{HEAD}metadata: {{name: fine}}\n---\n- a\n- b\n", ("bad.yaml, document 2", "not an object")),
    "generated": Case(f"{HEAD}metadata: {{generateName: x-}}\n", ("generateName", "metadata.name"), "InvalidSpecError"),
    "repeated": Case(config_map("SAME"), ("described twice", "app.yaml", "bad.yaml", "remove one")),
    "bomb": Case(BOMB, ("bad.yaml",)),
    "nested": Case(f"a: {NESTED}\n", ("bad.yaml", "nested")),
    "twice": Case(f"{HEAD}metadata: {{name: x, name: y}}\n", ("bad.yaml", "name")),
    "label": Case(f"{HEAD}metadata: {{name: x, labels: {{on: 1}}}}\n", ("bad.yaml", "labels", "quote it")),
    "namespace": Case(f"{HEAD}metadata: {{name: x, namespace: ../y}}\n", ("bad.yaml", "metadata.namespace")),
    "binary": Case("\x00\x01\x02", ("bad.yaml",)),
}


async def test_a_bad_file_stops_its_own_application_alone_until_a_commit_mends_it(running: Installation) -> None:
    repository, suffix = await running.repository(), fresh("c")
    good = {
        f"{word}/{part}.yaml": config_map(f"{word}-{part}-{suffix}", at="first")
        for word in CASES
        for part in ("app", "leaves")
    }
    first = await repository.push({**good, "next/two.yaml": config_map(f"two-{suffix}")})
    for word in CASES:
        await running.apply(f"{word}-{suffix}", repository.url, path=word, syncPolicy=AUTOMATED)
    await asyncio.gather(*(healed(running, f"{word}-{suffix}", first) for word in CASES))

    bad: dict[str, str | None] = {}
    for word, case in CASES.items():
        bad[f"{word}/app.yaml"] = config_map(f"{word}-app-{suffix}", at="second")
        bad[f"{word}/leaves.yaml"] = None
        bad[f"{word}/{case.file}"] = case.content.replace("SAME", f"{word}-app-{suffix}")
    second = await repository.push(bad)
    assert await running.webhook(repository.url) == 202
    await asyncio.gather(*(_is_told_and_left_alone(running, word, suffix) for word in CASES))
    await sound_neighbour(running, repository.url, "next", second)

    third = await _mend(repository)
    assert await running.webhook(repository.url) == 202
    await asyncio.gather(*(healed(running, f"{word}-{suffix}", third) for word in CASES))
    for word in CASES:
        live = await running.live("ConfigMap", f"{word}-app-{suffix}")
        assert live is not None
        assert live["data"] == {"at": "second"}
        await gone(running, "ConfigMap", f"{word}-leaves-{suffix}")


async def test_a_first_commit_with_a_bad_file_applies_nothing(running: Installation) -> None:
    repository, one, name = await running.repository(), fresh("one"), fresh("never-good")
    await repository.push({"app/a.yaml": config_map(one), "app/bad.yaml": "kind: [\n"})
    await running.apply(name, repository.url, syncPolicy=AUTOMATED)
    raw = await told(running, name, "ComparisonError", "bad.yaml")
    assert sync_status(raw) == "Unknown"
    assert await running.live("ConfigMap", one) is None
    revision = await repository.push({"app/bad.yaml": None})
    assert await running.webhook(repository.url) == 202
    await healed(running, name, revision)


async def _is_told_and_left_alone(trueup: Installation, word: str, suffix: str) -> None:
    raw = await told(trueup, f"{word}-{suffix}", CASES[word].kind, *CASES[word].words)
    assert sync_status(raw) == "Unknown", word
    assert owned(raw) == {f"{word}-app-{suffix}", f"{word}-leaves-{suffix}"}, word
    await trueup.at_rest()
    changed = await trueup.live("ConfigMap", f"{word}-app-{suffix}")
    assert changed is not None
    assert changed["data"] == {"at": "first"}, word
    assert await trueup.live("ConfigMap", f"{word}-leaves-{suffix}") is not None, word


async def _mend(repository: Repo) -> str:
    return await repository.push({f"{word}/{case.file}": None for word, case in CASES.items()})
