"""A sync: the fence, then every action of the plan in its order, then the outcome.

The fence is a patch of the Application that carries the fencing token and the inventory old ∪ new:
whoever runs this application next knows of every object that this run may have created. What the API
server refuses of one object does not hold up the others.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import groupby

import structlog

from trueup.clients.api_errors import AlreadyExistsError
from trueup.domain.application import Application, ApplicationId, SyncOptions
from trueup.domain.autosync import SyncDecision
from trueup.domain.errors import StalledError, TransientError
from trueup.domain.order import apply_order
from trueup.domain.plan import Action, Plan, Policy, plan
from trueup.domain.resource import Body, ResourceKey, tracked_by
from trueup.domain.status import ResourceResult, images_of
from trueup.engine.comparison import Comparison
from trueup.engine.concurrency import each
from trueup.engine.ignoring import Delivery
from trueup.engine.refusals import concerns_one_object, refusal

from . import apply, outcome, record
from .context import Run, Worker

log = structlog.get_logger()

NOT_PRUNED = "not everything could be applied; it is pruned once that is mended"


@dataclass(slots=True)
class Progress:
    """What has come of the sync so far."""

    results: dict[ResourceKey, ResourceResult] = field(default_factory=dict)
    live: dict[ResourceKey, Body | None] = field(default_factory=dict)

    @property
    def has_failed(self) -> bool:
        return any(result.status == "SyncFailed" for result in self.results.values())


async def sync(run: Run, application: Application, comparison: Comparison, decision: SyncDecision) -> outcome.Outcome:
    """Carry the decision out and record it.

    Raises SupersededError where another run has taken over, and TransientError where the cluster is
    away in the middle: the operation then stays Running, and the next run takes it up.
    """
    worker = run.worker
    running = outcome.begin(application, comparison, decision)
    to_do = make_plan(worker, application, comparison, decision)
    application = await record.write(run, application, running.fence(application, run.claim.token))
    progress = Progress()
    if not to_do.refusal:
        await _carry_out(run, application, comparison, to_do, progress, dry_run=running.dry_run)
    if not running.dry_run:
        held = await worker.engine.ignoring.again(comparison.held, comparison.manifests, progress.live)
        comparison = comparison.with_live(progress.live, held)
    ended = running.end(
        application,
        comparison,
        results=tuple(progress.results[key] for key in sorted(progress.results, key=apply_order)),
        to_do=to_do,
    )
    application = await record.write(run, application, ended.status, ends_operation=ended.final)
    log.info("synced", phase=ended.phase, revision=comparison.revision, objects=len(progress.results))
    return replace(ended, application=application)


def make_plan(worker: Worker, application: Application, comparison: Comparison, decision: SyncDecision) -> Plan:
    """What the sync will write. Pure but for the names of the other Applications."""
    operation, options = application.operation, _options(application)
    policy = Policy(
        prune=decision.prune,
        allow_empty=bool(application.automated and application.automated.allow_empty),
        prune_option=options.prune,
        fail_on_shared_resource=options.fail_on_shared_resource,
        selected=frozenset(operation.resources) if operation else comparison.looked_at or (),
    )
    return plan(
        application=application.id.name,
        desired=tuple(comparison.manifests.values()),
        diffs=comparison.diffs,
        live=comparison.live,
        inventory=comparison.in_question(application.inventory),
        policy=policy,
        other_applications=OtherApplications(worker, application),
        destination=application.namespace,
    )


def _options(application: Application) -> SyncOptions:
    """Those of the operation, where it states any."""
    operation = application.operation
    return operation.options if operation and operation.options else application.options


class OtherApplications:
    """The names of the Applications beside this one: asked, never listed."""

    def __init__(self, worker: Worker, application: Application) -> None:
        self._worker = worker
        self._own = application.id

    def __contains__(self, name: object) -> bool:
        other = ApplicationId(self._own.namespace, str(name))
        return other != self._own and self._worker.applications.get(other) is not None


async def _carry_out(
    run: Run,
    application: Application,
    comparison: Comparison,
    to_do: Plan,
    progress: Progress,
    *,
    dry_run: bool,
) -> None:
    if application.options.create_namespace and not dry_run:
        await _create_namespace(run, application, comparison, progress)

    async def one(action: Action) -> None:
        await _act(run, application, comparison, action, progress, dry_run=dry_run)

    # Kinds in their order; objects of one kind have no order among themselves.
    for prunes, group in groupby(
        to_do.actions, key=lambda action: (action.verb == "prune", apply_order(action.key)[0])
    ):
        actions = list(group)
        if prunes[0] and progress.has_failed:
            actions = [replace(action, verb="keep", reason=NOT_PRUNED) for action in actions]
        await each(actions, one, in_flight_max=run.worker.settings.objects_in_flight_max)


async def _act(
    run: Run,
    application: Application,
    comparison: Comparison,
    action: Action,
    progress: Progress,
    *,
    dry_run: bool,
) -> None:
    manifest = comparison.manifests.get(action.key)
    live = comparison.live.get(action.key)
    version = manifest.version if manifest else str((live or {}).get("apiVersion", "")).rpartition("/")[2]
    result = ResourceResult(action.key, version, "Synced", sync_phase="Sync", images=images_of(action.body or {}))
    try:
        if action.key in comparison.unreadable:
            result = replace(result, status="SyncFailed", message=comparison.unreadable[action.key])
        elif action.verb == "keep":
            # A desired object that is not written is no success: what holds it may be gone at the next try.
            result = replace(result, status="PruneSkipped" if manifest is None else "SyncFailed", message=action.reason)
        elif action.verb == "prune":
            message = await _prune(run, application, action, live or {}, dry_run=dry_run)
            progress.live[action.key] = None
            result = replace(result, status="Pruned", message=message)
        elif manifest is not None:
            cluster = run.destination
            resource = await apply.served(cluster, action.key, version, defined_here=_defines(comparison, action.key))
            delivery = Delivery(
                run.worker.engine.ignoring,
                comparison.held.rules_of(action.key),
                _options(application).respect_ignore_differences,
            )
            body, how = await apply.apply(
                cluster, resource, manifest, action, live, delivery=delivery, lease=run.lease, dry_run=dry_run
            )
            progress.live[action.key] = body
            result = replace(result, message=f"{how} (dry run)" if dry_run else how)
    except (TransientError, StalledError) as error:
        if not concerns_one_object(error):
            raise
        sentence = refusal(
            error, action.key, origin=manifest.origin if manifest else "", default_namespace=application.namespace
        )
        result = replace(result, status="SyncFailed", message=sentence)
    progress.results[action.key] = result


async def _prune(run: Run, application: Application, action: Action, live: Body, *, dry_run: bool) -> str:
    cluster = run.destination
    resource = await cluster.resource(action.key.group, action.key.kind)
    propagation = apply.PROPAGATION[application.options.prune_propagation_policy]
    # Decided upon once and checked once more where it counts: only what carries our tracking id goes.
    if tracked_by(live) != application.id.name:
        raise StalledError(f"{action.key} does not carry the tracking id of {application.id.name}; it is kept")
    run.lease.check()
    there = await cluster.delete(
        resource, action.key.namespace, action.key.name, uid=action.uid, propagation=propagation, dry_run=dry_run
    )
    return ("pruned" if there else "already gone") + (" (dry run)" if dry_run else "")


def _defines(comparison: Comparison, key: ResourceKey) -> bool:
    """Whether a CustomResourceDefinition among the manifests defines the kind of this object."""
    return any(
        spec.get("group") == key.group and (spec.get("names") or {}).get("kind") == key.kind
        for manifest in comparison.manifests.values()
        if manifest.key.kind == "CustomResourceDefinition" and (spec := manifest.body.get("spec") or {})
    )


async def _create_namespace(run: Run, application: Application, comparison: Comparison, progress: Progress) -> None:
    """Where that fails it is a result like any other, and so are the objects that have nowhere to go."""
    key = ResourceKey("", "Namespace", "", application.namespace)
    if not application.namespace or key in comparison.manifests:
        return
    cluster = run.destination
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": application.namespace}}
    try:
        resource = await cluster.resource("", "Namespace")
        if await cluster.get(resource, "", application.namespace) is None:
            run.lease.check()
            await cluster.create(resource, "", body)
    except AlreadyExistsError:
        return
    except (TransientError, StalledError) as error:
        if not concerns_one_object(error):
            raise
        progress.results[key] = ResourceResult(key, "v1", "SyncFailed", refusal(error, key), sync_phase="Sync")
