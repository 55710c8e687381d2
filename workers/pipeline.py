"""The product on one page: one application, from Git's tree to a true cluster.

checkout → render → observe → compare → decide → sync → record → the incident, and when to try again.
"""

from __future__ import annotations

import contextlib
from contextlib import AsyncExitStack
from dataclasses import replace

import structlog

from trueup.domain import incident, incident_story
from trueup.domain.application import Application, ApplicationId
from trueup.domain.autosync import Situation, SyncDecision, decide
from trueup.domain.errors import (
    ClusterAwayError,
    ClusterBusyError,
    StalledError,
    SupersededError,
    TransientError,
    TrueupError,
)
from trueup.domain.job import EVERY_LIVE_OBJECT, Priority, application_job
from trueup.domain.standing import may_be_looked_at_in_part
from trueup.domain.status import Condition
from trueup.engine.comparison import Comparison
from trueup.telemetry import SYNCS, place_of

from . import incidents, outcome, record
from .clock import utc_now
from .compare import compare, scope_of
from .context import Run
from .deletion import delete
from .sync import sync

log = structlog.get_logger()


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
    if run.claim.attempt == 0 and worker.seen.covers(identity, run.claim.job.scope):
        log.debug("seen already")
        return
    seen_before = worker.seen.take(identity)
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
    async with AsyncExitStack() as stack:
        try:
            run = await reach(run, application, stack)
            comparison = await compare(run, application)
        except ClusterBusyError:
            raise
        except (TransientError, StalledError) as error:
            await _not_compared(run, application, error)
            raise
        comparison, found, decision = await _decided(run, application, comparison)
        log.info("compared", revision=comparison.revision, sync=comparison.sync_status, decision=decision.reason)
        compared = comparison
        if decision.sync:
            comparison, again = await _synced(run, application, compared, found, decision)
        else:
            again = decision.retry_after_seconds
            await _left(run, application, comparison, decision)
    if again is None:
        written = [key for key, body in comparison.live.items() if body is not compared.live.get(key)]
        worker.seen.leave(identity, comparison, seen_before, written)


async def reach(run: Run, application: Application, stack: AsyncExitStack) -> Run:
    """The run with the cluster that the application is delivered to, held for as long as the stack lasts."""
    engine = run.worker.engine
    for value in engine.secret_values_of(application):
        run.redactor.add(value)
    await engine.refuse(application)
    return replace(run, reached=await stack.enter_async_context(engine.clusters.reached(application)))


async def _not_compared(run: Run, application: Application, error: TransientError | StalledError) -> None:
    """Say why, and end what was asked for where nobody will try it again."""
    lasts = isinstance(error, TransientError) and (isinstance(error, ClusterAwayError) or not run.is_last_attempt)
    token = None if lasts else run.claim.token
    status = outcome.not_compared(application, error, now=utc_now(), token=token)
    await record.write(run, application, status, ends_operation=not lasts)


async def _decided(
    run: Run, application: Application, comparison: Comparison
) -> tuple[Comparison, incident.Found | None, SyncDecision]:
    """What is to be done. Where Git brought nothing new a difference has to be a real one first.

    What was found is worked out where it may be healed; a push that is synced shows nothing to anybody.
    """
    brings_news = application.operation is not None or comparison.revision != application.revision
    if not (brings_news and comparison.sync_status == "OutOfSync"):
        comparison = await run.worker.engine.judged(run.destination, comparison)
    now, found, war = utc_now(), None, None
    heals = application.automated is not None and application.automated.self_heal
    if heals and comparison.sync_status == "OutOfSync" and comparison.revision == application.revision:
        found = await incidents.found_by(run, application, comparison)
        story = incident_story.opened(incidents.last_of(run, application), found, now)
        war = incident_story.war(story, now, flips_per_minute_max=run.worker.settings.drift_flips_per_minute_max)
    situation = Situation(
        status=comparison.sync_status,
        revision=comparison.revision,
        has_changes=comparison.has_changes,
        wipes=not comparison.manifests and bool(comparison.leftovers),
        drifted=incidents.cause_of(application, comparison) == "Drift",
        war=str(war) if war else "",
    )
    decision = decide(application, situation, now)
    if not decision.sync and brings_news:
        comparison = await run.worker.engine.judged(run.destination, comparison)
        decision = decide(application, replace(situation, status=comparison.sync_status), now)
    return comparison, found, decision


async def _synced(
    run: Run, application: Application, comparison: Comparison, found: incident.Found | None, decision: SyncDecision
) -> tuple[Comparison, float | None]:
    """Deliver, and tell of it: of a push nothing, unless it failed; of drift that it was there and is no more.

    Returns what there is afterwards, and after how many seconds the next try is due, if any.
    """
    heals = decision.self_heal_attempts > 0
    async with incidents.opening(run, found if heals else None) as recording:
        done = await sync(run, application, comparison, decision)
    SYNCS.labels(done.phase).inc()
    run.worker.engine.verdicts.remember(done.comparison)
    ending: incident.Ending = "SelfHealed" if heals else "Synced"
    trouble = done.message if done.phase == "Failed" else ""
    elsewhere = application.operation is not None and bool(application.operation.revisions)
    await look_again(run, done.application, done.comparison, done.retry_after_seconds, elsewhere=elsewhere)
    lost = found if recording.failed else None
    await incidents.note(run, application, done.comparison, ending=ending, trouble=trouble, unrecorded=lost)
    return done.comparison, done.retry_after_seconds


async def _left(run: Run, before: Application, comparison: Comparison, decision: SyncDecision) -> None:
    """Say what was found, and leave the cluster as it is.

    While a sync waits for its next try, what was said of the try before stands.
    """
    said = tuple(
        Condition(kind, text)
        for kind, text in (("SyncError", decision.error), ("DriftWarning", decision.warning))
        if text
    )
    if before.operation is not None and before.operation.dry_run:
        status = dict(before.status)
    else:
        status = outcome.compared(before, comparison, now=utc_now(), found=None if decision.pending else said)
    application = await record.write(run, before, status)
    ending: incident.Ending = "Reverted" if before.revision == comparison.revision else "Accepted"
    if run.claim.attempt > 0 and (ended_by := outcome.ended_by(before, comparison.revision)):
        # The run before this one delivered, and could not put the end on record.
        ending = ended_by
    trouble = decision.error or decision.warning
    await look_again(run, application, comparison, decision.retry_after_seconds)
    await incidents.note(run, before, comparison, ending=ending, trouble=trouble)


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
        kind = next((each for each in (ClusterAwayError, ClusterBusyError) if isinstance(error, each)), TransientError)
        return kind(sentence, retry_after_seconds=error.retry_after_seconds)
    return StalledError(sentence)


async def look_again(
    run: Run, application: Application, comparison: Comparison, again: float | None, *, elsewhere: bool = False
) -> None:
    """Enqueue the next try, where one is due without an event.

    After a sync to a revision `elsewhere` it is due at once, and asks the remote for what is followed.
    """
    if elsewhere:
        await run.worker.queue.enqueue([application_job(application.id, Priority.DRIFT, delay_seconds=again or 0.0)])
    elif again is not None:
        # No tip: one that a push has brought meanwhile must not be replaced by an older one.
        scope = scope_of(comparison) if may_be_looked_at_in_part(application) else EVERY_LIVE_OBJECT
        job = application_job(application.id, Priority.DRIFT, scope=scope, delay_seconds=again)
        await run.worker.queue.enqueue([job])
