"""The incidents on record, as one watch keeps them: for the API, the page, and the gauge of those that are open.

They are read alone, and nothing that is delivered hangs on them: where their kind is not installed, or may not be
read, the service runs on and says so.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from trueup.clients.api_errors import ForbiddenError, NotServedError, UnknownKindError
from trueup.clients.cluster import Cluster
from trueup.clients.incident_records import GROUP, KIND, read_record
from trueup.clients.informer import Informer
from trueup.domain.application import ApplicationId
from trueup.domain.errors import TrueupError
from trueup.domain.incident import Incident
from trueup.domain.lenient import as_mapping
from trueup.telemetry import INCIDENTS_OPEN

from .quiet import QuietLog

RETRY_SECONDS_MIN = 0.5
LOADING = "Incidents are still being loaded."
NOT_INSTALLED = f"The cluster has no kind {KIND} of {GROUP}, so no drift is on record; kubectl apply -f deploy/crds."
FORBIDDEN = f"The service may not list and watch {KIND} of {GROUP}; deploy/base/rbac.yaml grants it."
CAUSES = ("Drift", "Revision")

Raw = Mapping[str, Any]
#: Told of (before, after) of each incident that appears, changes or goes; None stands for one that is not there.
OnIncident = Callable[[Incident | None, Incident | None], None]


class Incidents:
    """Every incident of the namespace, newest first; a view that is never asked of the API server."""

    def __init__(self, cluster: Cluster, *, namespace: str, retry_seconds_max: float) -> None:
        """`retry_seconds_max` is the longest pause before a kind that cannot be read is asked for again."""
        self._cluster = cluster
        self._namespace = namespace
        self._retry_seconds_max = retry_seconds_max
        self._known: dict[str, Incident] = {}
        self._of: defaultdict[ApplicationId, set[str]] = defaultdict(set)
        self._open: Counter[str] = Counter()
        self._ordered: tuple[Incident, ...] | None = None
        self._handlers: list[OnIncident] = []
        self._quiet = QuietLog(__name__)
        #: Why they are not known here; empty where they are.
        self.problem = LOADING
        self._was_loaded = False

    def on_change(self, handler: OnIncident) -> None:
        """Call `handler` for every change from now on. It runs on the event loop: be quick."""
        self._handlers.append(handler)

    @property
    def is_loaded(self) -> bool:
        return not self.problem

    @property
    def open_ones(self) -> int:
        return self._open.total()

    def newest_first(self) -> tuple[Incident, ...]:
        """By when they opened; of two at one time the name decides, so that the order is always the same."""
        if self._ordered is None:
            self._ordered = tuple(sorted(self._known.values(), key=order_of, reverse=True))
        return self._ordered

    def get(self, name: str) -> Incident | None:
        return self._known.get(name)

    def of(self, application: ApplicationId) -> tuple[Incident, ...]:
        """Those of one application, newest first."""
        return tuple(sorted((self._known[name] for name in self._of.get(application, ())), key=order_of, reverse=True))

    async def run(self) -> None:
        """Keep them true until cancelled; while their kind is not to be had it is asked for now and then."""
        failures = 0
        while True:
            try:
                informer = await self._informer()
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._announce(informer))
                    await informer.run()
            except* TrueupError as errors:
                self._lose(next(each for each in errors.exceptions if isinstance(each, TrueupError)))
            failures = 0 if self._was_loaded else failures + 1
            self._was_loaded = False
            await asyncio.sleep(min(self._retry_seconds_max, RETRY_SECONDS_MIN * 2 ** min(failures, 32)))

    async def _informer(self) -> Informer:
        return Informer(
            self._cluster,
            await self._cluster.resource(GROUP, KIND),
            namespace=self._namespace,
            on_change=self._observe,
            transform=_only_the_incident,
            ends_on=(NotServedError, ForbiddenError),
        )

    async def _announce(self, informer: Informer) -> None:
        await informer.synced()
        self.problem, self._was_loaded = "", True
        self._count()

    def _lose(self, error: TrueupError) -> None:
        """What is no longer followed is not shown as if it were."""
        if isinstance(error, ForbiddenError):
            self.problem = FORBIDDEN
        elif isinstance(error, UnknownKindError | NotServedError):
            self.problem = NOT_INSTALLED
        else:
            self.problem = LOADING
        self._quiet.warning("incidents are not known", reason=str(error))
        for incident in tuple(self._known.values()):
            self._put(incident.name, None)
        self._count()

    def _observe(self, old: Raw | None, new: Raw | None) -> None:
        body = new if new is not None else old
        if body is None:
            return
        incident: Incident = body["incident"]
        self._put(incident.name, incident if new is not None else None)
        self._count()

    def _put(self, name: str, after: Incident | None) -> None:
        before = self._known.pop(name, None)
        if before is not None:
            self._of[before.application].discard(name)
            self._open[before.cause] -= before.is_open
            if not self._of[before.application]:
                del self._of[before.application]
        if after is not None:
            self._known[name] = after
            self._of[after.application].add(name)
            self._open[after.cause] += after.is_open
        self._ordered = None
        for handler in self._handlers:
            handler(before, after)

    def _count(self) -> None:
        """Nothing is said while nothing is known: no incident and no knowledge of any are not the same."""
        if not self.is_loaded:
            INCIDENTS_OPEN.clear()
            return
        for cause in CAUSES:
            INCIDENTS_OPEN.labels(cause).set(self._open[cause])


def order_of(incident: Incident) -> tuple[datetime, str]:
    """The place of an incident among all, oldest first: when it opened, and its name."""
    return incident.opened_at, incident.name


def _only_the_incident(raw: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a record: who it is, and the incident that it tells of."""
    metadata = as_mapping(raw.get("metadata"))
    identity = {part: metadata.get(part) for part in ("namespace", "name", "uid", "resourceVersion")}
    return {"metadata": identity, "incident": read_record(raw)}
