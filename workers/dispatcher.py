"""Which kind of job is whose."""

from __future__ import annotations

from time import monotonic

from trueup.clients.queue import Lease
from trueup.domain.job import Claim

from .consumer import Handler
from .context import Run, Worker
from .pipeline import reconcile
from .repository import examine
from .view import view


def handler(worker: Worker) -> Handler:
    """What the consumer calls for each claim."""

    async def handle(claim: Claim, lease: Lease) -> float:
        if claim.job.kind == "repository":
            moved = await examine(worker, claim)
            return worker.rests.after_look(claim.job.subject, monotonic(), moved=moved)
        run = Run(worker, claim, lease)
        await (view(run) if claim.job.kind == "view" else reconcile(run))
        return 0.0

    return handle
