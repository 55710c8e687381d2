"""`trueup drift watch`: a line for each incident that opens, changes or ends, as it happens."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import orjson

from trueup.cli.home import home
from trueup.cli.incidents import incident_kind, where_it_differs
from trueup.cli.moments import lasted
from trueup.cli.printing import one_line
from trueup.clients.api_errors import ForbiddenError, NotServedError
from trueup.clients.incident_records import APPLICATION_LABEL, label_of, read_record, status_of, time_text
from trueup.clients.informer import Informer
from trueup.domain.incident import Incident
from trueup.domain.incident_choice import Choice
from trueup.domain.incident_news import News, news
from trueup.domain.repair import seconds_to_repair

Raw = Mapping[str, Any]


async def watch_incidents(name: str, by: str, output: str, *, namespace: str) -> None:
    """Print what becomes new of the incidents of the namespace, or of one application, until Ctrl-C or a closed pipe.

    What is on record at the start is no news. A watch that breaks is taken up again, and what it missed is told.
    """
    async with home(namespace) as reached:
        where, label = reached.namespace, ""
        if name:
            application = reached.named(name)
            await reached.read(application)
            where, label = application.namespace, f"{APPLICATION_LABEL}={label_of(application.name)}"
        informer = Informer(
            reached.cluster,
            await incident_kind(reached),
            namespace=where,
            label_selector=label,
            ends_on=(NotServedError, ForbiddenError),
        )
        await _until_interrupted(informer, Choice(by=by), _as_json if output == "json" else _as_line)


async def _until_interrupted(informer: Informer, choice: Choice, shown: Callable[[News, Incident], str]) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, ended.set)

    def tell(old: Raw | None, new: Raw | None) -> None:
        if not informer.is_synced or ended.is_set():
            return
        before, after = (read_record(raw) if raw is not None else None for raw in (old, new))
        what, incident = news(before, after), after or before
        if what is not None and incident is not None and choice.admits(incident):
            _print(shown(what, incident), ended)

    informer.on_change(tell)
    running = asyncio.create_task(informer.run())
    announcing = asyncio.create_task(_announce(informer))
    waiting = asyncio.create_task(ended.wait())
    try:
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            # It goes on by itself after whatever time can mend, so that this is an error.
            await running
    finally:
        for task in (running, waiting, announcing):
            task.cancel()
        await asyncio.gather(running, waiting, announcing, return_exceptions=True)


async def _announce(informer: Informer) -> None:
    await informer.synced()
    print("trueup: watching; Ctrl-C ends it", file=sys.stderr)


def _print(line: str, ended: asyncio.Event) -> None:
    try:
        print(line, flush=True)
    except BrokenPipeError:
        # Whoever read has read enough. What is left in the buffer must find no pipe at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        ended.set()


def _as_line(what: News, incident: Incident) -> str:
    """When, what, of which application, which incident; then by whom and where, or how it ended."""
    fields = [time_text(_time_of(what, incident)), what.ljust(len("reopened"))]
    fields += [str(incident.application), incident.name]
    if what == "closed":
        fields.append(f"{incident.ending or 'ended'} after {lasted(seconds_to_repair(incident))}")
    else:
        fields += [f"by {', '.join(incident.writers) or 'unknown'}", where_it_differs(incident)]
    return "  ".join(one_line(field) if field.strip() == field else field for field in fields)


def _as_json(what: News, incident: Incident) -> str:
    status = {name: value for name, value in status_of(incident).items() if value is not None}
    event = {
        "time": time_text(_time_of(what, incident)),
        "event": what,
        "namespace": incident.application.namespace,
        "application": incident.application.name,
        "name": incident.name,
        "cause": incident.cause,
        "openedAt": time_text(incident.opened_at),
        "by": list(incident.writers),
        **({"secondsToRepair": round(seconds_to_repair(incident), 3)} if what == "closed" else {}),
        "status": status,
    }
    return orjson.dumps(event).decode()


def _time_of(what: News, incident: Incident) -> datetime:
    return (incident.closed_at if what == "closed" else None) or incident.updated_at
