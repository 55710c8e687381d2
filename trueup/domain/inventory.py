"""What an application owns, and so may prune: nothing outside it is ever deleted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from trueup.domain.order import apply_order
from trueup.domain.resource import Body, ResourceKey, tracked_by

#: What was found of each object: None is not there; a key that is left out could not be read.
Live = Mapping[ResourceKey, Body | None]


def before_sync(inventory: Iterable[ResourceKey], desired: Iterable[ResourceKey]) -> tuple[ResourceKey, ...]:
    """Old and new together, to be recorded before the first write: whatever the sync may create is then known."""
    return tuple(sorted({*inventory, *desired}, key=apply_order))


def after_reading(
    inventory: Iterable[ResourceKey], desired: Iterable[ResourceKey], live: Live, application: str
) -> tuple[ResourceKey, ...]:
    """The desired objects, and of the old ones those still ours: that are there under our tracking, or may be."""
    wanted = set(desired)
    kept = {key for key in inventory if key not in wanted and _may_be_ours(key, live, application)}
    return tuple(sorted(wanted | kept, key=apply_order))


def _may_be_ours(key: ResourceKey, live: Live, application: str) -> bool:
    if key not in live:
        return True
    body = live[key]
    return body is not None and tracked_by(body) == application
