"""`trueup app history`: the deployments that an Application's status tells of, laid out as `argocd` does."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from trueup.cli.home import home
from trueup.cli.printing import one_line
from trueup.cli.table import GAP, table
from trueup.domain.lenient import as_list, as_mapping, as_text
from trueup.domain.repository import redact_url

Raw = Mapping[str, Any]


async def print_history(name: str, output: str, *, namespace: str) -> None:
    """Print the deployments on record, oldest first; where there are none, say so on stderr."""
    async with home(namespace) as reached:
        application = reached.named(name)
        raw = await reached.read(application)
    entries = [as_mapping(entry) for entry in as_list(as_mapping(raw.get("status")).get("history"))]
    if not entries:
        print(f"trueup: {application} has no deployment on record", file=sys.stderr)
    elif output == "id":
        for entry in entries:
            print(entry.get("id", 0))
    else:
        print(history_tables(entries))


def history_tables(entries: Iterable[Raw]) -> str:
    """A table for each source, in the order in which the sources came."""
    by_source: dict[str, list[tuple[object, ...]]] = {}
    for entry in entries:
        for source, revision in _delivered(entry):
            row = (entry.get("id", 0), _date(as_text(entry.get("deployedAt"))), _revision(source, revision))
            by_source.setdefault(redact_url(as_text(source.get("repoURL"))), []).append(row)
    return "\n\n".join(_of_source(source, rows) for source, rows in by_source.items())


def _of_source(source: str, rows: Iterable[tuple[object, ...]]) -> str:
    header = ("ID".ljust(len("SOURCE")), "DATE", "REVISION")
    return f"SOURCE{GAP}{one_line(source)}\n{table(header, rows)}"


def _delivered(entry: Raw) -> list[tuple[Raw, str]]:
    """Each source with the revision it was delivered at. Argo CD leaves entries of several sources behind."""
    sources = [as_mapping(source) for source in as_list(entry.get("sources"))]
    if not sources:
        return [(as_mapping(entry.get("source")), as_text(entry.get("revision")))]
    revisions = [as_text(revision) for revision in as_list(entry.get("revisions"))]
    if len(revisions) != len(sources):
        revisions = [""] * len(sources)
    return list(zip(sources, revisions, strict=True))


def _revision(source: Raw, revision: str) -> str:
    target = as_text(source.get("targetRevision")) or "HEAD"
    return f"{target} ({revision[:7]})" if revision else target


def _date(text: str) -> str:
    """The time as Go prints it, in UTC; a text that is no time stays as it is."""
    try:
        time = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return text
    return f"{time:%Y-%m-%d %H:%M:%S} +0000 UTC"
