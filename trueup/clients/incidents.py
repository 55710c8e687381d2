"""The incidents on record: read from memory, which a watch keeps true, and written one at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import structlog

from trueup.clients.api_errors import AlreadyExistsError, ConflictError, NotFoundError
from trueup.clients.cluster import Cluster
from trueup.clients.discovery import ApiResource
from trueup.clients.incident_records import (
    APPLICATION_LABEL,
    label_of,
    new_record,
    next_name,
    read_record,
    status_of,
    time_text,
)
from trueup.clients.informer import Informer
from trueup.domain.application import ApplicationId
from trueup.domain.errors import TrueupError
from trueup.domain.incident import Incident, Message
from trueup.domain.lenient import as_mapping, as_text
from trueup.domain.repair import seconds_to_repair
from trueup.telemetry import INCIDENT_REPAIR_SECONDS, INCIDENTS_CLOSED, INCIDENTS_OPENED

log = structlog.get_logger(__name__)

#: Told of each incident that is new or changed, and of one that is gone by its last state and True.
OnIncident = Callable[[Incident, bool], None]


class IncidentStore:
    """The Incidents of one namespace. What is saved here is known here at once, however late the watch is."""

    def __init__(
        self, cluster: Cluster, resource: ApiResource, *, namespace: str, incidents_per_application_max: int
    ) -> None:
        self._cluster = cluster
        self._resource = resource
        self._namespace = namespace
        self._max = incidents_per_application_max
        self._known: dict[str, Incident] = {}
        self._uids: dict[str, str] = {}
        self._of: dict[ApplicationId, set[str]] = defaultdict(set)
        self._handlers: list[OnIncident] = []
        self.informer = Informer(
            cluster, resource, namespace=namespace, on_change=self._observe, transform=_only_the_incident
        )

    def on_change(self, handler: OnIncident) -> None:
        """Call `handler` for every change from now on; to hear of every incident, add it before the informer runs."""
        self._handlers.append(handler)

    def get(self, name: str) -> Incident | None:
        return self._known.get(name)

    def latest(self, application: ApplicationId, uid: str) -> Incident | None:
        """The application's newest incident known here, open or closed."""
        return max(self._ours(application, uid), key=lambda incident: incident.opened_at, default=None)

    def an_open_one(self, application: ApplicationId, uid: str) -> Incident | None:
        """One of the application's open incidents known here, the oldest first.

        There is more than one where a worker, cut off from what another wrote, took the last for closed.
        """
        found = [incident for incident in self._ours(application, uid) if incident.is_open]
        return min(found, key=lambda incident: incident.opened_at, default=None)

    async def look_up(self, application: ApplicationId) -> None:
        """Ask the API server for the application's incidents: one LIST, for when the watch may be late."""
        page = await self._cluster.list_all(
            self._resource, self._namespace, label_selector=f"{APPLICATION_LABEL}={label_of(application.name)}"
        )
        for raw in page.items:
            self._take(read_record(raw), _uid_of(raw))

    def _ours(self, application: ApplicationId, uid: str) -> list[Incident]:
        found = (self._known[name] for name in self._of.get(application, ()))
        return [incident for incident in found if incident.application_uid == uid]

    async def save(self, incident: Incident) -> Incident:
        """Create or update the record.

        Raises ConflictError where the record is not what `incident` was made from; `latest` then
        answers what it is.
        """
        if not incident.name:
            return await self._create(incident)
        before = self._known.get(incident.name)
        body = {"metadata": {"resourceVersion": incident.resource_version}, "status": status_of(incident)}
        try:
            raw = await self._patch(incident.name, body)
        except (ConflictError, NotFoundError) as error:
            await self._read(incident.name)
            raise ConflictError(f"incident {incident.name} was changed meanwhile") from error
        _count(before, incident)
        return self._take(read_record(raw), _uid_of(raw))

    async def claim_message(self, incident: Incident, holder: str, until: datetime) -> Incident | None:
        """Have the right to tell the channel of exactly this version; None where somebody else was faster."""
        body = {
            "metadata": {"resourceVersion": incident.resource_version},
            "status": {"claim": {"holder": holder, "until": time_text(until)}},
        }
        try:
            raw = await self._patch(incident.name, body)
        except (ConflictError, NotFoundError):
            await self._read(incident.name)
            return None
        return self._take(read_record(raw), _uid_of(raw))

    async def note_message(self, incident: Incident, message: Message) -> None:
        """Keep what the channel was told, and let go of the claim; whatever else the record says stays."""
        told = {"channel": message.channel, "id": message.id, "updatedAt": time_text(message.updated_at)}
        try:
            raw = await self._patch(incident.name, {"status": {"message": told, "claim": None}})
        except NotFoundError:
            self._forget(incident.name)
        else:
            self._take(read_record(raw), _uid_of(raw))

    async def _create(self, incident: Incident) -> Incident:
        name = next_name(incident.application, self._of.get(incident.application, ()))
        try:
            raw = await self._cluster.create(self._resource, self._namespace, new_record(incident, name))
        except AlreadyExistsError as error:
            await self._read(name)
            raise ConflictError(f"incident {name} was recorded meanwhile") from error
        _count(None, incident)
        saved = self._take(read_record(raw), _uid_of(raw))
        await self._drop_oldest(saved.application)
        return saved

    async def _drop_oldest(self, application: ApplicationId) -> None:
        found = [self._known[name] for name in self._of[application]]
        closed = sorted((each for each in found if not each.is_open), key=lambda each: each.opened_at)
        for incident in closed[: max(0, len(found) - self._max)]:
            try:
                uid = self._uids[incident.name]
                await self._cluster.delete(self._resource, self._namespace, incident.name, uid=uid)
            except TrueupError as error:
                log.warning("an old incident stays on record", incident=incident.name, error=str(error))
            else:
                self._forget(incident.name)

    async def _patch(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return await self._cluster.merge_patch(self._resource, self._namespace, name, body)

    async def _read(self, name: str) -> None:
        # By a list of one: the right to list is needed anyway, and none is asked for beside it.
        page = await self._cluster.list_page(self._resource, self._namespace, field_selector=f"metadata.name={name}")
        for raw in page.items:
            self._take(read_record(raw), _uid_of(raw))
        if not page.items:
            self._forget(name)

    def _observe(self, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
        if new is not None:
            self._take(new["incident"], _uid_of(new))
        elif old is not None:
            name = as_text(as_mapping(old.get("metadata")).get("name"))
            if self._uids.get(name) == _uid_of(old):
                self._forget(name)

    def _take(self, incident: Incident, uid: str) -> Incident:
        known = self._known.get(incident.name)
        if known is not None and self._uids.get(incident.name) == uid and _version(known) > _version(incident):
            return known
        self._known[incident.name] = incident
        self._uids[incident.name] = uid
        self._of[incident.application].add(incident.name)
        if known is None or known.resource_version != incident.resource_version:
            self._tell(incident, gone=False)
        return incident

    def _forget(self, name: str) -> None:
        incident = self._known.pop(name, None)
        self._uids.pop(name, None)
        if incident is not None:
            names = self._of[incident.application]
            names.discard(name)
            if not names:
                del self._of[incident.application]
            self._tell(incident, gone=True)

    def _tell(self, incident: Incident, *, gone: bool) -> None:
        for handler in self._handlers:
            handler(incident, gone)


def _only_the_incident(raw: dict[str, Any]) -> dict[str, Any]:
    """What the watch keeps of a record: who it is, and the incident, which is then the one kept here."""
    metadata = as_mapping(raw.get("metadata"))
    identity = {part: metadata.get(part) for part in ("namespace", "name", "uid", "resourceVersion")}
    return {"metadata": identity, "incident": read_record(raw)}


def _count(before: Incident | None, after: Incident) -> None:
    """What was written now, told once: whoever was slower has met a conflict and counts nothing."""
    if before is None:
        INCIDENTS_OPENED.labels(after.cause, "new").inc()
    elif after.is_open and not before.is_open:
        INCIDENTS_OPENED.labels(after.cause, "again").inc()
    if not after.is_open and (before is None or before.is_open):
        INCIDENTS_CLOSED.labels(after.cause, after.ending).inc()
        INCIDENT_REPAIR_SECONDS.labels(after.cause, after.ending).observe(seconds_to_repair(after))


def _uid_of(raw: Mapping[str, Any]) -> str:
    return as_text(as_mapping(raw.get("metadata")).get("uid"))


def _version(incident: Incident) -> int:
    """Resource versions of one kind on one server are ordered (KEP-5504); one that is no number is the oldest."""
    return int(incident.resource_version) if incident.resource_version.isdigit() else -1
