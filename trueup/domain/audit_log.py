"""The writes that the audit log has told of lately, by object. Bounded in all and for each object. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from trueup.domain.audit import AuditRecord, Identity
from trueup.domain.resource import ResourceKey

#: An object on a cluster, by the cluster's server.
Place = tuple[str, ResourceKey]


@dataclass(frozen=True, slots=True)
class AuditLogBounds:
    events_max: int = 20_000
    #: One object that is written all the time must not push the others out.
    events_per_object_max: int = 64
    #: An older one says nothing any more.
    age_seconds_max: float = 3_600.0


def names_of(key: ResourceKey) -> frozenset[ResourceKey]:
    """By what a write may name the object: itself, or all of its kind in its namespace or anywhere."""
    return frozenset({key, replace(key, name=""), replace(key, name="", namespace="")})


class AuditLog:
    """Not safe for several threads; an event loop is one."""

    def __init__(self, bounds: AuditLogBounds | None = None) -> None:
        self._bounds = bounds or AuditLogBounds()
        #: In the order in which they came.
        self._places: OrderedDict[tuple[str, Identity], Place] = OrderedDict()
        self._records: dict[Place, list[AuditRecord]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def add(self, server: str, record: AuditRecord, now: float) -> bool:
        """Keep it. False where it is known already or too old: a repetition changes nothing."""
        identity = (server, record.identity)
        if identity in self._places or now - record.completed_at > self._bounds.age_seconds_max:
            return False
        place = (server, record.key)
        records = self._records.setdefault(place, [])
        records.append(record)
        records.sort(key=lambda each: each.completed_at)
        self._places[identity] = place
        if len(records) > self._bounds.events_per_object_max:
            del self._places[server, records.pop(0).identity]
        while len(self._places) > self._bounds.events_max:
            self._forget_oldest()
        return identity in self._places

    def of(self, server: str, key: ResourceKey) -> Sequence[AuditRecord]:
        """What was written to this object, oldest first: among it the deletions of all of its kind."""
        found = [record for each in names_of(key) for record in self._records.get((server, each), ())]
        return sorted(found, key=lambda record: record.completed_at)

    def _forget_oldest(self) -> None:
        (_, identity), place = self._places.popitem(last=False)
        left = [record for record in self._records[place] if record.identity != identity]
        if left:
            self._records[place] = left
        else:
            del self._records[place]
