"""The product on one page: one application, from Git's tree to a true cluster.

checkout → render → observe → compare → decide → sync → record, and when to look again.
"""

from __future__ import annotations

from datetime import datetime

import structlog

from trueup.domain.application import Application, ApplicationId
from trueup.domain.autosync import Comparison as Found
from trueup.domain.autosync import decide
from trueup.domain.errors import StalledError, SupersededError, TransientError
from trueup.domain.job import Claim, Priority, application_job
from trueup.domain.status import Condition
from trueup.engine.comparison import Comparison, hold_against
from trueup.telemetry import SYNCS

from . import outcome, record
from .clock import utc_now
from .context import Run, Worker
from .deletion import delete
from .sync import sync

log = structlog.get_logger()

#: Health that may yet become better without anybody's doing.
UNSETTLED = frozenset({"Progressing", "Missing"})


async def reconcile(worker: Worker, claim: Claim) -> None:
    """Bring one application's status, and where the policy or a person says so its objects, up to date."""
    run = Run(worker, claim)
    application = await record.read(worker, ApplicationId.parse(claim.job.subject))
    if application is None or application.skip_reconcile:
        return
    record.guard_token(application, claim.token)
    if application.deleting:
        await delete(run, application)
        return
    try:
        comparison = await compare(run, application)
    except SupersededError:
        raise
    except (TransientError, StalledError) as error:
        status = outcome.not_compared(application, error, now=utc_now())
        await record.write(run, application, status, ends_operation=isinstance(error, StalledError))
        raise _said_safely(error, run) from error
    decision = decide(application, _found(comparison), utc_now())
    if not decision.sync or (application.operation is None and comparison.revision == application.revision):
        # Nothing new to deliver: a difference has to be a real one before anybody is told or it is healed.
        comparison = await worker.engine.judged(comparison)
        decision = decide(application, _found(comparison), utc_now())
    log.info("compared", revision=comparison.revision, sync=comparison.sync_status, decision=decision.reason)
    if decision.sync:
        ended = await sync(run, application, comparison, decision)
        SYNCS.labels(ended.phase).inc()
        comparison, again = ended.comparison, ended.retry_after_seconds
        worker.engine.verdicts.remember(comparison)
    else:
        found = (Condition("SyncError", decision.error),) if decision.error else ()
        status = outcome.compared(application, comparison, now=utc_now(), found=found)
        application = await record.write(run, application, status)
        again = decision.retry_after_seconds
    await look_again(worker, application, comparison, again)


def _said_safely(error: TransientError | StalledError, run: Run) -> TransientError | StalledError:
    """The error as the log and the queue may keep it."""
    sentence = run.redactor.text(str(error))
    if isinstance(error, TransientError):
        return TransientError(sentence, retry_after_seconds=error.retry_after_seconds)
    return StalledError(sentence)


async def compare(run: Run, application: Application) -> Comparison:
    """Read Git, then the cluster, and hold one against the other."""
    engine, tip = run.worker.engine, run.claim.job.tip
    credentials = engine.credentials_of(application)
    for value in credentials.secret_values if credentials else ():
        run.redactor.add(value)
    await engine.refuse(application)
    revision = application.operation.revision if application.operation else None
    checkout = await engine.checkout(application, tip=tip, revision=revision)
    rendered = await engine.render(application, checkout)
    observed = await engine.observe(application, rendered)
    comparison = hold_against(application, checkout.revision, observed)
    comparison.teach(run.redactor)
    return comparison


def _found(comparison: Comparison) -> Found:
    """The comparison as the sync policy asks about it."""
    return Found(
        status=comparison.sync_status,
        revision=comparison.revision,
        has_changes=any(diff.status != "Synced" for diff in comparison.diffs.values()),
        wipes=not comparison.manifests and bool(comparison.leftovers),
    )


async def look_again(worker: Worker, application: Application, comparison: Comparison, again: float | None) -> None:
    """Enqueue the next look, where one is due without an event: a retry, or health on its way."""
    if again is None and comparison.health.status in UNSETTLED:
        again = _health_delay(worker, application, utc_now())
    if again is not None:
        job = application_job(application.id, Priority.DRIFT, tip=comparison.revision, delay_seconds=again)
        await worker.queue.enqueue([job])


def _health_delay(worker: Worker, application: Application, now: datetime) -> float | None:
    """As long as the health has been what it is: each wait doubles, without a counter to keep."""
    settings = worker.settings
    since = (application.status.get("health") or {}).get("lastTransitionTime")
    try:
        elapsed = (now - datetime.fromisoformat(since)).total_seconds() if since else 0.0
    except (TypeError, ValueError):
        elapsed = 0.0
    if elapsed > settings.health_recheck_total_seconds_max:
        return None
    return min(max(elapsed, settings.health_recheck_seconds_min), settings.health_recheck_seconds_max)
