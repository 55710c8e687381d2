"""A view job: render and compare without writing, and leave an answer that people may see.

Nothing of it reaches the Application or the cluster. It looks at the revision that was compared last, so that the
page shows what the status speaks of, and at live as it is now.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import orjson
import structlog

from trueup.clients.view_shelf import sealed_for
from trueup.domain.application import HOME_SERVER, Application, ApplicationId
from trueup.domain.application_view import ApplicationView, deployments_of, view_as_json
from trueup.domain.attribution_on_record import as_on_record, on_record
from trueup.domain.diff import ObjectDiff
from trueup.domain.diffview.build import view_of
from trueup.domain.diffview.model import ObjectView
from trueup.domain.errors import SupersededError, TrueupError
from trueup.engine.compared import compared
from trueup.engine.comparison import Comparison
from trueup.telemetry import place_of

from . import incidents, record
from .clock import utc_now
from .context import Run
from .pipeline import reach

log = structlog.get_logger()


async def view(run: Run) -> None:
    """Answer every look that the job names. What goes wrong is an answer too: nobody looks again by itself."""
    worker, identity = run.worker, ApplicationId.parse(run.claim.job.subject)
    if identity.namespace != worker.settings.namespace:
        # Whoever writes to Redis may say where to look, but not beyond the namespace that is ours.
        log.warning("a view of an Application of another namespace is dropped")
        return
    application = await record.read(worker, identity)
    if application is None:
        return
    answer = await _answer(run, application)
    text = await fitting(answer, worker.views.bounds.answer_bytes_max)
    await worker.views.put(identity, sealed_for(worker.sealer, identity, application.uid, text))


async def _answer(run: Run, application: Application) -> ApplicationView:
    answers, seconds_max = run.claim.job.scope.members, run.worker.settings.view_run_seconds_max
    now = utc_now()
    deployments = deployments_of(application.status)
    if not application.revision:
        return ApplicationView(answers, "", now, deployments=deployments, trouble="it was not compared yet")
    try:
        async with asyncio.timeout(seconds_max), AsyncExitStack() as stack:
            reached = await reach(run, application, stack)
            comparison = await _compared(reached, application)
            objects, left_out = await _objects(reached, application, comparison)
    except SupersededError:
        raise
    except TrueupError as error:
        trouble = run.redactor.text(str(error))
    except TimeoutError:
        trouble = f"desired and live could not be compared within {seconds_max:g} s"
    except Exception as error:  # noqa: BLE001 -- said to whoever looks; a view is not worth a second try
        # What the error says may hold values of Secrets; its class and its place do not.
        log.error("a view met an error that nobody foresaw", error=type(error).__name__, place=place_of(error))  # noqa: TRY400
        trouble = f"a fault of Trueup: {type(error).__name__} at {place_of(error)}"
    else:
        return ApplicationView(answers, comparison.revision, now, objects, left_out, deployments)
    return ApplicationView(answers, application.revision, now, deployments=deployments, trouble=trouble)


async def _compared(run: Run, application: Application) -> Comparison:
    engine, cluster = run.worker.engine, run.destination
    sources = await engine.checkout_recorded(application)
    if sources is None:
        sources = await engine.checkout(application, revisions=application.revisions)
    _, comparison = await compared(engine, cluster, application, sources)
    await comparison.teach_beside(run.redactor)
    return comparison


async def _objects(run: Run, application: Application, comparison: Comparison) -> tuple[tuple[ObjectView, ...], int]:
    """The first of what differs, and how many more there are. Beside the loop: values may be large."""
    leftovers = set(comparison.leftovers)
    changed = {key for key, diff in comparison.diffs.items() if diff.status != "Synced" or diff.changes}
    keys = sorted(changed | leftovers | comparison.foreign.keys())
    recorded = on_record(incidents.last_of(run, application))
    shown, server = [], comparison.server or HOME_SERVER
    objects_max = run.worker.settings.view_objects_max
    for key in keys[:objects_max]:
        # One that another application delivers need not differ; one that Git does not want has no manifest.
        diff, live = comparison.diffs.get(key) or ObjectDiff(key, "OutOfSync"), comparison.live.get(key)
        heard = run.worker.attributions.attributed(diff.changes, live, key, server)
        who = as_on_record(diff, recorded.get(key), run.redactor, heard)
        # Large values take their time, and the loop has leases to renew.
        shown.append(await asyncio.to_thread(view_of, diff, comparison.manifests.get(key), live, run.redactor, who))
    return tuple(shown), max(0, len(keys) - objects_max)


async def fitting(answer: ApplicationView, bytes_max: int) -> str:
    """The answer as text, with fewer objects where it would be too long."""
    while True:
        text = orjson.dumps(view_as_json(answer))
        if len(text) <= bytes_max or not answer.objects:
            return text.decode()
        answer = answer.shortened()
        await asyncio.sleep(0)
