"""A whole comparison as people read it: a view for each object that differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from trueup.domain.attribution import Attribution
from trueup.domain.diff import ObjectDiff
from trueup.domain.diffview.build import view_of
from trueup.domain.diffview.model import ObjectView
from trueup.domain.fieldpath import Path
from trueup.domain.redact import Redactor
from trueup.domain.resource import ResourceKey
from trueup.engine.comparison import Comparison

Attributions = Mapping[ResourceKey, Mapping[Path, Attribution]]


def views_of(
    comparison: Comparison, redactor: Redactor, attributions: Attributions | None = None, *, every: bool = False
) -> Iterator[ObjectView]:
    """What differs, is missing or is no longer in Git, by name; what is no longer in Git last.

    With `every`, also the objects that are as Git says, without lines.
    The redactor has to know the comparison's secrets already (`Comparison.teach`).
    """
    known = attributions or {}
    for key, diff in sorted(comparison.diffs.items()):
        if diff.status == "Missing" or diff.changes or every:
            yield view_of(diff, comparison.manifests[key], comparison.live.get(key), redactor, known.get(key))
    for key in comparison.unwanted:
        yield view_of(ObjectDiff(key, "OutOfSync"), None, comparison.live[key], redactor, known.get(key))
