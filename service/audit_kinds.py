"""Which kind a resource of an audit event is: the log names `deployments`, and an inventory has Deployment."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from trueup.domain.audit import stated_kind
from trueup.domain.lenient import as_mapping, as_text

#: Kinds of one cluster that are remembered; more than any cluster serves.
KINDS_MAX = 5_000
NAME_CHARS_MAX = 253


class AuditKinds:
    """Of one cluster: learned from the objects that events carry, and guessed from the names of kinds."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}

    def learn(self, event: Mapping[str, Any]) -> None:
        """Remember what an event's own object says."""
        reference = as_mapping(event.get("objectRef"))
        place = (as_text(reference.get("apiGroup")), as_text(reference.get("resource")))
        kind = stated_kind(event)
        if kind and max(map(len, (*place, kind))) <= NAME_CHARS_MAX and len(self._known) < KINDS_MAX:
            self._known.setdefault(place, kind)

    def kind_of(self, group: str, resource: str, owned: Collection[tuple[str, str]]) -> str:
        """The kind; among those that are `owned` the one whose plural would be this, where none was learned."""
        known = self._known.get((group, resource))
        if known is not None:
            return known
        return next((kind for of, kind in owned if of == group and resource in plurals(kind)), "")


def plurals(kind: str) -> tuple[str, ...]:
    """What the resource of a kind is likely to be called, as Kubernetes guesses it."""
    name = kind.lower()
    if name.endswith("s"):
        return (name, f"{name}es")
    return (f"{name[:-1]}ies", f"{name}s") if name.endswith("y") else (f"{name}s",)
