"""What is kept of an object that is watched: enough to tell whether it moved, and nothing of what it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

from trueup.domain.fingerprint import fingerprint
from trueup.domain.health import assess
from trueup.domain.lenient import as_mapping, as_text
from trueup.domain.resource import TRACKING_ANNOTATION, Body

#: An object as the informer keeps it: its names, its tracking id and what is noted of it here.
Sighting = dict[str, Any]

_NAMES = ("name", "namespace", "uid", "resourceVersion")
FINGERPRINT, HEALTH, SEEN_AT = "fingerprint", "health", "seenAt"


def of_object(body: dict[str, Any], *, heeded: Callable[[Body], Body] = lambda body: body) -> Sighting:
    """The sighting of a whole object; `heeded` gives what of it counts as its content."""
    try:
        digest = fingerprint(heeded(body))
        health = assess(body)
    except (TypeError, RecursionError):
        # Nested deeper than is read here. Whatever moves in it is worth a look.
        return of_metadata(body)
    said = (health.status, health.message) if health else None
    return {**_named(body), FINGERPRINT: digest, HEALTH: said, SEEN_AT: monotonic()}


def of_metadata(body: dict[str, Any]) -> Sighting:
    """The sighting of an object of a kind that has neither status nor health: whatever moves is content."""
    version = as_mapping(body.get("metadata")).get("resourceVersion")
    return {**_named(body), FINGERPRINT: version, HEALTH: None, SEEN_AT: monotonic()}


def has_moved(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether anything between the two sightings is worth a look."""
    return bool(old.get(FINGERPRINT) != new.get(FINGERPRINT) or old.get(HEALTH) != new.get(HEALTH))


def version_of(sighted: Mapping[str, Any]) -> str:
    """The `resourceVersion` that was seen."""
    return as_text(as_mapping(sighted.get("metadata")).get("resourceVersion"))


def _named(body: Mapping[str, Any]) -> Sighting:
    metadata = as_mapping(body.get("metadata"))
    names = {name: metadata[name] for name in _NAMES if name in metadata}
    tracking = as_mapping(metadata.get("annotations")).get(TRACKING_ANNOTATION)
    if tracking is not None:
        names["annotations"] = {TRACKING_ANNOTATION: tracking}
    return {"apiVersion": body.get("apiVersion"), "kind": body.get("kind"), "metadata": names}
