"""The live view that the demo ends on: a table on a terminal, a line per change elsewhere."""

from __future__ import annotations

import asyncio
import signal

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from trueup.cli.demo.channel import relay
from trueup.cli.demo.watch import Applications
from trueup.cli.waiting import described
from trueup.sandbox import SlackServer

COLOURS = {"Synced": "green", "Healthy": "green", "OutOfSync": "yellow", "Progressing": "cyan", "Degraded": "red"}


async def live_view(applications: Applications, slack: SlackServer, console: Console) -> None:
    """Show every Application as it is, and what Slack is told, until SIGINT or SIGTERM."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    tasks = [
        asyncio.create_task(part)
        for part in (
            _show(applications, console),
            relay(slack, lambda text: console.print(Text(f"   Slack: {text}"))),
            ended.wait(),
        )
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    console.print("\nEnding all of it.", style="dim")


async def _show(applications: Applications, console: Console) -> None:
    if console.is_terminal:
        with Live(_table(applications), console=console, auto_refresh=False) as live:
            while True:
                applications.changed.clear()
                await applications.changed.wait()
                live.update(_table(applications), refresh=True)
    shown: dict[str, str] = {}
    while True:
        for name, raw in sorted(applications.seen.items()):
            line = described(raw)
            if shown.get(name) != line:
                shown[name] = line
                console.print(f"   {line}")
        applications.changed.clear()
        await applications.changed.wait()


def _table(applications: Applications) -> Table:
    table = Table("application", "sync", "health", "revision", "says")
    for name, raw in sorted(applications.seen.items()):
        status = raw.get("status") or {}
        sync = (status.get("sync") or {}).get("status") or "Unknown"
        health = (status.get("health") or {}).get("status") or "Unknown"
        revision = str((status.get("sync") or {}).get("revision") or "")[:7]
        says = "; ".join(str(found.get("message")) for found in status.get("conditions") or ())
        table.add_row(name, _coloured(sync), _coloured(health), revision, escape(says))
    return table


def _coloured(word: str) -> str:
    colour = COLOURS.get(word)
    return f"[{colour}]{word}[/{colour}]" if colour else word
