"""What the commit says: what is accepted, where, and who wrote it. No value stands in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from trueup.domain.attribution import Attribution
from trueup.domain.diff import Change
from trueup.domain.fieldpath import show
from trueup.domain.incident import Incident
from trueup.domain.managedfields import FieldOwner
from trueup.domain.printable import printable
from trueup.domain.resource import ResourceKey

#: Of one object so many places are named.
PLACES_NAMED_MAX = 30
SUBJECT_CHARS_MAX = 72

Writers = Mapping[tuple[ResourceKey, str], Attribution]


def writers_of(incident: Incident | None) -> Writers:
    """Whom the record of an open incident names, by object and place."""
    if incident is None or not incident.is_open:
        return {}
    return {(item.key, field.path): field.attribution for item in incident.objects for field in item.fields}


def subject(application: str, keys: Iterable[ResourceKey]) -> str:
    """The first line."""
    named = [f"{key.kind} {key.name}" for key in dict.fromkeys(keys)]
    text = f"Accept the drift of {application}: {', '.join(named)}"
    return text if len(text) <= SUBJECT_CHARS_MAX else f"Accept the drift of {application} ({len(named)} objects)"


def about(key: ResourceKey, file: str, changes: tuple[Change, ...], writers: Writers) -> str:
    """The paragraph of one object."""
    file = printable(file)
    if not changes:
        return f"{key}, in {file}: it is no longer in the cluster."
    lines = [f"{key}, in {file}:"]
    for change in changes[:PLACES_NAMED_MAX]:
        what = {"changed": "changed", "missing": "taken away", "extra": "added"}[change.kind]
        lines.append(f"- {printable(show(change.path))}: {what}{_by(writer(key, change, writers))}")
    if len(changes) > PLACES_NAMED_MAX:
        lines.append(f"- and {len(changes) - PLACES_NAMED_MAX} places more")
    return "\n".join(lines)


def writer(key: ResourceKey, change: Change, writers: Writers) -> Attribution:
    """Who wrote the live side: as the record says it, else by the name of the field manager."""
    last = max(change.owners, key=_time, default=None)
    of_owner = Attribution() if last is None else Attribution(last.manager, last.operation, last.subresource, last.time)
    recorded = writers.get((key, show(change.path)))
    return recorded if recorded is not None and recorded.is_better_than(of_owner) else of_owner


def _time(owner: FieldOwner) -> str:
    return owner.time


def _by(attribution: Attribution) -> str:
    if attribution.person is None and not attribution.manager:
        return ""
    when = f" at {attribution.time}" if attribution.time else ""
    who = str(attribution) if attribution.person else f"the field manager {attribution.manager}"
    return printable(f" by {who}{when}")
