"""The product on one page: one application, from Git's tree to a true cluster.

checkout → render → observe → compare → decide → sync → record, and when to look again.
"""

from __future__ import annotations

import contextlib
from datetime import datetime

import structlog

from trueup.domain.application import Application, ApplicationId
from trueup.domain.autosync import Comparison as Found
from trueup.domain.autosync import decide
from trueup.domain.errors import StalledError, SupersededError, TransientError, TrueupError
from trueup.domain.job import Priority, application_job
from trueup.domain.lenient import as_mapping
from trueup.domain.status import Condition
from trueup.engine.comparison import Comparison, hold_against
from trueup.telemetry import SYNCS, place_of

from . import outcome, record
from .clock import seconds_since, utc_now
from .context import Run, Worker
from .deletion import delete
from .sync import sync

log = structlog.get_logger()

#: Health that may yet become better without anybody's doing.
UNSETTLED = "Progressing"


async def reconcile(run: Run) -> None:
    """Bring one application's status, and where the policy or a person says so its objects, up to date."""
    try:
        await _reconcile(run)
    except (TransientError, StalledError) as error:
        raise _said_safely(error, run) from error
    except SupersededError:
        raise
    except Exception as error:
        if run.is_last_attempt:
            await _leave_word(run, error)
        raise


async def _reconcile(run: Run) -> None:
    worker = run.worker
    identity = ApplicationId.parse(run.claim.job.subject)
    if identity.namespace != worker.settings.namespace:
        # Whoever writes to Redis may say where to look, but not beyond the namespace that is ours.
        log.warning("a job for an Application of another namespace is dropped")
        return
    application = await record.read(worker, identity)
    if application is None or application.skip_reconcile:
        return
    record.guard_token(application, run.claim.token)
    if application.deleting:
        await delete(run, application)
        return
    ended = outcome.taken_away(application, now=utc_now())
    if ended is not None:
        application = await record.write(run, application, ended, ends_operation=True)
    try:
        comparison = await compare(run, application)
    except (TransientError, StalledError) as error:
        final = run.is_last_attempt or isinstance(error, StalledError)
        status = outcome.not_compared(application, error, now=utc_now(), token=run.claim.token if final else None)
        await record.write(run, application, status, ends_operation=final)
        raise
    decision = decide(application, _found(comparison), utc_now())
    if not decision.sync or (application.operation is None and comparison.revision == application.revision):
        # Nothing new to deliver: a difference has to be a real one before anybody is told or it is healed.
        comparison = await worker.engine.judged(comparison)
        decision = decide(application, _found(comparison), utc_now())
    log.info("compared", revision=comparison.revision, sync=comparison.sync_status, decision=decision.reason)
    if decision.sync:
        done = await sync(run, application, comparison, decision)
        SYNCS.labels(done.phase).inc()
        comparison, again = done.comparison, done.retry_after_seconds
        worker.engine.verdicts.remember(comparison)
        await look_again(worker, done.application, comparison, again, elsewhere=_is_elsewhere(application))
        return
    found = (Condition("SyncError", decision.error),) if decision.error else ()
    status = outcome.compared(application, comparison, now=utc_now(), found=found)
    application = await record.write(run, application, status)
    await look_again(worker, application, comparison, decision.retry_after_seconds)


def _is_elsewhere(application: Application) -> bool:
    """Whether the operation named a revision of its own, so that what is followed has yet to be compared."""
    return application.operation is not None and application.operation.revision is not None


async def _leave_word(run: Run, error: Exception) -> None:
    """The last try of a run that met an error nobody foresaw: say so where people look."""
    with contextlib.suppress(TrueupError):
        application = await record.read(run.worker, ApplicationId.parse(run.claim.job.subject))
        if application is not None:
            status = outcome.broken(application, f"{type(error).__name__} at {place_of(error)}", now=utc_now())
            await record.write(run, application, status)


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
    comparison = await engine.without_defaults(await hold_against(application, checkout.revision, observed))
    comparison.teach(run.redactor)
    return comparison


def _found(comparison: Comparison) -> Found:
    """The comparison as the sync policy asks about it."""
    return Found(
        status=comparison.sync_status,
        revision=comparison.revision,
        has_changes=comparison.has_changes,
        wipes=not comparison.manifests and bool(comparison.leftovers),
    )


async def look_again(
    worker: Worker, application: Application, comparison: Comparison, again: float | None, *, elsewhere: bool = False
) -> None:
    """Enqueue the next look, where one is due without an event: a retry, or health on its way.

    After a sync to a revision `elsewhere` it is due at once, and asks the remote for what is followed.
    """
    if again is None and elsewhere:
        await worker.queue.enqueue([application_job(application.id, Priority.DRIFT)])
        return
    if again is None and comparison.health.status == UNSETTLED:
        again = _health_delay(worker, application, utc_now())
    if again is not None:
        tip = "" if elsewhere else comparison.revision
        job = application_job(application.id, Priority.DRIFT, tip=tip, delay_seconds=again)
        await worker.queue.enqueue([job])


def _health_delay(worker: Worker, application: Application, now: datetime) -> float | None:
    """As long as the health has been what it is: each wait doubles, without a counter to keep."""
    settings = worker.settings
    health = as_mapping(application.status.get("health"))
    elapsed = seconds_since(health.get("lastTransitionTime"), now) or 0.0
    if elapsed > settings.health_recheck_total_seconds_max:
        return None
    return min(max(elapsed, settings.health_recheck_seconds_min), settings.health_recheck_seconds_max)
