"""Desired against live for one run: all of an application, or only what an event pointed at.

A live edit moves no revision. So a run that a watch event asked for takes the revision that was
compared last from the mirror, what it comes to from the cache, and reads just the objects in its
scope; of the others it carries on what the status says. Where that would not do, everything is read.
"""

from __future__ import annotations

from dataclasses import replace

from trueup.domain.application import Application
from trueup.domain.job import EVERY_LIVE_OBJECT, EVERY_OBJECT, Job, Scope
from trueup.domain.resource import ResourceKey
from trueup.domain.standing import is_bound_to_its_revision, may_be_looked_at_in_part
from trueup.domain.status import entries_of, images_of
from trueup.engine.checkout import Checkout
from trueup.engine.comparison import Comparison, hold_against
from trueup.engine.concurrency import both
from trueup.engine.observe import Observed

from .affected import keep
from .context import Run, Worker


async def compare(run: Run, application: Application) -> Comparison:
    """Read Git, then the cluster, and hold one against the other."""
    engine = run.worker.engine
    credentials = engine.credentials_of(application)
    for value in credentials.secret_values if credentials else ():
        run.redactor.add(value)
    await engine.refuse(application)
    checkout, part = await _where_to_look(run, application)
    rendered = await engine.render(application, checkout)
    observed, _ = await both(
        engine.observe(application, rendered, only=part),
        keep(run.worker, application, checkout.revision, rendered.reads),
    )
    comparison = await hold_against(application, checkout.revision, observed)
    if part is not None:
        whole = _completed(application, comparison, observed)
        if whole is None:
            observed = await engine.observe(application, rendered)
            whole = await hold_against(application, checkout.revision, observed)
        comparison = whole
    comparison = replace(comparison, shared=_shared(run.worker, application, comparison))
    comparison = await engine.without_defaults(comparison)
    comparison.teach(run.redactor)
    return comparison


async def _where_to_look(run: Run, application: Application) -> tuple[Checkout, frozenset[ResourceKey] | None]:
    """The tree to render, and the objects to read; None is all of them."""
    engine, job = run.worker.engine, run.claim.job
    if not job.scope.is_everything and is_bound_to_its_revision(application):
        checkout = await engine.checkout_recorded(application)
        if checkout is not None:
            return checkout, objects_of(job) if may_be_looked_at_in_part(application) else None
    revision = application.operation.revision if application.operation else None
    return await engine.checkout(application, tip=job.tip, revision=revision), None


def objects_of(job: Job) -> frozenset[ResourceKey] | None:
    """The objects that an application's job points at; None is all of them."""
    members = job.scope.members
    if members is None or EVERY_OBJECT in members:
        return None
    keys = {ResourceKey.from_member(member) for member in members}
    return None if None in keys else frozenset(key for key in keys if key is not None)


def scope_of(comparison: Comparison) -> Scope:
    """The scope of a job that looks at the same objects again."""
    looked_at = comparison.looked_at
    if looked_at is None:
        return EVERY_LIVE_OBJECT
    return Scope(frozenset(key.member() for key in looked_at))


def _completed(application: Application, comparison: Comparison, observed: Observed) -> Comparison | None:
    """The comparison in part with what was last recorded of the rest; None where that says too little."""
    looked_at = {*observed.live, *observed.unreadable}
    carried = {entry.key: entry for entry in entries_of(application.status) if entry.key not in looked_at}
    if not carried:
        # There is nothing else.
        return comparison if comparison.manifests.keys() <= looked_at else None
    if not comparison.manifests.keys() <= looked_at | carried.keys():
        return None
    if application.automated is not None and any(entry.status != "Synced" for entry in carried.values()):
        # What is healed is healed together.
        return None
    images = (application.status.get("summary") or {}).get("images") or ()
    for key in looked_at:
        wanted = comparison.manifests.get(key)
        there = set(images_of(observed.live.get(key) or {}))
        if there != set(images_of(wanted.body if wanted else {})) or not there <= set(images):
            return None
    return replace(comparison, carried=carried, carried_images=tuple(images))


def _shared(worker: Worker, application: Application, comparison: Comparison) -> dict[ResourceKey, frozenset[str]]:
    """What other Applications have in their inventories as well."""
    claims = {
        key: frozenset(other.name for other in worker.applications.owners(key) if other != application.id)
        for key in comparison.manifests
    }
    return {key: names for key, names in claims.items() if names}
