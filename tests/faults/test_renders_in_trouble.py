"""A source that cannot be rendered: ended within its bounds, said with the way out, nothing is pruned, and it heals."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from tests.support.bad_input import fresh, gone, healed, owned, sound_neighbour, told
from tests.support.charts import BASIC, ChartHost, archive, chart_host, index
from tests.support.fixtures import in_own_task
from tests.support.product import AUTOMATED, Installation, Repo, conditions, config_map, installation, sync_status
from tests.support.sandbox import SandboxFacts
from tests.support.troubled_sources import CHART, DEPENDS, TROUBLES, Trouble
from tests.support.wait import wait_until
from trueup.clients.cluster import Cluster
from trueup.sandbox.valkey import valkey_server

MEBIBYTE = 1024 * 1024
#: Small, and still far above what the sound sources need on a machine with its hands full.
BOUNDS = {
    "TRUEUP_RENDER_SECONDS_MAX": "6",
    "TRUEUP_RENDER_MEMORY_BYTES_MAX": str(400 * MEBIBYTE),
    "TRUEUP_RENDER_OUTPUT_BYTES_MAX": str(MEBIBYTE),
    "TRUEUP_RETRY_SECONDS_MIN": "0.2",
    "TRUEUP_RETRY_SECONDS_MAX": "0.5",
}
LEFT_SECONDS = 10.0
TOOLS = ("helm", "kustomize", "jsonnet")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def confined(
    sandbox: SandboxFacts, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """An installation with small bounds, and with tools of its own, so that its processes are known by them."""
    directory = tmp_path_factory.mktemp("confined")
    settings = {**BOUNDS, **{f"TRUEUP_{tool.upper()}": str(directory / "tools" / tool) for tool in TOOLS}}
    (directory / "tools").mkdir()
    for tool in TOOLS:
        await asyncio.to_thread(shutil.copy2, sandbox.tools / tool, directory / "tools" / tool)
    async with (
        in_own_task(valkey_server(directory / "valkey")) as valkey,
        in_own_task(installation(sandbox, cluster, directory, valkey, **settings)) as place,
    ):
        await place.start_both()
        yield place


async def test_whatever_is_wrong_with_a_source_it_is_named_and_its_application_alone_waits(
    confined: Installation,
) -> None:
    repository, suffix = await confined.repository(), fresh("t")
    first = await repository.push(_all({word: case.sound(f"{word}-{suffix}") for word, case in TROUBLES.items()}))
    await _apply(confined, repository, suffix, TROUBLES)
    await asyncio.gather(*(healed(confined, f"{word}-{suffix}", first) for word in TROUBLES))

    troubled = {word: {**case.second(f"{word}-{suffix}"), **case.files} for word, case in TROUBLES.items()}
    second = await repository.push({**_all(troubled), "next/one.yaml": config_map(f"next-{suffix}")})
    assert await confined.webhook(repository.url) == 202
    await sound_neighbour(confined, repository.url, "next", second)
    await asyncio.gather(*(_is_told(confined, word, suffix, case) for word, case in TROUBLES.items()))
    await confined.at_rest()
    for word in TROUBLES:
        await _is_as_at_first(confined, f"{word}-{suffix}")
    await _nothing_is_left(confined)

    mended = {word: case.mended(f"{word}-{suffix}") for word, case in TROUBLES.items()}
    third = await repository.push(_all(mended))
    assert await confined.webhook(repository.url) == 202
    await asyncio.gather(*(_is_as_at_second(confined, f"{word}-{suffix}", third) for word in TROUBLES))
    await _nothing_is_left(confined)


async def test_a_source_that_comes_to_nothing_prunes_nothing_unless_that_is_allowed(confined: Installation) -> None:
    cases = {
        "no-output": Trouble("Helm", {"templates/a.yaml": "{{ if .Values.never }}\na: b\n{{ end }}\n"}, ()),
        "no-resources": Trouble("Kustomize", {"kustomization.yaml": "resources: []\nnamePrefix: x-\n"}, ()),
    }
    repository, suffix = await confined.repository(), fresh("n")
    first = await repository.push(_all({word: case.sound(f"{word}-{suffix}") for word, case in cases.items()}))
    await _apply(confined, repository, suffix, cases)
    await asyncio.gather(*(healed(confined, f"{word}-{suffix}", first) for word in cases))
    emptied = {word: {**case.second(f"{word}-{suffix}"), **case.files} for word, case in cases.items()}
    second = await repository.push(_all(emptied))
    assert await confined.webhook(repository.url) == 202
    for word in cases:
        raw = await told(confined, f"{word}-{suffix}", "SyncError", "would delete every object", "set allowEmpty")
        assert sync_status(raw) == "OutOfSync"
    await confined.at_rest()
    for word in cases:
        await _is_as_at_first(confined, f"{word}-{suffix}")
        allowing = {"automated": {"prune": True, "allowEmpty": True}}
        await confined.patch(f"{word}-{suffix}", {"spec": {"syncPolicy": allowing}})
    for word in cases:
        await healed(confined, f"{word}-{suffix}", second)
        await gone(confined, "ConfigMap", f"{word}-{suffix}-a")


async def test_a_repository_of_charts_that_is_away_or_wants_a_login_is_named_and_costs_nothing(
    confined: Installation,
) -> None:
    name = fresh("indexed")
    async with chart_host() as host:
        _publish(host, name, "1.0.0", "first")
        source = {"repoURL": f"{host.url}/charts", "chart": "ship", "targetRevision": "1.*"}
        await confined.apply(name, "", source=source, syncPolicy=AUTOMATED)
        await healed(confined, name, "1.0.0")
        _publish(host, name, "1.1.0", "second")

        host.instead["/charts/index.yaml"] = web.Response(status=503, headers={"Retry-After": "1"})
        await _refresh(confined, name)
        await told(confined, name, "ComparisonError", host.url, "its host answers 503", "asked again later")
        await _is_as_at_first(confined, name)
        repository = await confined.repository()
        revision = await repository.push({"next/one.yaml": config_map(fresh("next"))})
        await sound_neighbour(confined, repository.url, "next", revision)

        host.instead.clear()
        host.login = BASIC
        await _refresh(confined, name)
        raw = await told(confined, name, "ComparisonError", host.url, "401", "give a Secret with its URL")
        _says_nothing_private(confined, raw)
        assert sync_status(raw) == "Unknown"
        await confined.at_rest()
        await _is_as_at_first(confined, name)

        host.login = ""
        await _refresh(confined, name)
        await _is_as_at_second(confined, name, "1.1.0")
    await _nothing_is_left(confined)


async def test_a_dependency_that_cannot_be_fetched_is_named_and_heals(confined: Installation) -> None:
    name, case = fresh("depends"), Trouble("Helm", {}, ())
    repository = await confined.repository()
    first = await repository.push(_all({"app": case.sound(name)}))
    await confined.apply(name, repository.url, syncPolicy=AUTOMATED)
    await healed(confined, name, first)
    async with chart_host() as host:
        library = archive({"lib/Chart.yaml": CHART.format(name="lib")})
        host.files |= {"/charts/index.yaml": index(("lib", "1.0.0", library)), "/charts/lib-1.0.0.tgz": library}
        host.login = BASIC
        described = CHART.format(name="ship") + DEPENDS.format(name="lib", repository=f"{host.url}/charts")
        second = await repository.push(_all({"app": {**case.second(name), "Chart.yaml": described}}))
        assert await confined.webhook(repository.url) == 202
        raw = await told(confined, name, "ComparisonError", f"{host.url}/charts", "401", "give a Secret with its URL")
        _says_nothing_private(confined, raw)
        await confined.at_rest()
        await _is_as_at_first(confined, name)
        host.login = ""
        await _refresh(confined, name)
        await _is_as_at_second(confined, name, second)
    await _nothing_is_left(confined)


async def test_a_worker_without_its_tools_says_which_and_delivers_what_needs_none(confined: Installation) -> None:
    cases = {"helm": Trouble("Helm", {}, ()), "kustomize": Trouble("Kustomize", {}, ())}
    repository, suffix = await confined.repository(), fresh("w")
    first = await repository.push(_all({word: case.sound(f"{word}-{suffix}") for word, case in cases.items()}))
    await _apply(confined, repository, suffix, cases)
    await asyncio.gather(*(healed(confined, f"{word}-{suffix}", first) for word in cases))
    await _end_worker(confined)
    await confined.start("worker", TRUEUP_HELM="/nonexistent/helm", TRUEUP_KUSTOMIZE="/nonexistent/kustomize")
    changed = _all({word: case.second(f"{word}-{suffix}") for word, case in cases.items()})
    second = await repository.push({**changed, "next/one.yaml": config_map(f"next-{suffix}")})
    assert await confined.webhook(repository.url) == 202
    for word in cases:
        words = (f"there is no /nonexistent/{word}", f"set TRUEUP_{word.upper()}")
        raw = await told(confined, f"{word}-{suffix}", "ComparisonError", *words)
        assert sync_status(raw) == "Unknown"
    await sound_neighbour(confined, repository.url, "next", second)
    for word in cases:
        await _is_as_at_first(confined, f"{word}-{suffix}")
    await _end_worker(confined)
    await confined.start("worker")
    for word in cases:
        await _refresh(confined, f"{word}-{suffix}")
    await asyncio.gather(*(_is_as_at_second(confined, f"{word}-{suffix}", second) for word in cases))


def _all(cases: Mapping[str, Mapping[str, str | None]]) -> dict[str, str | None]:
    """Each in a directory of its own."""
    return {f"{word}/{file}": content for word, files in cases.items() for file, content in files.items()}


async def _apply(trueup: Installation, repository: Repo, suffix: str, cases: Mapping[str, Trouble]) -> None:
    for word, case in cases.items():
        source = {"repoURL": repository.url, "path": word, "targetRevision": "main", **case.options}
        await trueup.apply(f"{word}-{suffix}", repository.url, source=source, syncPolicy=AUTOMATED)


async def _is_told(trueup: Installation, word: str, suffix: str, case: Trouble) -> None:
    raw = await told(trueup, f"{word}-{suffix}", case.condition, *case.words)
    assert sync_status(raw) == "Unknown", word
    _says_nothing_private(trueup, raw)


def _says_nothing_private(trueup: Installation, raw: Mapping[str, Any]) -> None:
    for message in conditions(raw):
        for private in (str(trueup.directory), "render-", str(trueup.sandbox.tools)):
            assert private not in message


async def _is_as_at_first(trueup: Installation, name: str) -> None:
    raw = await trueup.application(name)
    assert raw is not None
    assert owned(raw) == {f"{name}-a", f"{name}-b"}
    live = await trueup.live("ConfigMap", f"{name}-a")
    assert live is not None
    assert live["data"] == {"at": "first"}, name
    assert await trueup.live("ConfigMap", f"{name}-b") is not None, name


async def _is_as_at_second(trueup: Installation, name: str, revision: str) -> None:
    """Wait for it."""
    await healed(trueup, name, revision)
    live = await trueup.live("ConfigMap", f"{name}-a")
    assert live is not None
    assert live["data"] == {"at": "second"}, name
    await gone(trueup, "ConfigMap", f"{name}-b")


async def _refresh(trueup: Installation, name: str) -> None:
    await trueup.patch(name, {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}})


def _publish(host: ChartHost, name: str, version: str, at: str) -> None:
    """A chart of two objects at first, and of one at second."""
    objects = {"a": config_map(f"{name}-a", at=at)} | ({"b": config_map(f"{name}-b")} if at == "first" else {})
    described = CHART.format(name="ship").replace("1.0.0", version)
    files = {"ship/Chart.yaml": described, **{f"ship/templates/{k}.yaml": v for k, v in objects.items()}}
    body = archive(files)
    host.files["/charts/index.yaml"] = index(("ship", version, body))
    host.files[f"/charts/ship-{version}.tgz"] = body


async def _end_worker(trueup: Installation) -> None:
    await trueup.children.pop("worker").terminate(grace_seconds=15)
    assert not [*(trueup.directory / "data" / "work").iterdir()]


async def _nothing_is_left(trueup: Installation) -> None:
    """Neither a file nor a process of a render; while the worker runs it has one empty directory for the next."""
    await trueup.at_rest()

    def is_clear() -> bool:
        rooms = [*(trueup.directory / "data" / "work").glob("*/*")]
        return not rooms and not _processes_of(trueup.directory / "tools")

    await wait_until(is_clear, LEFT_SECONDS, "nothing of a render is left")


def _processes_of(tools: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = process.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(tools) in words:
            found.append(words)
    return found
