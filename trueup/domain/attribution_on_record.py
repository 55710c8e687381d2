"""Whom an incident's record names, where it knows more of what is live than whoever looks now. Pure.

Another worker may have heard more of the audit log than this one, and the command line hears nothing of it.
"""

from __future__ import annotations

from collections.abc import Mapping

from trueup.domain.attribution import UNKNOWN, Attribution
from trueup.domain.diff import ObjectDiff
from trueup.domain.fieldpath import Path
from trueup.domain.incident import FIELDS_MAX, DriftedObject, Incident
from trueup.domain.incident_story import still_known
from trueup.domain.redact import Redactor
from trueup.domain.resource import ResourceKey
from trueup.domain.shown import shown_field


def on_record(incident: Incident | None) -> Mapping[ResourceKey, DriftedObject]:
    """What an open incident tells of each object; one that is over tells nothing of what is live now."""
    return {item.key: item for item in incident.objects} if incident is not None and incident.is_open else {}


def as_on_record(
    diff: ObjectDiff, known: DriftedObject | None, redactor: Redactor, heard: Mapping[Path, Attribution]
) -> Mapping[Path, Attribution]:
    """Who wrote each place that differs: as the incident says, where the record tells of the very write that is live.

    Of a missing object who deleted it, under the empty path. Without a record it is what was `heard`.
    """
    if known is None:
        return heard
    if diff.status == "Missing":
        told = known.deleted_by if known.status == "Missing" else UNKNOWN
        return {**heard, (): told} if told.is_better_than(heard.get((), UNKNOWN)) else heard
    changes = diff.changes[:FIELDS_MAX]
    fields = tuple(shown_field(change, diff.key, redactor, heard.get(change.path)) for change in changes)
    (now,) = still_known([known], [DriftedObject(diff.key, "OutOfSync", fields)])
    people = {(field.path, field.kind): field.attribution for field in known.fields}
    kept = {
        change.path: _surer(field.attribution, people.get((field.path, field.kind), UNKNOWN))
        for change, field in zip(changes, now.fields, strict=True)
    }
    return {**heard, **kept}


def _surer(heard: Attribution, recorded: Attribution) -> Attribution:
    return recorded if recorded.is_better_than(heard) else heard
