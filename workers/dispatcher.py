"""Which kind of job is whose."""

from __future__ import annotations

from trueup.clients.queue import Lease
from trueup.domain.job import Claim

from .consumer import Handler
from .context import Run, Worker
from .pipeline import reconcile
from .repository import examine


def handler(worker: Worker) -> Handler:
    """What the consumer calls for each claim."""

    async def handle(claim: Claim, lease: Lease) -> None:
        if claim.job.kind == "repository":
            await examine(worker, claim)
        else:
            await reconcile(Run(worker, claim, lease))

    return handle
