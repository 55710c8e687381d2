"""The only writer of an Application's status: one patch per comparison, one fence per wave, one outcome.

Every patch carries the `resourceVersion` of the object it was computed from. On a conflict the object
is read again: a higher token, another spec, operation or condition means that somebody else has taken
over; anything else (a label, a foreign status field) does not matter, and the same patch goes on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from trueup.clients.api_errors import ConflictError, NotFoundError
from trueup.clients.applications import parse_application
from trueup.domain.application import REFRESH_ANNOTATION, Application, ApplicationId
from trueup.domain.errors import SupersededError, TransientError, TrueupError
from trueup.domain.job import Token
from trueup.domain.merge_patch import merge_patch
from trueup.domain.status import token_of
from trueup.engine.concurrency import each

from . import outcome
from .clock import utc_now
from .context import Run, Worker

CONFLICTS_MAX = 5


async def read(worker: Worker, application: ApplicationId) -> Application | None:
    """The Application as the API server has it now, None where it is gone."""
    raw = await worker.engine.home.get(worker.application_resource, application.namespace, application.name)
    return None if raw is None else worker.engine.placed(parse_application(raw))


async def write(
    run: Run,
    application: Application,
    status: Mapping[str, Any],
    *,
    ends_operation: bool = False,
    finalizers: tuple[str, ...] | None = None,
) -> Application:
    """Patch the status; the Application as it then is. Nothing to change means no request.

    Takes the refresh annotation away that the run has answered and, with `ends_operation`, the
    operation. Raises SupersededError where another run, spec or operation has taken over.
    """
    patch: dict[str, Any] = {}
    changed = merge_patch(application.status, outcome.redacted(status, run.redactor))
    if changed:
        patch["status"] = changed
    metadata: dict[str, Any] = {}
    if application.refresh is not None:
        metadata["annotations"] = {REFRESH_ANNOTATION: None}
    if finalizers is not None:
        metadata["finalizers"] = list(finalizers)
    if ends_operation and application.raw.get("operation") is not None:
        patch["operation"] = None
    if not patch and not metadata:
        return application
    return await _patch(run, application, patch, metadata)


async def not_reached(worker: Worker, applications: Sequence[Application], error: TrueupError) -> None:
    """Say on each of the applications that their repository could not be read, where they do not say it yet.

    Not part of a run of theirs, so a run that writes meanwhile wins, and what cannot be written is left.
    """

    async def one(application: Application) -> None:
        application = worker.engine.placed(application)
        status = outcome.not_compared(application, error, now=utc_now())
        changed = merge_patch(application.status, status)
        if not changed:
            return
        body = {"metadata": {"resourceVersion": application.resource_version}, "status": changed}
        with contextlib.suppress(ConflictError, NotFoundError):
            await worker.engine.home.merge_patch(
                worker.application_resource, application.id.namespace, application.id.name, body
            )

    await each(applications, one, in_flight_max=worker.settings.objects_in_flight_max)


async def _patch(run: Run, application: Application, patch: dict[str, Any], metadata: dict[str, Any]) -> Application:
    worker = run.worker
    current = application
    for _ in range(CONFLICTS_MAX):
        body = {**patch, "metadata": {**metadata, "resourceVersion": current.resource_version}}
        try:
            raw = await worker.engine.home.merge_patch(
                worker.application_resource, application.id.namespace, application.id.name, body
            )
        except ConflictError:
            current = await _still_ours(worker, application, run.claim.token)
        else:
            return worker.engine.placed(parse_application(raw))
    raise TransientError(f"{application.id} changes faster than its status can be written")


async def _still_ours(worker: Worker, application: Application, token: Token) -> Application:
    current = await read(worker, application.id)
    if current is None or current.uid != application.uid:
        raise SupersededError(f"{application.id} was deleted")
    guard_token(current, token)
    if _asked_for(current) != _asked_for(application):
        raise SupersededError(f"{application.id} has another spec, operation or verdict by now")
    return current


def _asked_for(application: Application) -> tuple[Any, ...]:
    """What this run stands on: what was asked for, what the run before it found, and what stands in the way.

    A condition that came meanwhile would outlive this run, which never knew of it.
    """
    raw, status = application.raw, application.status
    found = (status.get(part) for part in ("sync", "operationState", "conditions"))
    return raw.get("spec"), raw.get("operation"), application.deleting, *found


def guard_token(application: Application, token: Token) -> None:
    """Raise SupersededError where a later run has already left its token."""
    held = token_of(application.status, application.uid)
    if held is not None and held > token:
        raise SupersededError(f"{application.id} is being synced by another run ({held})")
