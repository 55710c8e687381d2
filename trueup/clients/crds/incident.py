"""`Incident` of `trueup.dev/v1alpha1`: one stretch in which an application was not what Git says."""

from __future__ import annotations

from trueup.clients.crds.model import AnyObject, Model, Time


class IncidentWrite(Model):
    """Who wrote something last."""

    manager: str | None = None
    """The field manager, a name that a program gives itself; absent where nobody can tell."""
    operation: str | None = None
    """`Apply` or `Update`; of what nobody owns the verb of the audit log, such as `delete`."""
    subresource: str | None = None
    time: str | None = None
    """When that was, by the API server."""
    user: str | None = None
    """Whom the API server authenticated, by its audit log; absent where that is not sent to Trueup."""
    groups: list[str] | None = None
    address: str | None = None
    agent: str | None = None
    """What the program said that it is."""
    probable: bool | None = None
    """Whether the audit event was matched by object and time, and not by the version that it made."""


class IncidentField(IncidentWrite):
    """One place where live was not what Git says. Secret values are masked."""

    path: str
    change: str
    """`changed`, `missing` or `extra`."""
    desired: str | None = None
    live: str | None = None


class IncidentObject(Model):
    group: str | None = None
    kind: str
    namespace: str | None = None
    name: str
    status: str
    """`OutOfSync`, `Missing` (not in the cluster) or `Unwanted` (no longer in Git)."""
    fields: list[IncidentField] | None = None
    fields_left_out: int | None = None
    deleted_by: IncidentWrite | None = None
    """Who deleted it, of one that is missing."""


class IncidentFlip(Model):
    """A place that moved away from Git again after it had been put right."""

    group: str | None = None
    kind: str
    namespace: str | None = None
    name: str
    path: str
    manager: str | None = None
    user: str | None = None
    """Whom the audit log names."""
    subresource: str | None = None
    times: list[Time]


class IncidentHistory(Model):
    """One turn of the story."""

    time: Time
    what: str
    """`Opened`, `Changed`, `Reopened` (it drifted again soon after it was put right) or `Closed`."""
    by: list[str] | None = None
    """Who wrote what was new then."""
    fields: int | None = None
    """How many fields differed since then."""
    ending: str | None = None


class IncidentMessage(Model):
    """What a channel was told last."""

    channel: str
    id: str
    updated_at: Time | None = None
    """Which version of the incident was told: the `updatedAt` that it had."""


class IncidentClaim(Model):
    """Who is about to tell the channel, so that no other worker does."""

    holder: str
    until: Time


class IncidentSpec(Model):
    application: str
    application_uid: str
    cluster: str
    """The destination as the Application states it."""
    cause: str
    """`Drift`: live was changed. `Revision`: Git moved and nobody delivered it."""
    opened_at: Time


class IncidentStatus(Model):
    phase: str
    """`Open` or `Closed`."""
    revision: str | None = None
    manager: str | None = None
    """The field manager that is named first among the fields."""
    by: str | None = None
    """Who is named first, with the person where one is known."""
    updated_at: Time
    closed_at: Time | None = None
    ending: str | None = None
    """`SelfHealed`, `Synced`, `Reverted` (live came back by itself) or `Accepted` (Git came to say it)."""
    times: int | None = None
    """How often it drifted within this incident."""
    self_heals: bool | None = None
    trouble: str | None = None
    """Why it is not repaired."""
    objects: list[IncidentObject] | None = None
    objects_left_out: int | None = None
    flips: list[IncidentFlip] | None = None
    history: list[IncidentHistory] | None = None
    """Oldest first. The first turn is always kept, of the others the latest."""
    message: IncidentMessage | None = None
    claim: IncidentClaim | None = None


class Incident(Model):
    """A record that Trueup keeps of what it found. Nothing is decided by it."""

    api_version: str | None = None
    """`trueup.dev/v1alpha1`."""
    kind: str | None = None
    """`Incident`."""
    metadata: AnyObject
    spec: IncidentSpec
    status: IncidentStatus | None = None
