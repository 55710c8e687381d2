"""Whom an incident's record names, for a comparison that itself knows field managers alone. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from trueup.domain.attributing import written_by
from trueup.domain.attribution import UNKNOWN, Attribution
from trueup.domain.diff import ObjectDiff
from trueup.domain.fieldpath import Path, show
from trueup.domain.incident import DriftedObject, Incident
from trueup.domain.resource import ResourceKey


def names_on_record(incident: Incident, diffs: Iterable[ObjectDiff]) -> dict[ResourceKey, dict[Path, Attribution]]:
    """Of each place that differs: who wrote it, where the record tells of the very write that is live.

    Of a missing object who deleted it, under the empty path.
    """
    recorded = {item.key: item for item in incident.objects}
    found = {diff.key: _names(recorded[diff.key], diff) for diff in diffs if diff.key in recorded}
    return {key: names for key, names in found.items() if names}


def _names(item: DriftedObject, diff: ObjectDiff) -> dict[Path, Attribution]:
    if diff.status == "Missing":
        is_told = item.status == "Missing" and item.deleted_by.is_better_than(UNKNOWN)
        return {(): item.deleted_by} if is_told else {}
    fields: Mapping[tuple[str, str], Attribution] = {(each.path, each.kind): each.attribution for each in item.fields}
    places = ((change, fields.get((show(change.path), change.kind))) for change in diff.changes)
    return {
        change.path: told
        for change, told in places
        if told is not None and told.is_better_than(written_by(change.owners))
    }
