"""The demo's plot. Every line of it is something that really happened, with the time it took."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from trueup.cli.comparing import write_diff
from trueup.cli.demo.fleet import SERVICES, config_map
from trueup.cli.demo.stage import DELIVERED_TO, NAMESPACE, Stage, stage
from trueup.cli.demo.view import live_view
from trueup.cli.demo.watch import condition, is_synced
from trueup.domain.application import REFRESH_ANNOTATION
from trueup.settings import read_settings

HAND = "kubectl-edit"
#: Whose last sync was to the newest revision: without self-heal its drift waits for a person.
EDITED = "tides"


class Narrator:
    """Numbers the steps and prints what came of each."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self._number = 0

    def step(self, text: str) -> None:
        self._number += 1
        self.console.print(f"\n[bold]{self._number}. {text}[/bold]")

    def fact(self, text: str, milliseconds: float | None = None) -> None:
        took = f"  [dim]{milliseconds:,.0f} ms[/dim]" if milliseconds is not None else ""
        self.console.print(f"   {text}{took}")

    def say(self, text: str) -> None:
        """A line of the set-up."""
        self.console.print(f"[dim]{text}[/dim]")


INTRODUCTION = """\
[bold]Trueup keeps clusters true to Git.[/bold]
What you are about to see is real and on this machine alone: a Kubernetes API server with its controllers
(only the nodes are pretended), a Git server, a Valkey, and Trueup's two halves. The times are measured here."""


async def run_demo(*, stay: bool) -> None:
    """Play it in a directory that is removed afterwards; with `stay`, keep a live view open until Ctrl-C."""
    narrator = Narrator()
    narrator.console.print(INTRODUCTION)
    with tempfile.TemporaryDirectory(prefix="trueup-demo-") as folder:
        async with stage(Path(folder), narrator.say) as scene:
            await _onboarding(scene, narrator)
            await _push(scene, narrator)
            await _broken_push(scene, narrator)
            await _hand_edit(scene, narrator)
            if stay:
                _try_it(scene, narrator)
                await live_view(scene.applications, narrator.console)


def _try_it(scene: Stage, narrator: Narrator) -> None:
    """What to type in another terminal; every line works as it stands."""
    programs = Path(sys.executable).parent
    kubectl = shutil.which("kubectl", path=programs) or "kubectl"
    narrator.console.print("\n[bold]Live, until Ctrl-C. Try it from another terminal:[/bold]")
    for line in (
        f"export KUBECONFIG={scene.kubeconfig} TRUEUP_GIT_SCHEMES=http",
        f"{kubectl} -n {DELIVERED_TO} edit service {EDITED}",
        f"{programs / 'trueup'} app diff {EDITED}",
        f"{programs / 'trueup'} app sync {EDITED}",
        f"git clone {scene.fleet.url}",
        f"{programs / 'trueup'} app get {EDITED} --refresh   # after a push, in place of the Git host's webhook",
    ):
        narrator.console.print(f"   {line}")
    narrator.console.print()


async def _onboarding(scene: Stage, narrator: Narrator) -> None:
    narrator.step(f"A repository with {len(SERVICES)} services, and an Application for each")
    revision = await scene.fleet.found()
    narrator.fact(f"pushed {revision[:7]} to {scene.fleet.url}")
    started = time.monotonic()
    for name in SERVICES:
        await scene.create_application(name)

    def all_as(*, healthy: bool) -> Any:
        return lambda seen: all(is_synced(seen.get(name), revision, healthy=healthy) for name in SERVICES)

    narrator.fact("all Synced", await scene.applications.until("all are synced", all_as(healthy=False), since=started))
    narrator.fact("all Healthy", await scene.applications.until("all are healthy", all_as(healthy=True), since=started))
    narrator.fact("nobody told Trueup more than that they exist: it read Git, compared, and applied")


async def _push(scene: Stage, narrator: Narrator) -> None:
    narrator.step("A commit changes one file of one service; the Git host sends its webhook")
    scene.fleet.write("tides/config.yaml", config_map("tides", "high water at noon"))
    revision = await scene.fleet.push("Tides: high water at noon")
    started = time.monotonic()
    await scene.send_webhook(revision)
    narrator.fact("webhook accepted: 202", (time.monotonic() - started) * 1000)
    took = await scene.applications.until(
        "tides is synced", lambda seen: is_synced(seen.get("tides"), revision), since=started
    )
    narrator.fact("tides is Synced at the new revision, measured from the webhook", took)
    untouched = [name for name in SERVICES if not is_synced(scene.applications.seen.get(name), revision)]
    narrator.fact(f"not touched: {', '.join(untouched)}; a push costs what it changes, not what there is")


async def _broken_push(scene: Stage, narrator: Narrator) -> None:
    narrator.step("A commit with YAML that does not parse")
    scene.fleet.write("tides/config.yaml", 'data: {greeting: "ahoy\n')
    revision = await scene.fleet.push("Tides: a slip of the pen")
    started = time.monotonic()
    await scene.send_webhook(revision)

    def has_error(seen: Mapping[str, Any]) -> bool:
        return condition(seen.get("tides"), "ComparisonError") is not None

    took = await scene.applications.until("tides says what is wrong", has_error, since=started)
    narrator.fact("tides says what is wrong; nothing was applied and nothing pruned:", took)
    narrator.fact(f"[yellow]{condition(scene.applications.seen['tides'], 'ComparisonError')}[/yellow]")
    scene.fleet.write("tides/config.yaml", config_map("tides", "slack water"))
    revision = await scene.fleet.push("Tides: mended")
    started = time.monotonic()
    await scene.send_webhook(revision)
    took = await scene.applications.until(
        "tides is synced", lambda seen: is_synced(seen.get("tides"), revision), since=started
    )
    narrator.fact("mended by the next commit", took)


async def _hand_edit(scene: Stage, narrator: Narrator) -> None:
    narrator.step("Bob edits a Service as `kubectl edit` does: port 80 becomes 8081")
    service = await scene.bob.resource("", "Service")
    edited: Mapping[str, Any] | None = await scene.bob.get(service, DELIVERED_TO, EDITED)
    body = dict(edited or {})
    body["spec"] = {**body["spec"], "ports": [{**body["spec"]["ports"][0], "port": 8081}]}
    await scene.bob.replace(service, DELIVERED_TO, EDITED, body, field_manager=HAND)
    await _refresh(scene, narrator)
    raw = scene.applications.seen[EDITED]
    settings = read_settings().model_copy(update={"namespace": NAMESPACE, "git_schemes": ("http",)})
    await write_diff(scene.cluster, raw, narrator.console, settings=settings)
    narrator.step("A sync that somebody asks for brings back exactly what Git says")
    started = time.monotonic()
    resource = await scene.cluster.resource("argoproj.io", "Application")
    await scene.cluster.merge_patch(
        resource, NAMESPACE, EDITED, {"operation": {"sync": {}, "initiatedBy": {"username": "you"}}}
    )
    revision = str(raw["status"]["sync"]["revision"])
    took = await scene.applications.until(
        f"{EDITED} is synced",
        lambda seen: is_synced(seen.get(EDITED), revision) and not seen[EDITED].get("operation"),
        since=started,
    )
    mended = await scene.cluster.get(service, DELIVERED_TO, EDITED)
    ports = [port["port"] for port in (mended or {})["spec"]["ports"]]
    narrator.fact(f"{EDITED} is Synced; its ports are {ports}", took)


async def _refresh(scene: Stage, narrator: Narrator) -> None:
    started = time.monotonic()
    resource = await scene.cluster.resource("argoproj.io", "Application")
    await scene.cluster.merge_patch(
        resource, NAMESPACE, EDITED, {"metadata": {"annotations": {REFRESH_ANNOTATION: "normal"}}}
    )

    def out_of_sync(seen: Mapping[str, Any]) -> bool:
        return bool(seen[EDITED]["status"]["sync"]["status"] == "OutOfSync")

    took = await scene.applications.until(f"{EDITED} is out of sync", out_of_sync, since=started)
    narrator.fact(f"after a refresh {EDITED} is OutOfSync; its policy leaves such edits to a person", took)
    narrator.fact(f"trueup app diff {EDITED} says what, and who:")
