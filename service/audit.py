"""`POST /api/audit`: batches of audit events, as an API server's webhook backend sends them.

Format: `EventList` of `audit.k8s.io/v1`. Of the writes of objects that Applications own, what says who wrote is
handed to the workers, sealed, through Redis; nothing else is kept. An event changes no job and no verdict: it
only ever names somebody. It is answered 200 once Redis has it, so that the API server tries again until then.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic, time
from typing import Any

import orjson
from aiohttp import web

from trueup.clients.applications import ApplicationStore
from trueup.clients.audit_stream import AuditStream
from trueup.clients.cluster_book import ClusterBook
from trueup.clients.inventories import ClusterInventory
from trueup.domain.application import HOME_SERVER
from trueup.domain.audit import AuditRecord, Identity, read_event
from trueup.domain.errors import TrueupError
from trueup.domain.lenient import as_mapping
from trueup.telemetry import AUDIT_DELIVERIES, AUDIT_EVENTS

from .answers import RefusedError, answer, refusal
from .audit_kinds import AuditKinds
from .audit_secrets import AUDIT_SECRET, TOKEN_KEY, AuditTokens, SealingKey, given_token
from .body import BodyReader
from .quiet import QuietLog

AUDIT_PATH = "/api/audit"
#: A body over this is parsed beside the event loop.
PARSED_INLINE_BYTES_MAX = 256 * 1024
#: For so long events are read in one piece: one may be as long as a whole body.
SECONDS_BETWEEN_PAUSES = 0.005
RETRY_AFTER_SECONDS = 2
CLOSED = (
    f"Audit events are not taken: make the Secret {AUDIT_SECRET} in Trueup's namespace, with a token of your choosing "
    f"under {TOKEN_KEY}, and send it as a bearer token or as a password. docs/audit.md has the steps."
)
#: The same for a cluster that is not there and for a wrong token: a stranger learns no cluster's name.
NO_ENTRY = (
    f"This is no token for this cluster: the Secret {AUDIT_SECRET} has them, under {TOKEN_KEY} for the home cluster "
    f"and under {TOKEN_KEY}.NAME for another one, NAME being that of its Secret."
)


@dataclass(frozen=True, slots=True)
class AuditBounds:
    events_per_batch_max: int
    event_age_seconds_max: float
    #: Events whose ids are remembered, so that a repeated batch costs nothing.
    events_remembered_max: int


class AuditReceiver:
    """The audit endpoint."""

    def __init__(
        self,
        stream: AuditStream,
        applications: ApplicationStore,
        clusters: ClusterBook,
        bodies: BodyReader,
        *,
        bounds: AuditBounds,
        is_loaded: Callable[[], bool],
    ) -> None:
        """`is_loaded` says whether `applications`, the tokens and the key are complete."""
        self._stream = stream
        self._applications = applications
        self._clusters = clusters
        self._bodies = bodies
        self._bounds = bounds
        self._is_loaded = is_loaded
        self.tokens = AuditTokens()
        self.key = SealingKey()
        self._kinds: dict[str, AuditKinds] = {}
        self._known: OrderedDict[tuple[str, Identity], None] = OrderedDict()
        self._log = QuietLog(__name__)

    async def receive(self, request: web.Request) -> web.Response:
        """`POST /api/audit` and `POST /api/audit/{cluster}`. Every answer is counted."""
        try:
            response = await self._receive(request, request.match_info.get("cluster", ""))
        except RefusedError as error:
            response = refusal(error)
        except Exception:
            AUDIT_DELIVERIES.labels("500").inc()
            raise
        AUDIT_DELIVERIES.labels(str(response.status)).inc()
        return response

    async def _receive(self, request: web.Request, cluster: str) -> web.Response:
        if not self._is_loaded():
            raise RefusedError(503, "Applications are still being loaded.", retry_after_seconds=RETRY_AFTER_SECONDS)
        server = self._admitted(request, cluster)
        sealer = self.key.sealer
        if sealer is None:
            raise RefusedError(
                503,
                "There is no key yet that events could be sealed with; a worker makes it at its first start.",
                retry_after_seconds=RETRY_AFTER_SECONDS,
                close=True,
            )
        async with self._bodies.body_of(request) as body:
            events = await self._events(body)
        counts: Counter[str] = Counter()
        records = await self._writes(server, events, counts)
        if records:
            try:
                await self._stream.add(sealer, server, records)
            except TrueupError as error:
                self._log.warning("audit events are not handed over", error=str(error))
                raise RefusedError(
                    503, "Redis does not take the events now.", retry_after_seconds=RETRY_AFTER_SECONDS
                ) from error
        self._remember(server, records)
        for outcome, count in counts.items():
            AUDIT_EVENTS.labels(outcome).inc(count)
        return answer(200, {"status": "taken", "events": len(events), **counts})

    def _admitted(self, request: web.Request, cluster: str) -> str:
        """The server of the cluster that the sender may speak for."""
        if not self.tokens.is_there:
            raise RefusedError(403, CLOSED, close=True)
        given = given_token(request.headers.get("Authorization", ""))
        server = self._clusters().server_named(cluster) if cluster else HOME_SERVER
        if given is None or not self.tokens.opens(cluster, given) or not server:
            self._log.warning("audit events of a stranger", peer=request.remote or "", cluster=cluster[:100])
            raise RefusedError(401, NO_ENTRY, close=True)
        return server

    async def _events(self, body: bytes) -> Sequence[Any]:
        try:
            raw = (
                orjson.loads(body)
                if len(body) <= PARSED_INLINE_BYTES_MAX
                else await asyncio.to_thread(orjson.loads, body)
            )
        except orjson.JSONDecodeError as error:
            raise RefusedError(400, "The body is not JSON.") from error
        batch = as_mapping(raw)
        events = batch.get("items")
        if batch.get("kind") != "EventList" or not isinstance(events, list):
            raise RefusedError(400, "The body is not an EventList of audit.k8s.io/v1.")
        if batch.get("apiVersion") != "audit.k8s.io/v1":
            raise RefusedError(400, "Only audit.k8s.io/v1 is read; leave --audit-webhook-version at its default.")
        if len(events) > self._bounds.events_per_batch_max:
            limit = self._bounds.events_per_batch_max
            raise RefusedError(413, f"A batch may have {limit} events at the most; see --audit-webhook-batch-max-size.")
        return events

    async def _writes(self, server: str, events: Sequence[Any], counts: Counter[str]) -> list[AuditRecord]:
        """The writes of what Applications own there; what became of each event is counted."""
        owned = self._applications.inventories.of(server)
        kinds = self._kinds.setdefault(server, AuditKinds())
        found: dict[Identity, AuditRecord] = {}
        paused_at = monotonic()
        for event in events:
            if monotonic() - paused_at >= SECONDS_BETWEEN_PAUSES:
                await asyncio.sleep(0)
                paused_at = monotonic()
            kinds.learn(as_mapping(event))
            record = read_event(event, lambda group, resource: kinds.kind_of(group, resource, owned.kinds()))
            if not isinstance(record, AuditRecord):
                counts[record] += 1
                continue
            outcome = "repeated" if record.identity in found else self._outcome(server, owned, record)
            counts[outcome] += 1
            if outcome == "kept":
                found[record.identity] = record
        return list(found.values())

    def _outcome(self, server: str, owned: ClusterInventory, record: AuditRecord) -> str:
        if abs(time() - record.completed_at) > self._bounds.event_age_seconds_max:
            return "old"
        if (server, record.identity) in self._known:
            return "repeated"
        key = record.key
        is_owned = bool(owned.owners(key)) if key.name else (key.group, key.kind) in owned.kinds()
        return "kept" if is_owned else "foreign"

    def _remember(self, server: str, records: Sequence[AuditRecord]) -> None:
        for record in records:
            self._known[server, record.identity] = None
        while len(self._known) > self._bounds.events_remembered_max:
            self._known.popitem(last=False)
