"""`trueup app diff`: what the worker would find, found here and now, Secrets masked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from trueup.cli.at_hand import engine_at_hand, revisions_asked
from trueup.cli.difference import FITTING, Color, Layout, console_for, print_views
from trueup.cli.home import home
from trueup.cli.incidents import incident_on_record
from trueup.cli.local_source import Local, local, sources_of
from trueup.cli.printing import one_line
from trueup.cli.why import print_reasons, print_what_may_stay
from trueup.clients.cluster import Cluster
from trueup.domain.attribution_on_record import as_on_record, on_record
from trueup.domain.errors import StalledError
from trueup.domain.incident import Incident
from trueup.domain.redact import Redactor
from trueup.domain.resource import ResourceKey
from trueup.engine.compared import compared
from trueup.engine.comparison import Comparison
from trueup.engine.views import views_of
from trueup.settings import Settings, read_settings


async def print_diff(
    name: str,
    *,
    namespace: str,
    revision: str | None,
    directory: Path | None,
    root: Path | None,
    layout: Layout = FITTING,
    color: Color = "auto",
    why: bool = False,
) -> bool:
    """Print the differences; whether there are any. The remote is asked, the cluster is read, nothing is written.

    With a directory on this machine its files stand for the source's, and no remote of Git is asked.
    Raises StalledError where something could not be read, after printing what could.
    """
    if revision is not None and directory is not None:
        raise StalledError("--revision is of Git, and --local of this machine; leave one of them out")
    if root is not None and directory is None:
        raise StalledError("--local-repo-root is for --local; name the source's directory by it")
    if why and layout.output != "text":
        raise StalledError(f"--why is for people, and --output {layout.output} is not; leave one of them out")
    here = local(directory, root) if directory is not None else None
    async with home(namespace) as reached:
        raw = await reached.read(reached.named(name))
        return await write_diff(
            reached.cluster,
            raw,
            console_for(color),
            settings=reached.settings,
            revision=revision,
            here=here,
            layout=layout,
            why=why,
            incident=await incident_on_record(reached, raw),
        )


async def write_diff(
    cluster: Cluster,
    raw: Mapping[str, Any],
    console: Console,
    *,
    settings: Settings | None = None,
    revision: str | None = None,
    here: Local | None = None,
    layout: Layout = FITTING,
    why: bool = False,
    incident: Incident | None = None,
) -> bool:
    """Compare one Application and print what differs; whether anything does. With `here` those files are desired.

    People are named as far as `incident` is on record with them.
    """
    settings = settings or read_settings()
    async with engine_at_hand(cluster, raw, settings) as (engine, application):
        if here is not None:
            sources = sources_of(application, here, file_bytes_max=settings.blob_bytes_max)
        async with engine.clusters.reached(application) as destination:
            if here is None:
                sources = await engine.checkout(application, revisions=revisions_asked(application, revision))
            _, comparison = await compared(engine, destination, application, sources)
    return _show(comparison, console, layout, incident, why=why)


def _show(comparison: Comparison, console: Console, layout: Layout, incident: Incident | None, *, why: bool) -> bool:
    """Print every difference of every object, and with `why` the reason of each field; whether there was one.

    What is only shown counts for none.
    """
    redactor = Redactor()
    comparison.teach(redactor)
    if layout.output == "text":
        _print_trouble(comparison, console)

    def reasons(key: ResourceKey) -> None:
        if why and key in comparison.manifests:
            print_reasons(comparison, key, redactor, console)

    recorded = on_record(incident)
    people = {key: as_on_record(diff, recorded.get(key), redactor, {}) for key, diff in comparison.diffs.items()}
    print_views(views_of(comparison, redactor, people, every=why), console, layout, below=reasons)
    if why:
        print_what_may_stay(comparison, console)
    if comparison.unreadable:
        raise StalledError("; ".join(f"{key}: {reason}" for key, reason in sorted(comparison.unreadable.items())))
    return bool(comparison.unwanted) or any(diff.status != "Synced" for diff in comparison.diffs.values())


def _print_trouble(comparison: Comparison, console: Console) -> None:
    """What could not be read, and what was asked of the comparison and makes no sense."""
    for key, reason in sorted(comparison.unreadable.items()):
        console.print(Text(one_line(f"===== {key} could not be read: {reason}"), style="yellow"))
    for condition in comparison.conditions():
        if condition.type == "CompareOptionWarning":
            console.print(Text(one_line(f"===== {condition.message}"), style="yellow"))
