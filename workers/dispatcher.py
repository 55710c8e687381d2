"""Which kind of job is whose."""

from __future__ import annotations

from trueup.domain.job import Claim

from .consumer import Handler
from .context import Worker
from .pipeline import reconcile
from .repository import examine


def handler(worker: Worker) -> Handler:
    """What the consumer calls for each claim."""

    async def handle(claim: Claim) -> None:
        if claim.job.kind == "repository":
            await examine(worker, claim)
        else:
            await reconcile(worker, claim)

    return handle
