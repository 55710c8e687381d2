"""An incident: one stretch of time in which an application was not what Git says. Pure.

How it goes on from one comparison to the next is told by `trueup.domain.incident_story`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from trueup.domain.application import ApplicationId
from trueup.domain.attribution import UNKNOWN, Attribution, Person, described
from trueup.domain.resource import ResourceKey

#: Drift: live moved away from a revision that was there. Revision: Git moved, and nobody delivered it.
Cause = Literal["Drift", "Revision"]
#: How it ended. SelfHealed: by the policy. Synced: by a sync that somebody asked for or a push brought.
#: Reverted: live came back by itself. Accepted: Git came to say what live had.
Ending = Literal["SelfHealed", "Synced", "Reverted", "Accepted"]
#: What an entry of the history tells of. Reopened: it drifted again soon after it was put right.
Turn = Literal["Opened", "Changed", "Reopened", "Closed"]

OBJECTS_MAX = 20
FIELDS_MAX = 30
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
    #: How: `Apply`, `Update`, or the verb of the audit log.
    operation: str = ""
    #: Whom the API server authenticated, where it told us.
    person: Person | None = None
    #: Whether the audit event was matched by object and time alone.
    is_probable: bool = False
    #: By which subresource, such as `scale`; empty for the object itself.
    subresource: str = ""

    @property
    def attribution(self) -> Attribution:
        return Attribution(
            self.manager, self.operation, self.subresource, self.time, person=self.person, is_probable=self.is_probable
        )

    def by(self, attribution: Attribution) -> Field:
        """The same place, written by somebody else than was thought."""
        return replace(
            self,
            manager=attribution.manager,
            time=attribution.time,
            operation=attribution.operation,
            person=attribution.person,
            is_probable=attribution.is_probable,
            subresource=attribution.subresource,
        )


@dataclass(frozen=True, slots=True)
class DriftedObject:
    key: ResourceKey
    #: Missing: not in the cluster. Unwanted: in the cluster and no longer in Git.
    status: Literal["OutOfSync", "Missing", "Unwanted"]
    fields: tuple[Field, ...] = ()
    #: How many fields more there are than `fields` has room for.
    fields_left_out: int = 0
    #: Of one that is missing: who deleted it.
    deleted_by: Attribution = UNKNOWN

    @property
    def attributions(self) -> tuple[Attribution, ...]:
        """The last write of each field, or of the object as a whole."""
        return tuple(field.attribution for field in self.fields) or (self.deleted_by,)


@dataclass(frozen=True, slots=True)
class Flip:
    """A place that moved away from Git again after it had been put right."""

    key: ResourceKey
    path: str
    manager: str
    #: The latest ones, oldest first.
    times: tuple[datetime, ...]
    #: Whom the audit log names; empty where it does not.
    user: str = ""
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class War:
    """Somebody changes a place back as often as it is put right."""

    key: ResourceKey
    path: str
    #: Empty where nobody can tell.
    manager: str
    flips: int
    user: str = ""
    subresource: str = ""

    def __str__(self) -> str:
        where = f"{self.path} of {self.key}" if self.path else str(self.key)
        who = described(self.manager, user=self.user, subresource=self.subresource)
        by = f" by {who}" if who else ""
        return f"{where} was changed{by} {self.flips} times within {WAR_WINDOW_SECONDS:.0f} s"


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One turn of the story."""

    time: datetime
    what: Turn
    #: Who wrote what was new then, each once, as the `credit` of an Attribution; empty for an end.
    by: tuple[str, ...] = ()
    #: How many fields differed since then.
    fields: int = 0
    #: How it ended, of an end.
    ending: Ending | Literal[""] = ""


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
    #: Oldest first. The first turn is always kept, of the others the latest.
    history: tuple[HistoryEntry, ...] = ()
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
        written = (each.manager for item in self.objects for each in item.attributions if each.manager)
        return tuple(dict.fromkeys(written))

    @property
    def programs(self) -> tuple[str, ...]:
        """The field managers behind which nobody is known, each once."""
        written = (each for item in self.objects for each in item.attributions if each.person is None)
        return tuple(dict.fromkeys(each.manager for each in written if each.manager))

    @property
    def people(self) -> tuple[str, ...]:
        """Whom the audit log names, each once; one that is only probable as `probably` and the name."""
        named = (each.who for item in self.objects for each in item.attributions if each.person is not None)
        return tuple(dict.fromkeys(named))

    @property
    def persons(self) -> tuple[Person, ...]:
        """The same with all that is known of them, each once."""
        written = (each.person for item in self.objects for each in item.attributions if each.person is not None)
        return tuple(dict.fromkeys(written))

    @property
    def writers(self) -> tuple[str, ...]:
        """Who wrote what differs, each once: people where they are known, `manager NAME` where they are not."""
        return writers_of(self.objects)


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


def writers_of(objects: Iterable[DriftedObject]) -> tuple[str, ...]:
    """Who wrote what differs there, each once; nobody where that is not known."""
    written = (each.credit for item in objects for each in item.attributions if each.manager or each.person)
    return tuple(dict.fromkeys(written))
