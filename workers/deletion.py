"""An Application that is being deleted: with the finalizer its inventory is pruned, then it is let go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import groupby
from typing import Any

import structlog

from trueup.domain.application import RESOURCES_FINALIZER, Application
from trueup.domain.errors import ClusterBusyError, InvalidSpecError, StalledError, TransientError
from trueup.domain.job import Priority, application_job
from trueup.domain.lenient import as_mapping
from trueup.domain.object_options import object_options
from trueup.domain.order import apply_order
from trueup.domain.resource import Body, ResourceKey, tracked_by
from trueup.domain.status import DELETION_CONDITIONS, Condition, conditions
from trueup.engine.concurrency import each
from trueup.engine.observe import observe

from . import record
from .apply import PROPAGATION
from .clock import seconds_since, utc_now
from .context import Run

log = structlog.get_logger()

REFUSED_FINALIZERS = frozenset({"pre-delete-finalizer.argocd.argoproj.io", "post-delete-finalizer.argocd.argoproj.io"})


async def delete(run: Run, application: Application) -> None:
    """Prune what the application owns, and let it go once that is gone. Without the finalizer nothing is pruned.

    Raises StalledError, with a DeletionError condition, where an object cannot be read or deleted,
    and where a finalizer asks for what is not supported yet.
    """
    ours = [name for name in application.finalizers if name.partition("/")[0] == RESOURCES_FINALIZER]
    try:
        _refuse(application)
        if not ours:
            return
        async with _reached(run, application) as there:
            left = await _prune(there, application, ours[0].partition("/")[2])
    except ClusterBusyError:
        raise
    except (StalledError, TransientError) as error:
        await record.write(run, application, _with_condition(application, str(error)))
        raise
    if left:
        log.info("waiting until it is gone", objects=len(left))
        await _wait(run, application, left)
        return
    others = tuple(name for name in application.finalizers if name not in ours)
    await record.write(run, application, application.status, finalizers=others)
    log.info("let go", objects=len(application.inventory))


@asynccontextmanager
async def _reached(run: Run, application: Application) -> AsyncIterator[Run]:
    """The run with its destination; what owns nothing there needs none."""
    if not application.inventory:
        yield run
        return
    try:
        async with run.worker.engine.clusters.reached(application) as cluster:
            yield replace(run, reached=cluster)
    except InvalidSpecError as error:
        raise StalledError(
            f"{error} Until then it is not known what to delete; or remove the finalizer to let the Application go "
            "and keep its objects"
        ) from error


def _with_condition(application: Application, text: str) -> dict[str, Any]:
    status, found = application.status, [Condition("DeletionError", text)]
    return {**status, "conditions": conditions(status, found, evaluated=DELETION_CONDITIONS, now=utc_now())}


async def _wait(run: Run, application: Application, left: list[ResourceKey]) -> None:
    """Look again later: each wait doubles, and what holds the deletion up for long is named."""
    settings, now = run.worker.settings, utc_now()
    waited = seconds_since(as_mapping(application.raw.get("metadata")).get("deletionTimestamp"), now) or 0.0
    if waited > settings.deletion_patience_seconds:
        text = f"{left[0]} is still being deleted, held by its finalizers or dependents; {len(left)} objects are left"
        await record.write(run, application, _with_condition(application, text))
    delay = min(max(waited, settings.deletion_recheck_seconds_min), settings.deletion_recheck_seconds_max)
    await run.worker.queue.enqueue([application_job(application.id, Priority.DRIFT, delay_seconds=delay)])


def _refuse(application: Application) -> None:
    if refused := REFUSED_FINALIZERS.intersection(name.partition("/")[0] for name in application.finalizers):
        raise StalledError(
            f"the finalizer {min(refused)} runs hooks, which are not supported yet; remove it from the Application"
        )


async def _prune(run: Run, application: Application, policy: str) -> list[ResourceKey]:
    """Delete what is tracked, kind by kind in reverse order; the keys of what is still there."""
    if not application.inventory:
        return []
    cluster = run.destination
    in_flight = run.worker.settings.objects_in_flight_max
    observed = await observe(
        cluster,
        (),
        application.inventory,
        namespace=application.namespace,
        objects_in_flight_max=in_flight,
        excludes=run.worker.engine.ignoring.excludes(application.server),
    )
    if observed.unreadable:
        key, reason = min(observed.unreadable.items())
        raise StalledError(
            f"{key} cannot be read, so it is not known what to delete: {reason}; see to that, or remove the "
            f"finalizer to let the Application go and keep its objects"
        )
    ours: list[tuple[ResourceKey, Body]] = [
        (key, body)
        for key, body in observed.live.items()
        if body is not None and tracked_by(body) == application.id.name and object_options(body).delete
    ]
    # All but what is on its way already.
    pending = sorted(
        (item for item in ours if not item[1]["metadata"].get("deletionTimestamp")),
        key=lambda item: apply_order(item[0]),
        reverse=True,
    )

    async def one(item: tuple[ResourceKey, Body]) -> None:
        key, body = item
        resource = await cluster.resource(key.group, key.kind)
        propagation = PROPAGATION[policy if policy in PROPAGATION else "foreground"]
        run.lease.check()
        await cluster.delete(resource, key.namespace, key.name, uid=body["metadata"]["uid"], propagation=propagation)

    for _, of_one_kind in groupby(pending, key=lambda item: apply_order(item[0])[0]):
        await each(of_one_kind, one, in_flight_max=in_flight)
    return sorted(key for key, _ in ours)
