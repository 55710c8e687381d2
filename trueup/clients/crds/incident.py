"""`Incident` of `trueup.dev/v1alpha1`: one stretch in which an application was not what Git says."""

from __future__ import annotations

from trueup.clients.crds.model import AnyObject, Model, Time


class IncidentField(Model):
    """One place where live was not what Git says. Secret values are masked."""

    path: str
    change: str
    """`changed`, `missing` or `extra`."""
    desired: str | None = None
    live: str | None = None
    manager: str | None = None
    """The field manager that wrote the live value last; absent where nobody can tell."""
    time: str | None = None
    """When that was, by the API server."""


class IncidentObject(Model):
    group: str | None = None
    kind: str
    namespace: str | None = None
    name: str
    status: str
    """`OutOfSync`, `Missing` (not in the cluster) or `Unwanted` (no longer in Git)."""
    fields: list[IncidentField] | None = None
    fields_left_out: int | None = None


class IncidentFlip(Model):
    """A place that moved away from Git again after it had been put right."""

    group: str | None = None
    kind: str
    namespace: str | None = None
    name: str
    path: str
    manager: str | None = None
    times: list[Time]


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
    """Who is named first among the fields."""
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
