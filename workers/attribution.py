"""Whom the API server's audit log names for what differs: at once where its event is there, and afterwards where not.

The event of an edit comes some milliseconds after the edit, and the comparison may be faster. So what was recorded
without a sure name is remembered for a while, without its values; an event that fits brings the record up to date
beside the jobs, without another comparison.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import structlog

from trueup.clients.api_errors import ConflictError
from trueup.clients.audit_stream import Heard
from trueup.clients.cluster import Cluster
from trueup.clients.identity import own_user
from trueup.clients.incidents import IncidentStore
from trueup.domain.application import HOME_SERVER, ApplicationId
from trueup.domain.attributing import Place, Seen, attributed
from trueup.domain.attribution import Attribution
from trueup.domain.audit_log import AuditLog, AuditLogBounds, names_of
from trueup.domain.diff import Change
from trueup.domain.errors import TrueupError
from trueup.domain.fieldpath import Path, show
from trueup.domain.incident import FIELDS_MAX, Found
from trueup.domain.incident_story import named, with_names
from trueup.domain.resource import Body, ResourceKey
from trueup.telemetry import AUDIT_NAMED

from .clock import utc_now

log = structlog.get_logger(__name__)

#: Of an object that is missing: who deleted it stands for the object as a whole.
WHOLE: Path = ()
#: For so long a name may still come. An API server sends its events every 30 s by itself, and again after errors.
AWAITED_SECONDS_MAX = 300.0
CONFLICTS_MAX = 5


@dataclass(frozen=True, slots=True)
class Awaited:
    """An object whose drift is on record without a sure name for each place."""

    application: ApplicationId
    uid: str
    server: str
    key: ResourceKey
    seen: Seen
    places: tuple[Place, ...]
    #: By the loop's clock.
    since: float


class Attributions:
    """What one worker process knows of who writes. Not safe for several threads; an event loop is one."""

    def __init__(
        self, incidents: IncidentStore | None = None, *, bounds: AuditLogBounds | None = None, awaited_max: int = 1_000
    ) -> None:
        self._incidents = incidents
        self._log = AuditLog(bounds)
        self._awaited_max = awaited_max
        #: Oldest first.
        self._awaited: OrderedDict[tuple[ApplicationId, ResourceKey], Awaited] = OrderedDict()
        #: Applications of which a name may have become known.
        self._due: set[ApplicationId] = set()
        self._changed = asyncio.Event()
        #: By server, what the API server calls us: our own writes are nobody's drift.
        self._own_users: dict[str, str] = {}
        self._servers: set[str] = set()

    def attributed(
        self, changes: Iterable[Change], live: Body | None, key: ResourceKey, server: str = HOME_SERVER
    ) -> Mapping[Path, Attribution]:
        """Who wrote each of the first FIELDS_MAX places last; of a missing object who deleted it, under the empty path.

        Of what comes after them the live object's own managers have to tell: each place takes a look at each event.
        """
        places = _places(islice(changes, FIELDS_MAX), live)
        return {place.path: found for place, found in self._found(places, Seen.of(live), key, server)}

    async def know_self(self, server: str, cluster: Cluster) -> None:
        """Ask an API server that sends audit events once what it calls us; one that does not answer is asked again."""
        if server in self._servers and server not in self._own_users:
            try:
                self._own_users[server] = await own_user(cluster)
            except TrueupError as error:
                log.warning("our own writes are not told from others'", server=cluster.name, reason=str(error))

    def expect(
        self, application: ApplicationId, uid: str, server: str, key: ResourceKey, places: Sequence[Place], seen: Seen
    ) -> None:
        """An object is about to be recorded: bring its record up to date where a name, or a surer one, is heard."""
        place = (application, key)
        self._awaited.pop(place, None)
        now = asyncio.get_running_loop().time()
        self._awaited[place] = Awaited(application, uid, server, key, seen, tuple(places[:FIELDS_MAX]), now)
        while self._awaited and (len(self._awaited) > self._awaited_max or self._oldest_is_over_at() < now):
            self._awaited.popitem(last=False)

    def renewed(self, found: Found) -> Found:
        """What was found, with the names that were heard since it was compared."""
        return replace(found, objects=with_names(found.objects, self._known(found.application)))

    def recorded(self, application: ApplicationId) -> None:
        """Its incident is on record now: what was heard since it was compared may be added."""
        if any(identity == application for identity, _ in self._awaited):
            self._due.add(application)
            self._changed.set()

    def heard(self, news: Heard) -> None:
        """Remember what an API server says was written there."""
        now = utc_now().timestamp()
        fresh = [record for record in news.records if self._log.add(news.server, record, now)]
        if not fresh:
            return
        self._servers.add(news.server)
        written = {record.key for record in fresh}
        for awaited in self._awaited.values():
            if awaited.server == news.server and not written.isdisjoint(names_of(awaited.key)):
                self._due.add(awaited.application)
                self._changed.set()

    async def run(self) -> None:
        """Bring records up to date until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._due:
                application = self._due.pop()
                try:
                    await self._name(application)
                except TrueupError as error:
                    log.warning("who drifted is not on record", application=str(application), reason=str(error))

    async def _name(self, application: ApplicationId) -> None:
        for attempt in range(CONFLICTS_MAX):
            uid = next((each.uid for (identity, _), each in self._awaited.items() if identity == application), "")
            incident = self._incidents.latest(application, uid) if self._incidents else None
            if incident is None or self._incidents is None:
                return
            after = named(incident, self._known(application), utc_now())
            if after is incident:
                return
            try:
                await self._incidents.save(after)
            except ConflictError:
                if attempt + 1 == CONFLICTS_MAX:
                    raise
            else:
                AUDIT_NAMED.inc()
                return

    def _known(self, application: ApplicationId) -> Mapping[tuple[ResourceKey, str], Attribution]:
        """What is known by now of the places of the application that are awaited."""
        return {
            (each.key, show(place.path)): found
            for (identity, _), each in self._awaited.items()
            if identity == application
            for place, found in self._found(each.places, each.seen, each.key, each.server)
        }

    def _found(
        self, places: Collection[Place], seen: Seen, key: ResourceKey, server: str
    ) -> list[tuple[Place, Attribution]]:
        own, events = self._own_users.get(server, ""), self._log.of(server, key)
        return [(place, attributed(place, seen, events, own_user=own)) for place in places]

    def _oldest_is_over_at(self) -> float:
        return next(iter(self._awaited.values())).since + AWAITED_SECONDS_MAX


def _places(changes: Iterable[Change], live: Body | None) -> list[Place]:
    return [Place(WHOLE)] if live is None else [Place.of(change) for change in changes]
