"""The incident of an application, kept true to what each run found: opened, changed, closed.

Nothing of it may hold up a sync or fail one: what cannot be written is tried again once the sync is recorded.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from trueup.clients.api_errors import ConflictError, NotServedError, UnknownKindError
from trueup.clients.incidents import IncidentStore
from trueup.domain.application import HOME_SERVER, Application
from trueup.domain.attributing import Place, Seen
from trueup.domain.attribution import UNKNOWN
from trueup.domain.errors import TransientError, TrueupError
from trueup.domain.incident import (
    FIELDS_MAX,
    OBJECTS_MAX,
    Cause,
    DriftedObject,
    Ending,
    Found,
    Incident,
)
from trueup.domain.incident_story import closed, opened
from trueup.domain.lenient import as_mapping
from trueup.domain.resource import ResourceKey
from trueup.domain.shown import shown_field
from trueup.domain.status import was_true
from trueup.engine.comparison import Comparison

from .attribution import WHOLE
from .clock import utc_now
from .context import Run

log = structlog.get_logger()

CONFLICTS_MAX = 5


@dataclass(slots=True)
class Recording:
    """Whether what was to be recorded beside a healing stands on record."""

    failed: bool = False


def last_of(run: Run, application: Application) -> Incident | None:
    """The latest incident of the application, open or closed."""
    records = run.worker.incidents
    return records.latest(application.id, application.uid) if records is not None else None


def cause_of(before: Application, comparison: Comparison) -> Cause:
    """Drift is what differs from a revision that the application had been true to.

    That is read from the Application as the run met it, never from a record: whether a person's edit
    is overwritten hangs on it.
    """
    return "Drift" if was_true(before, comparison.revision) else "Revision"


async def found_by(run: Run, before: Application, comparison: Comparison, *, trouble: str = "") -> Found:
    """What the comparison says, as it may be kept and shown. `before` is the Application as the run met it."""
    server = comparison.server or HOME_SERVER
    if run.reached is not None:
        await run.worker.attributions.know_self(server, run.reached)
    objects, left_out = await _objects(run, before, comparison, server)
    return Found(
        application=before.id,
        application_uid=before.uid,
        cluster=before.cluster or before.server,
        cause=cause_of(before, comparison),
        revision=comparison.revision,
        objects=objects,
        objects_left_out=left_out,
        scope=comparison.looked_at,
        self_heals=bool(before.automated and before.automated.self_heal),
        trouble=run.redactor.text(trouble),
    )


async def _objects(
    run: Run, before: Application, comparison: Comparison, server: str
) -> tuple[tuple[DriftedObject, ...], int]:
    """The first of what differs, and how many more there are. Gives way between objects: values may be large."""
    changed = {key for key, diff in comparison.diffs.items() if diff.status != "Synced"}
    leftovers = set(comparison.unwanted)
    keys = sorted(leftovers | changed | comparison.foreign.keys())
    shown = []
    for key in keys[:OBJECTS_MAX]:
        item = _object(run, comparison, key, server, unwanted=key in leftovers)
        shown.append(item)
        if item.fields or item.status == "Missing":
            changes, live = comparison.diffs[key].changes, comparison.live.get(key)
            places = [Place.of(change) for change in changes] or [Place(WHOLE)]
            run.worker.attributions.expect(before.id, before.uid, server, key, places, Seen.of(live))
        await asyncio.sleep(0)
    return tuple(shown), max(0, len(keys) - OBJECTS_MAX)


def _object(run: Run, comparison: Comparison, key: ResourceKey, server: str, *, unwanted: bool) -> DriftedObject:
    diff = comparison.diffs.get(key)
    if diff is None or diff.status == "Synced":
        return DriftedObject(key, "Unwanted" if unwanted else "OutOfSync")
    changes = diff.counted[:FIELDS_MAX]
    by = run.worker.attributions.attributed(changes, comparison.live.get(key), key, server)
    fields = tuple(shown_field(change, key, run.redactor, by[change.path]) for change in changes)
    left_out = max(0, len(diff.counted) - FIELDS_MAX)
    return DriftedObject(key, diff.status, fields, left_out, deleted_by=by.get(WHOLE, UNKNOWN))


async def note(
    run: Run,
    before: Application,
    comparison: Comparison,
    *,
    ending: Ending,
    trouble: str = "",
    unrecorded: Found | None = None,
) -> None:
    """Keep what the run came to: an incident where it is OutOfSync, the end of one where it is Synced.

    `unrecorded` is what was healed and could not be put on record by then. Raises TransientError where
    it cannot be written: comes last in a run, which is then tried again and writes what is missing.
    """
    records = run.worker.incidents
    if records is None or comparison.sync_status == "Unknown":
        return
    if comparison.sync_status == "OutOfSync":
        found = await found_by(run, before, comparison, trouble=trouble)
        error = await _kept(run, _opens(run, records, found))
    else:
        error = await _kept(run, _closes(run, records, before, ending, unrecorded))
    if error is not None:
        raise TransientError(f"the incident of {before.id} is not on record: {error}") from error


@asynccontextmanager
async def opening(run: Run, found: Found | None) -> AsyncIterator[Recording]:
    """Record the incident beside the healing that the block does, so that neither waits for the other."""
    records, recording = run.worker.incidents, Recording()
    if records is None or found is None:
        yield recording
        return
    writing = asyncio.create_task(_kept(run, _opens(run, records, found)))
    try:
        yield recording
        recording.failed = await writing is not None
    finally:
        # A run that ends early is tried again, or ends with its process: it waits for nothing.
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)


def _opens(run: Run, records: IncidentStore, found: Found) -> Callable[[], Awaitable[None]]:
    now = utc_now()

    async def write() -> None:
        last = records.latest(found.application, found.application_uid)
        incident = opened(last, run.worker.attributions.renewed(found), now)
        if incident is not last:
            await records.save(incident)
            run.worker.attributions.recorded(found.application)

    return write


def _closes(
    run: Run, records: IncidentStore, before: Application, ending: Ending, unrecorded: Found | None
) -> Callable[[], Awaitable[None]]:
    now = utc_now()
    was_out = as_mapping(before.status.get("sync")).get("status") == "OutOfSync" or run.claim.attempt > 0

    async def write() -> None:
        incident = records.an_open_one(before.id, before.uid)
        if incident is None and was_out:
            # Another worker may have opened one that the watch has not brought here.
            await records.look_up(before.id)
            incident = records.an_open_one(before.id, before.uid)
        if incident is None and unrecorded is not None:
            incident = opened(records.latest(before.id, before.uid), unrecorded, now)
        while incident is not None:
            await records.save(closed(incident, ending, now))
            incident = records.an_open_one(before.id, before.uid)

    return write


async def _kept(run: Run, write: Callable[[], Awaitable[None]]) -> TrueupError | None:
    """Write, again after a conflict or an outage, within the bounds; what it failed of in the end."""
    settings = run.worker.settings
    conflicts = outages = 0
    try:
        async with asyncio.timeout(settings.incident_write_seconds_max):
            while True:
                try:
                    await write()
                except ConflictError as error:
                    conflicts += 1
                    if conflicts >= CONFLICTS_MAX:
                        return error
                except (NotServedError, UnknownKindError) as error:
                    log.warning("no incident is recorded: their kind is not there", reason=str(error))
                    return None
                except TrueupError as error:
                    outages += 1
                    if outages > settings.incident_retries_max or not isinstance(error, TransientError):
                        return error
                    await asyncio.sleep(settings.incident_retry_seconds_min * 2 ** (outages - 1))
                else:
                    return None
    except TimeoutError:
        return TransientError(f"nothing was written within {settings.incident_write_seconds_max:.0f} s")
