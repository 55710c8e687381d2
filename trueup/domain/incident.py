"""An incident: one stretch of time in which an application was not what Git says. Pure.

It opens with the first difference, changes while it is open, and closes when live and Git agree
again. What drifts again soon after is the same incident, so that an edit war is one story and not
a hundred.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from trueup.domain.application import ApplicationId
from trueup.domain.resource import ResourceKey
from trueup.domain.retry import SELF_HEAL_COOLDOWN_SECONDS

#: Drift: live moved away from a revision that was there. Revision: Git moved, and nobody delivered it.
Cause = Literal["Drift", "Revision"]
#: How it ended. SelfHealed: by the policy. Synced: by a sync that somebody asked for or a push brought.
#: Reverted: live came back by itself. Accepted: Git came to say what live had.
Ending = Literal["SelfHealed", "Synced", "Reverted", "Accepted"]

OBJECTS_MAX = 20
FIELDS_MAX = 30
FLIPS_MAX = 50
FLIP_TIMES_MAX = 20
WAR_WINDOW_SECONDS = 60.0
#: What people are told of an object beside its name, by its status.
REMARKS = {"OutOfSync": "", "Missing": "is not in the cluster", "Unwanted": "is no longer in Git"}


@dataclass(frozen=True, slots=True)
class Field:
    """One place where live is not what Git says, as people may read it: secrets are masked already."""

    #: Such as `spec.ports[name=http].port`; empty stands for the object as a whole.
    path: str
    kind: Literal["changed", "missing", "extra"]
    #: JSON text, shortened; empty where that side has nothing.
    desired: str
    live: str
    #: Who wrote the live value last, by the name of its field manager; empty where nobody can tell.
    manager: str = ""
    #: When, as the API server wrote it (RFC 3339); empty where nobody can tell.
    time: str = ""


@dataclass(frozen=True, slots=True)
class DriftedObject:
    key: ResourceKey
    #: Missing: not in the cluster. Unwanted: in the cluster and no longer in Git.
    status: Literal["OutOfSync", "Missing", "Unwanted"]
    fields: tuple[Field, ...] = ()
    #: How many fields more there are than `fields` has room for.
    fields_left_out: int = 0


@dataclass(frozen=True, slots=True)
class Flip:
    """A place that moved away from Git again after it had been put right."""

    key: ResourceKey
    path: str
    manager: str
    #: The latest ones, oldest first.
    times: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class War:
    """Somebody changes a place back as often as it is put right."""

    key: ResourceKey
    path: str
    #: Empty where nobody can tell.
    manager: str
    flips: int

    def __str__(self) -> str:
        where = f"{self.path} of {self.key}" if self.path else str(self.key)
        by = f" by {self.manager}" if self.manager else ""
        return f"{where} was changed{by} {self.flips} times within {WAR_WINDOW_SECONDS:.0f} s"


@dataclass(frozen=True, slots=True)
class Message:
    """What a channel was told last."""

    channel: str
    #: The message's id there.
    id: str
    #: Which version of the incident it tells of: its `updated_at`.
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Incident:
    application: ApplicationId
    application_uid: str
    #: The destination as the Application states it.
    cluster: str
    cause: Cause
    #: What live was held against.
    revision: str
    opened_at: datetime
    updated_at: datetime
    objects: tuple[DriftedObject, ...]
    objects_left_out: int = 0
    #: Whether the policy repairs drift by itself.
    self_heals: bool = False
    #: Why it is not repaired; empty where it is, or where a person is waited for.
    trouble: str = ""
    closed_at: datetime | None = None
    ending: Ending | Literal[""] = ""
    #: How often it drifted: 1, and one more each time it did after it was put right.
    times: int = 1
    flips: tuple[Flip, ...] = ()
    message: Message | None = None
    #: Who is about to tell the channel, and until when nobody else may.
    claimed_by: str = ""
    claimed_until: datetime | None = None
    #: The record's own name and version; empty for one that is not kept yet.
    name: str = ""
    resource_version: str = ""

    @property
    def is_open(self) -> bool:
        return self.closed_at is None

    @property
    def managers(self) -> tuple[str, ...]:
        """The field managers that wrote what differs, each once; empty where nobody can tell."""
        written = (field.manager for item in self.objects for field in item.fields if field.manager)
        return tuple(dict.fromkeys(written))


@dataclass(frozen=True, slots=True)
class Found:
    """What a comparison that came to OutOfSync says."""

    application: ApplicationId
    application_uid: str
    cluster: str
    cause: Cause
    revision: str
    #: What was looked at and differs, or as much of it as a record has room for.
    objects: tuple[DriftedObject, ...]
    objects_left_out: int = 0
    #: What was looked at; None is everything. Of the rest an open incident keeps what it knew.
    scope: frozenset[ResourceKey] | None = None
    self_heals: bool = False
    trouble: str = ""


def opened(last: Incident | None, found: Found, now: datetime) -> Incident:
    """The incident after a comparison that found differences: a new one, or `last` brought up to date.

    `last` is the application's latest incident, open or closed. Where nothing is new it is returned
    as it is.
    """
    if last is None or not _continues(last, found, now):
        kept, left_out = _bounded(found.objects, found.objects_left_out)
        flips = _flips((), kept, now)
        return Incident(
            found.application,
            found.application_uid,
            found.cluster,
            found.cause,
            found.revision,
            now,
            now,
            kept,
            left_out,
            found.self_heals,
            found.trouble,
            flips=flips,
        )
    objects, unseen = found.objects, 0
    if last.is_open and found.scope is not None:
        # Of what a record had no room for nobody can tell what a look in part has seen again.
        unseen = last.objects_left_out
        seen = {item.key for item in objects}
        rest = (item for item in last.objects if item.key not in found.scope and item.key not in seen)
        objects = tuple(sorted((*objects, *rest), key=lambda item: item.key))
    kept, left_out = _bounded(objects, found.objects_left_out)
    left_out = max(left_out, unseen)
    moved = kept if not last.is_open else _moved(last.objects, kept)
    after = replace(
        last,
        revision=found.revision,
        objects=kept,
        objects_left_out=left_out,
        self_heals=found.self_heals,
        trouble=found.trouble,
        closed_at=None,
        ending="",
        times=last.times + (not last.is_open),
        flips=_flips(last.flips, moved, now),
    )
    return last if after == last else replace(after, updated_at=now)


def closed(incident: Incident, ending: Ending, now: datetime) -> Incident:
    """The incident once live and Git agree; what it was about stays readable."""
    return replace(incident, closed_at=now, updated_at=now, ending=ending, trouble="")


def war(incident: Incident | None, now: datetime, *, flips_per_minute_max: int) -> War | None:
    """The place that flips most, where that is more often than the bound within the last minute."""
    since = now - timedelta(seconds=WAR_WINDOW_SECONDS)
    counted = [
        War(flip.key, flip.path, flip.manager, sum(time > since for time in flip.times))
        for flip in (incident.flips if incident else ())
    ]
    worst = max(counted, key=lambda each: each.flips, default=None)
    return worst if worst is not None and worst.flips > flips_per_minute_max else None


def _continues(last: Incident, found: Found, now: datetime) -> bool:
    """Whether it is the same story: still open, or about one of the same objects and not long over."""
    if last.application_uid != found.application_uid:
        return False
    if last.closed_at is None:
        return True
    if last.cause != found.cause or found.cause == "Revision":
        return False
    recent = (now - last.closed_at).total_seconds() < SELF_HEAL_COOLDOWN_SECONDS
    return recent and bool({item.key for item in last.objects} & {item.key for item in found.objects})


def _bounded(objects: Iterable[DriftedObject], left_out: int) -> tuple[tuple[DriftedObject, ...], int]:
    every = [
        replace(
            item,
            fields=item.fields[:FIELDS_MAX],
            fields_left_out=item.fields_left_out + max(0, len(item.fields) - FIELDS_MAX),
        )
        for item in objects
    ]
    return tuple(every[:OBJECTS_MAX]), left_out + max(0, len(every) - OBJECTS_MAX)


def _places(objects: Iterable[DriftedObject]) -> Mapping[tuple[ResourceKey, str], Field | None]:
    return {(item.key, field.path if field else ""): field for item in objects for field in (item.fields or (None,))}


def _moved(before: Iterable[DriftedObject], after: Iterable[DriftedObject]) -> tuple[DriftedObject, ...]:
    """Of an incident that was open: the objects with a place that holds something else than it did."""
    known = _places(before)
    return tuple(
        item
        for item in after
        if any(place not in known or known[place] != field for place, field in _places([item]).items())
    )


def _flips(before: tuple[Flip, ...], moved: Iterable[DriftedObject], now: datetime) -> tuple[Flip, ...]:
    known = {(flip.key, flip.path): flip for flip in before}
    for (key, path), field in _places(moved).items():
        flip = known.pop((key, path), Flip(key, path, "", ()))
        manager = (field.manager if field else "") or flip.manager
        known[key, path] = replace(flip, manager=manager, times=(*flip.times, now)[-FLIP_TIMES_MAX:])
    return tuple(known.values())[-FLIPS_MAX:]
