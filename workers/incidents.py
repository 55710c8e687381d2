"""The incident of an application, kept true to what each run found: opened, changed, closed.

Nothing of it may hold up a sync or fail one: a record that cannot be written is said in the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog

from trueup.clients.api_errors import ConflictError
from trueup.domain.application import Application
from trueup.domain.errors import TransientError, TrueupError
from trueup.domain.incident import Cause, DriftedObject, Ending, Found, Incident, closed, opened
from trueup.domain.lenient import as_mapping
from trueup.domain.shown import shown_field
from trueup.engine.comparison import Comparison

from .clock import utc_now
from .context import Run

log = structlog.get_logger()

CONFLICTS_MAX = 5
#: A record that an outage kept from being written is tried again after so long, twice as long each time.
OUTAGES_MAX = 4
OUTAGE_SECONDS_MIN = 0.2


def last_of(run: Run, application: Application) -> Incident | None:
    """The latest incident of the application, open or closed."""
    records = run.worker.incidents
    return records.latest(application.id, application.uid) if records is not None else None


def found_by(
    run: Run, application: Application, comparison: Comparison, *, trouble: str = "", before: Application
) -> Found:
    """What the comparison says, as it may be kept and shown. `before` is the Application as the run met it."""
    return Found(
        application=application.id,
        application_uid=application.uid,
        cluster=application.cluster or application.server,
        cause=_cause(before, comparison, last_of(run, application)),
        revision=comparison.revision,
        objects=_objects(run, comparison),
        scope=comparison.looked_at,
        self_heals=bool(application.automated and application.automated.self_heal),
        trouble=run.redactor.text(trouble),
    )


def _cause(before: Application, comparison: Comparison, last: Incident | None) -> Cause:
    """Drift is what differs from a revision that the application had been true to."""
    if before.revision != comparison.revision:
        return "Revision"
    if last is not None and last.is_open:
        return last.cause
    was = as_mapping(before.status.get("sync")).get("status")
    return "Drift" if was == "Synced" else "Revision"


def _objects(run: Run, comparison: Comparison) -> tuple[DriftedObject, ...]:
    found = {key: DriftedObject(key, "Unwanted") for key in comparison.leftovers}
    for key, diff in comparison.diffs.items():
        if diff.status != "Synced":
            fields = tuple(shown_field(change, key, run.redactor) for change in diff.changes)
            found[key] = DriftedObject(key, diff.status, fields)
    for key in comparison.foreign:
        found.setdefault(key, DriftedObject(key, "OutOfSync"))
    return tuple(found[key] for key in sorted(found))


async def note(
    run: Run,
    application: Application,
    comparison: Comparison,
    *,
    ending: Ending,
    trouble: str = "",
    before: Application,
) -> None:
    """Keep what the run came to: an incident where it is OutOfSync, the end of one where it is Synced."""
    now = utc_now()
    found = found_by(run, application, comparison, trouble=trouble, before=before)

    def after(last: Incident | None) -> Incident | None:
        if comparison.sync_status == "OutOfSync":
            return opened(last, found, now)
        if comparison.sync_status == "Synced" and last is not None and last.is_open:
            return closed(last, ending, now)
        return last

    await _keep(run, application, after)


@asynccontextmanager
async def opening(run: Run, application: Application, found: Found | None) -> AsyncIterator[None]:
    """Record the incident beside the healing that the block does, so that neither waits for the other."""
    now = utc_now()

    def after(last: Incident | None) -> Incident | None:
        return opened(last, found, now) if found is not None else last

    recording = asyncio.create_task(_keep(run, application, after))
    try:
        yield
    finally:
        await recording


async def _keep(run: Run, application: Application, after: Callable[[Incident | None], Incident | None]) -> None:
    records = run.worker.incidents
    if records is None:
        return
    conflicts = outages = 0
    while conflicts < CONFLICTS_MAX:
        last = records.latest(application.id, application.uid)
        incident = after(last)
        if incident is None or incident is last:
            return
        try:
            await records.save(incident)
        except ConflictError:
            conflicts += 1
        except TrueupError as error:
            outages += 1
            if outages > OUTAGES_MAX or not isinstance(error, TransientError):
                log.warning("the incident is not recorded", reason=str(error))
                return
            await asyncio.sleep(OUTAGE_SECONDS_MIN * 2 ** (outages - 1))
        else:
            return
    log.warning("the incident changes faster than it can be written")
