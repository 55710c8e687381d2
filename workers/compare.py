"""Desired against live for one run: all of an application, or only what an event pointed at.

A live edit moves no revision. So a run that a watch event asked for takes the revision that was
compared last from the mirror, what it comes to from the cache, and reads just the objects in its
scope; of the others it carries on what the status says. Where that would not do, everything is read.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from trueup.domain.application import Application
from trueup.domain.job import EVERY_LIVE_OBJECT, EVERY_OBJECT, Job, Scope
from trueup.domain.resource import ResourceKey
from trueup.domain.standing import is_bound_to_its_revision, may_be_looked_at_in_part
from trueup.domain.status import entries_of, images_of
from trueup.engine.comparison import Comparison, hold_against
from trueup.engine.concurrency import both
from trueup.engine.observe import Observed
from trueup.engine.sources import Sources

from .affected import keep
from .context import Run, Worker


async def compare(run: Run, application: Application) -> Comparison:
    """Read Git, then the cluster that the application is delivered to, and hold one against the other."""
    engine, cluster = run.worker.engine, run.destination
    sources, part = await _where_to_look(run, application)
    rendered = await engine.render(application, sources, cluster=cluster)
    observed, _ = await both(
        engine.observe(cluster, application, rendered, only=part),
        keep(run.worker, application, sources, rendered.reads),
    )
    held_against = partial(
        hold_against,
        application,
        sources.revision,
        source_types=rendered.kinds,
        settings=engine.compare_settings,
    )
    comparison = await held_against(observed)
    if part is not None:
        whole = _completed(application, comparison, observed)
        if whole is None:
            observed = await engine.observe(cluster, application, rendered)
            whole = await held_against(observed)
        comparison = whole
    comparison = replace(comparison, shared=_shared(run.worker, application, comparison))
    comparison = await engine.without_defaults(cluster, comparison)
    await comparison.teach_beside(run.redactor)
    return comparison


async def _where_to_look(run: Run, application: Application) -> tuple[Sources, frozenset[ResourceKey] | None]:
    """The sources to render, and the objects to read; None is all of them."""
    engine, job = run.worker.engine, run.claim.job
    if not job.scope.is_everything and is_bound_to_its_revision(application):
        sources = await engine.checkout_recorded(application)
        if sources is not None:
            return sources, objects_of(job) if may_be_looked_at_in_part(application) else None
    revisions = application.operation.revisions if application.operation else ()
    # Whoever asks for a look gets one at every source; a push to one of them leaves the others be.
    is_of_one = not application.has_many_sources or is_bound_to_its_revision(application)
    return await engine.checkout(application, tip=job.tip if is_of_one else "", revisions=revisions), None


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
    passed_over = looked_at | observed.left_alone
    carried = {entry.key: entry for entry in entries_of(application.status) if entry.key not in passed_over}
    if not carried:
        # There is nothing else.
        return comparison if comparison.manifests.keys() <= looked_at else None
    if not comparison.manifests.keys() <= looked_at | carried.keys():
        return None
    if application.automated is not None and any(entry.status != "Synced" for entry in carried.values()):
        # What is healed is healed together.
        return None
    if any(entry.requires_pruning for entry in carried.values()):
        # Whether it may stay is written on the object itself.
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
    owned = worker.applications.inventories.of(application.server)
    claims = {
        key: frozenset(other.name for other in owned.owners(key) if other != application.id)
        for key in comparison.manifests
    }
    return {key: names for key, names in claims.items() if names}
