"""`trueup app wait` waits on the API server's own events, and says which application did not come to be as asked."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.api_proxy import proxy_to
from tests.support.commands import refused, said
from tests.support.product import SCRIPT, Installation, config_map, is_synced, kubeconfig
from tests.support.sandbox import SandboxFacts
from tests.support.tcp_proxy import FaultyProxy
from tests.support.wait import wait_until
from trueup.clients.process import PIPE, Child, spawn

SECONDS = 30.0


@dataclass(frozen=True)
class Waiting:
    """A running `trueup app wait`, and the proxy that shows when it listens."""

    child: Child
    proxy: FaultyProxy

    async def listens(self) -> None:
        await wait_until(self.proxy.watches, SECONDS, "the command watches")

    async def ended(self) -> tuple[int, str, str]:
        code = await self.child.wait()
        return code, (await self.child.stdout.read()).decode(), (await self.child.stderr.read()).decode()


@asynccontextmanager
async def waiting(
    place: Installation, sandbox: SandboxFacts, directory: Path, *arguments: str
) -> AsyncIterator[Waiting]:
    async with proxy_to(sandbox) as proxy:
        config = kubeconfig(directory / "kubeconfig", proxy.url, sandbox.users["trueup"])
        env = place.environment(KUBECONFIG=str(config))
        child = await spawn([SCRIPT, "app", "wait", *arguments], env=env, stdout=PIPE, stderr=PIPE)
        try:
            yield Waiting(child, proxy)
        finally:
            await child.terminate(grace_seconds=0)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def harbour(running: Installation) -> str:
    """A manual application, compared and never synced; its qualified name."""
    repository = await running.repository()
    await repository.push({"app/one.yaml": config_map("one", at="dawn")})
    await running.apply("harbour", repository.url)
    await running.until("harbour", lambda raw: raw.get("status", {}).get("sync"), "compared")
    return f"{running.namespace}/harbour"


async def test_it_ends_once_synced_healthy_and_at_rest(
    running: Installation, harbour: str, sandbox: SandboxFacts, tmp_path: Path
) -> None:
    async with waiting(running, sandbox, tmp_path, harbour) as wait:
        await wait.listens()
        assert wait.child.returncode is None
        said(await running.trueup("app", "sync", "harbour", "--async"))
        code, words, errors = await wait.ended()
    assert (code, errors) == (0, "")
    assert words.startswith(f"{harbour}: Synced, Healthy, at ")


@pytest.mark.parametrize("flags", [["--sync"], ["--health"], ["--operation"], ["--sync", "--health", "--operation"]])
async def test_what_holds_already_is_not_waited_for(running: Installation, harbour: str, flags: list[str]) -> None:
    said(await running.trueup("app", "sync", "harbour"))
    assert said(await running.trueup("app", "wait", "harbour", *flags, "--timeout", "20")).startswith(harbour)


async def test_what_never_comes_ends_in_time_with_what_is_there_instead(running: Installation, harbour: str) -> None:
    said(await running.trueup("app", "sync", "harbour"))
    for flag in ("--degraded", "--suspended"):
        sentence = refused(await running.trueup("app", "wait", "harbour", flag, "--timeout", "1"))
        assert sentence.startswith(f"timed out after 1 s: {harbour}: Synced, Healthy, at ")


async def test_each_of_several_is_told_of(running: Installation, harbour: str) -> None:
    repository = await running.repository()
    revision = await repository.push({"app/pier.yaml": config_map("pier", at="dawn")})
    await running.apply("pier", repository.url)
    await running.patch("pier", {"metadata": {"labels": {"team": "sea"}}})
    said(await running.trueup("app", "sync", "harbour", "-l", "team=sea"))
    await running.until("pier", is_synced(revision), "synced")
    words = said(await running.trueup("app", "wait", "harbour", "-l", "team=sea", "--timeout", "20"))
    assert sorted(line.split(":")[0] for line in words.splitlines()) == [harbour, f"{running.namespace}/pier"]


async def test_the_end_of_an_application_can_be_waited_for_and_disturbs_who_waits_for_more(
    running: Installation, sandbox: SandboxFacts, tmp_path: Path
) -> None:
    repository = await running.repository()
    await repository.push({"app/bye.yaml": config_map("bye", at="dawn")})
    raw = await running.apply("bye", repository.url)
    (tmp_path / "gone").mkdir()
    (tmp_path / "degraded").mkdir()
    async with (
        waiting(running, sandbox, tmp_path / "gone", "bye", "--delete") as gone,
        waiting(running, sandbox, tmp_path / "degraded", "bye", "--degraded") as degraded,
    ):
        await gone.listens()
        await degraded.listens()
        resource = await running.cluster.resource("argoproj.io", "Application")
        await running.cluster.delete(resource, running.namespace, "bye", uid=raw["metadata"]["uid"])
        name = f"{running.namespace}/bye"
        assert await gone.ended() == (0, f"{name}: deleted\n", "")
        assert await degraded.ended() == (20, "", f"trueup: {name} was deleted meanwhile\n")
    assert said(await running.trueup("app", "wait", "bye", "--delete")) == f"{name}: deleted\n"


async def test_what_does_not_exist_is_not_waited_for(running: Installation) -> None:
    assert "there is no Application nope" in refused(await running.trueup("app", "wait", "nope"))
    assert refused(await running.trueup("app", "wait")) == "name an Application, or choose some by --selector"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_who_interrupts_it_sees_no_traceback(
    running: Installation, harbour: str, sandbox: SandboxFacts, tmp_path: Path, number: int, code: int
) -> None:
    async with waiting(running, sandbox, tmp_path, harbour, "--degraded") as wait:
        await wait.listens()
        wait.child.signal(number)
        assert await wait.ended() == (code, "", "")


async def test_a_cut_watch_is_taken_up_again(
    running: Installation, harbour: str, sandbox: SandboxFacts, tmp_path: Path
) -> None:
    resource = await running.cluster.resource("", "ConfigMap")
    await running.cluster.merge_patch(
        resource, running.delivered_to, "one", {"data": {"at": "noon"}}, field_manager="by-hand"
    )
    said(await running.trueup("app", "get", "harbour", "--refresh"))
    async with waiting(running, sandbox, tmp_path, harbour, "--sync") as wait:
        await wait.listens()
        wait.proxy.cut_all()
        said(await running.trueup("app", "sync", "harbour", "--async"))
        code, words, _ = await wait.ended()
    assert code == 0
    assert words.startswith(f"{harbour}: Synced")
