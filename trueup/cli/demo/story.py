"""The demo's plot. Every line of it is something that really happened, with the time it took."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trueup.cli.demo.drift_story import HEALS, WAITS, drift
from trueup.cli.demo.fleet import SERVICES, config_map
from trueup.cli.demo.narrator import Narrator
from trueup.cli.demo.stage import DELIVERED_TO, Stage, stage
from trueup.cli.demo.view import live_view
from trueup.cli.demo.watch import condition, is_synced

INTRODUCTION = """\
[bold]Trueup keeps clusters true to Git.[/bold]
What you are about to see is real and on this machine alone: a Kubernetes API server with its controllers
(only the nodes are pretended), a Git server, a Valkey, and Trueup's two halves. A stand-in for Slack shows
what people would read there. The times are measured here."""


async def run_demo(*, stay: bool) -> None:
    """Play it in a directory that is removed afterwards; with `stay`, keep a live view open until Ctrl-C."""
    narrator = Narrator()
    narrator.console.print(INTRODUCTION)
    with tempfile.TemporaryDirectory(prefix="trueup-demo-") as folder:
        async with stage(Path(folder), narrator.say) as scene:
            await _onboarding(scene, narrator)
            await _push(scene, narrator)
            await _broken_push(scene, narrator)
            await drift(scene, narrator)
            if stay:
                _try_it(scene, narrator)
                await live_view(scene.applications, scene.slack, narrator.console)


def _try_it(scene: Stage, narrator: Narrator) -> None:
    """What to type in another terminal; every line works as it stands."""
    programs = Path(sys.executable).parent
    kubectl = shutil.which("kubectl", path=programs) or "kubectl"
    narrator.console.print(f"\n[bold]The page is open until Ctrl-C:[/bold] {scene.service_url}/applications/{WAITS}")
    narrator.console.print("[bold]Look at it while you try this from another terminal:[/bold]")
    for line in (
        f"export KUBECONFIG={scene.kubeconfig} TRUEUP_GIT_SCHEMES=http",
        f"{kubectl} -n {DELIVERED_TO} edit service {WAITS}",
        f"{programs / 'trueup'} app diff {WAITS}",
        f"{programs / 'trueup'} app sync {WAITS}",
        f"{programs / 'trueup'} drift show {WAITS}",
        f"{kubectl} -n {DELIVERED_TO} scale deployment {HEALS} --replicas 0   # heals by itself",
        f"git clone {scene.fleet.url}",
        f"{programs / 'trueup'} app get {WAITS} --refresh   # after a push, in place of the Git host's webhook",
    ):
        narrator.console.print(f"   {line}")
    narrator.console.print()


async def _onboarding(scene: Stage, narrator: Narrator) -> None:
    narrator.step(
        f"A repository with {len(SERVICES)} services (a chart, a kustomization, plain YAML), each an Application"
    )
    revision = await scene.fleet.found()
    narrator.fact(f"pushed {revision[:7]} to {scene.fleet.url}")
    started = time.monotonic()
    for name in SERVICES:
        await scene.create_application(name, self_heal=name == HEALS)

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
