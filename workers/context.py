"""What a run needs at hand: made once at the start of the process, passed to every step."""

from __future__ import annotations

from dataclasses import dataclass, field

from trueup.clients.applications import ApplicationStore
from trueup.clients.cluster import Cluster
from trueup.clients.discovery import ApiResource
from trueup.clients.incidents import IncidentStore
from trueup.clients.queue import Lease, Queue
from trueup.clients.read_sets import ReadSetStore
from trueup.clients.seal import Sealer
from trueup.clients.view_shelf import ViewShelf
from trueup.domain.job import Claim
from trueup.domain.redact import Redactor
from trueup.engine.engine import Engine
from trueup.engine.readers import Readers
from trueup.settings import Settings

from .attribution import Attributions
from .rests import Rests
from .seen import Seen


@dataclass(frozen=True, slots=True)
class Worker:
    settings: Settings
    engine: Engine
    queue: Queue
    sealer: Sealer
    #: Every Application, kept by a watch; answers who follows a repository.
    applications: ApplicationStore
    #: What their renders have read, and where that is kept.
    readers: Readers
    read_sets: ReadSetStore
    #: How the API server serves Applications.
    application_resource: ApiResource
    seen: Seen
    rests: Rests
    #: Who wrote what differs.
    attributions: Attributions
    #: Where the answers of view jobs are left.
    views: ViewShelf
    #: The incidents on record; None where their kind is not installed.
    incidents: IncidentStore | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one job."""

    worker: Worker
    claim: Claim
    #: Asked before each write: a run that was paused past its lease has nothing to say any more.
    lease: Lease
    #: The cluster that the application is delivered to, once it is reached.
    reached: Cluster | None = None
    #: Knows every secret value that the run has met; nothing is said without it.
    redactor: Redactor = field(default_factory=Redactor)

    @property
    def destination(self) -> Cluster:
        """The cluster that was reached. Never home by default: what is delivered elsewhere must not end up there."""
        if self.reached is None:
            raise RuntimeError("the destination was not reached yet")
        return self.reached

    @property
    def is_last_attempt(self) -> bool:
        """Whether the job is a dead letter if this run fails."""
        return self.claim.attempt + 1 >= self.worker.settings.attempts_max
