"""What a run needs at hand: made once at the start of the process, passed to every step."""

from __future__ import annotations

from dataclasses import dataclass

from trueup.clients.applications import ApplicationStore
from trueup.clients.discovery import ApiResource
from trueup.clients.queue import Queue
from trueup.clients.seal import Sealer
from trueup.engine.engine import Engine
from trueup.settings import Settings


@dataclass(frozen=True, slots=True)
class Worker:
    settings: Settings
    engine: Engine
    queue: Queue
    sealer: Sealer
    #: Every Application, kept by a watch; answers who follows a repository.
    applications: ApplicationStore
    #: How the API server serves Applications.
    application_resource: ApiResource
