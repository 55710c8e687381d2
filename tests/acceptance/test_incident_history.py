"""`trueup drift watch` tells of incidents as they happen, and their records keep how each of them went."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest_asyncio

from tests.support.api_proxy import proxy_to
from tests.support.commands import said
from tests.support.drift import HEALING, edit, incident
from tests.support.product import SCRIPT, STEP_SECONDS, Installation, config_map, is_synced, kubeconfig
from tests.support.wait import wait_until
from trueup.clients.process import Child, spawn
from trueup.domain.incident import Incident


class Watching:
    """`trueup drift watch` as it runs, and what it has printed."""

    def __init__(self, child: Child, out: Path, err: Path) -> None:
        self.child = child
        self._out = out
        self._err = err

    def lines(self) -> list[str]:
        return self._out.read_text().splitlines()

    def said_on_stderr(self) -> str:
        return self._err.read_text()

    async def until(self, count: int) -> list[str]:
        await wait_until(lambda: len(self.lines()) >= count, STEP_SECONDS, f"{count} lines: {self.lines()}")
        return self.lines()

    async def interrupted(self) -> int:
        self.child.signal(signal.SIGINT)
        await wait_until(lambda: self.child.returncode is not None, STEP_SECONDS, "it ends")
        assert self.child.returncode is not None
        return self.child.returncode


@asynccontextmanager
async def watching(trueup: Installation, directory: Path, *arguments: str, **more: str) -> AsyncIterator[Watching]:
    out, err = directory / "watch.out", directory / "watch.err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        command = [SCRIPT, "drift", "watch", *arguments]
        child = await spawn(command, env=trueup.environment(**more), stdout=stdout, stderr=stderr)
    found = Watching(child, out, err)
    try:
        await wait_until(lambda: "watching" in found.said_on_stderr(), STEP_SECONDS, "it watches")
        yield found
    finally:
        await child.terminate(grace_seconds=5)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def harbour(running: Installation) -> str:
    """The revision of `harbour`, which is in sync and not healed, and of `pier`, which is healed."""
    repository = await running.repository()
    revision = await repository.push(
        {"harbour/one.yaml": config_map("one", mood="calm"), "pier/two.yaml": config_map("two", mood="calm")}
    )
    await running.apply("harbour", repository.url, path="harbour")
    said(await running.trueup("app", "sync", "harbour"))
    await running.apply("pier", repository.url, path="pier", syncPolicy=HEALING)
    for name in ("harbour", "pier"):
        await running.until(name, is_synced(revision), "synced")
    await incident(running, "harbour", lambda one: not one.is_open, "its first delivery is over")
    await running.all_watched()
    return revision


async def mood(trueup: Installation, name: str, mood: str, manager: str = "first-hand") -> None:
    await edit(trueup, "ConfigMap", name, {"data": {"mood": mood}}, manager=manager)


async def latest(trueup: Installation, name: str, *, is_open: bool) -> Incident:
    return await incident(trueup, name, lambda one: one.cause == "Drift" and one.is_open == is_open, f"{is_open=}")


async def test_each_turn_is_a_line_as_it_happens_and_ctrl_c_ends_it_with_0(
    running: Installation, harbour: str, tmp_path: Path
) -> None:
    async with watching(running, tmp_path, "harbour") as watch:
        await mood(running, "one", "stormy")
        (opened,) = await watch.until(1)
        await mood(running, "one", "wild", "second-hand")
        _, changed = await watch.until(2)
        await mood(running, "one", "calm")
        *_, closed = await watch.until(3)
        assert await watch.interrupted() == 0
    record = await latest(running, "harbour", is_open=False)
    where = f"{running.namespace}/harbour  {record.name}"
    place = f"ConfigMap {running.delivered_to}/one data.mood"
    assert opened.split("  ", 1)[1] == f"opened    {where}  by manager first-hand  {place}"
    assert changed.split("  ", 1)[1] == f"changed   {where}  by manager second-hand  {place}"
    assert closed.split("  ", 1)[1].startswith(f"closed    {where}  Reverted after ")
    words = said(await running.trueup("drift", "show", record.name))
    history = words.split("How it went:\n")[1].split("\n\n")[0].splitlines()[1:]
    assert [line.split()[1:4] for line in history] == [
        ["Opened", "manager", "first-hand"],
        ["Changed", "manager", "second-hand"],
        ["Closed:", "Reverted", closed.split()[-2]],
    ]


async def test_for_programs_each_line_is_json_and_an_incident_that_drifts_again_is_reopened(
    running: Installation, harbour: str, tmp_path: Path
) -> None:
    async with watching(running, tmp_path, "-o", "json", "--application", "pier") as watch:
        await mood(running, "two", "stormy")
        first = await latest(running, "pier", is_open=False)
        await mood(running, "two", "wild")
        again = await incident(running, "pier", lambda one: one.times == 2 and not one.is_open, "healed again")
        assert again.name == first.name

        def events() -> list[dict[str, Any]]:
            return [json.loads(line) for line in watch.lines()]

        def has_ended_twice() -> bool:
            return bool(events()) and events()[-1]["status"]["times"] == 2 and events()[-1]["event"] == "closed"

        await wait_until(has_ended_twice, STEP_SECONDS, "both ends are told")
        assert await watch.interrupted() == 0
    told = events()
    assert {event["name"] for event in told} == {first.name}
    assert told[-1]["status"]["ending"] == "SelfHealed"
    assert told[-1]["secondsToRepair"] >= 0
    assert [turn["what"] for turn in told[-1]["status"]["history"]] == ["Opened", "Closed", "Reopened", "Closed"]
    counted = json.loads(said(await running.trueup("drift", "stats", "pier", "--by", "first-hand", "-o", "json")))
    assert (counted["incidents"], counted["drifts"], counted["repairs"]["count"]) == (1, 2, 2)
    metrics = await running.metrics("worker")
    assert metrics.total("trueup_incidents_opened_total", cause="Drift", opening="again") == 1
    assert metrics.total("trueup_incidents_closed_total", ending="SelfHealed") == 2
    assert metrics.total("trueup_incident_repair_seconds_count", ending="SelfHealed") == 2


async def test_what_happens_while_the_watch_is_broken_is_told_once_it_is_back(
    running: Installation, harbour: str, tmp_path: Path
) -> None:
    async with proxy_to(running.sandbox) as proxy:
        token = running.sandbox.users["bob"]
        path = kubeconfig(tmp_path / "kubeconfig", proxy.url, token)
        async with watching(running, tmp_path, KUBECONFIG=str(path)) as watch:
            fault = proxy.answer(lambda seen: "/incidents" in seen.target, 503)
            proxy.cut_all()
            await mood(running, "one", "stormy")
            record = await latest(running, "harbour", is_open=True)
            assert watch.lines() == []
            proxy.lift(fault)
            (line,) = await watch.until(1)
            _, what, *where = line.split()
            assert what in ("opened", "reopened"), "soon after another one it is the same incident"
            assert where[:2] == [f"{running.namespace}/harbour", record.name]
            await mood(running, "one", "calm")
            await watch.until(2)
            assert await watch.interrupted() == 0


async def test_whoever_has_read_enough_may_go(running: Installation, harbour: str, tmp_path: Path) -> None:
    reader = await asyncio.create_subprocess_exec(
        "sh",
        "-c",
        f"{SCRIPT} drift watch harbour 2>{tmp_path}/err | head -n 1; wait",
        env=running.environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    err = tmp_path / "err"
    await wait_until(lambda: err.exists() and "watching" in err.read_text(), STEP_SECONDS, "it watches")
    await mood(running, "one", "stormy")
    await latest(running, "harbour", is_open=True)
    await mood(running, "one", "calm")
    async with asyncio.timeout(STEP_SECONDS):
        out, _ = await reader.communicate()
    assert out.split()[1] in (b"opened", b"reopened")
    assert "Traceback" not in err.read_text()
    assert "Broken" not in err.read_text()
