"""A repository job: one fetch, then exactly the applications that the moved refs concern.

The tip last examined, per target revision, is the base of the next comparison. It is sealed, and it
moves in the same step that enqueues the affected. Where it is unknown, and on every sweep, each
follower is checked by content: the tree it was last compared at against the tree at the tip.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import structlog

from trueup.clients.git_mirror import Mirror, Missing
from trueup.domain.affected import affected
from trueup.domain.application import Application, ApplicationId
from trueup.domain.errors import StalledError, SupersededError, TransientError
from trueup.domain.job import Claim, Priority, application_job
from trueup.domain.status import shown_source
from trueup.telemetry import SWEEP_CATCHES

from . import record
from .context import Worker

log = structlog.get_logger()

TIP = "tip"


async def examine(worker: Worker, claim: Claim) -> None:
    """Fetch, find the affected, and enqueue them.

    Raises TransientError where the remote is away and StalledError where it refuses us; every
    follower then says so in a condition, at once where time will not mend it.
    """
    try:
        await _examine(worker, claim)
    except SupersededError:
        raise
    except (TransientError, StalledError) as error:
        if claim.attempt > 0 or isinstance(error, StalledError):
            followers = worker.applications.followers(claim.job.subject)
            await record.not_reached(worker, [app for app in followers if not app.spec_refusals], error)
        raise


async def _examine(worker: Worker, claim: Claim) -> None:
    url = claim.job.subject
    every = worker.applications.followers(url)
    followers = [app for app in every if not app.spec_refusals and not app.deleting]
    #: Application by application, the tip that its job may rely on.
    found: dict[ApplicationId, str] = dict.fromkeys(_asked_for(claim, every), "")
    moves: dict[str, tuple[str | None, str]] = {}
    if followers:
        mirror = await worker.engine.mirrors.mirror(followers[0].source.repo_url)
        by_revision = _by_target_revision(followers)
        tips = await _fetch(worker, mirror, followers, by_revision)
        keys = [_tip_key(url, revision) for revision in by_revision]
        examined = await worker.queue.examined_tips(keys)
        for (revision, apps), key, sealed in zip(by_revision.items(), keys, examined, strict=True):
            tip = tips[revision]
            if isinstance(tip, Missing):
                found |= {app.id: "" for app in apps if app.status.get("sync", {}).get("status") != "Unknown"}
                continue
            old = worker.sealer.open(TIP, key, sealed) if sealed else None
            if claim.job.priority is Priority.SWEEP and old not in (None, tip):
                SWEEP_CATCHES.inc()
            concerned = await _concerned(mirror, apps, old, tip, by_content=claim.job.priority is Priority.SWEEP)
            found |= {app.id: tip for app in apps if app.id in concerned or app.id in found}
            if old != tip:
                moves[key] = (sealed, worker.sealer.seal(TIP, key, tip))
        if claim.job.priority is Priority.SWEEP:
            await mirror.forget_others(by_revision)
    log.info("examined", followers=len(followers), affected=len(found))
    jobs = [application_job(app, claim.job.priority, tip=tip) for app, tip in sorted(found.items())]
    await worker.queue.enqueue_and_move_tip(claim, jobs, moves)


async def _fetch(
    worker: Worker, mirror: Mirror, followers: Sequence[Application], revisions: Iterable[str]
) -> dict[str, str | Missing]:
    # Several spellings of one repository share the mirror; the first one that has credentials is used.
    spellings = {(app.source.repo_url, app.project): app for app in followers}
    chosen = min(spellings, key=lambda spelling: (worker.engine.credentials_of(spellings[spelling]) is None, spelling))
    resolved = await mirror.fetch(
        list(revisions), credentials=worker.engine.credentials_of(spellings[chosen]), url=chosen[0]
    )
    return dict(resolved)


async def _concerned(
    mirror: Mirror, apps: Sequence[Application], old: str | None, tip: str, *, by_content: bool
) -> frozenset[ApplicationId]:
    """Who has to look again now that the ref stands at `tip` and was last examined at `old`."""
    uncertain = frozenset(app.id for app in apps if _is_uncertain(app))
    paths: list[str] | None = [] if old == tip else None
    if old is not None and old != tip:
        paths = await mirror.changed_paths(old, tip)
    if paths is None or by_content:
        return uncertain | await _differ_by_content(mirror, apps, tip)
    if not paths:
        return uncertain
    places: dict[str, set[ApplicationId]] = defaultdict(set)
    for app in apps:
        places[app.source.path].add(app.id)
    return uncertain | affected(paths, places)


async def _differ_by_content(mirror: Mirror, apps: Sequence[Application], tip: str) -> frozenset[ApplicationId]:
    places = [(app.revision, app.source.path) for app in apps] + [(tip, app.source.path) for app in apps]
    trees = await mirror.tree_ids(places)
    before, after = trees[: len(apps)], trees[len(apps) :]
    return frozenset(
        app.id for app, old, new in zip(apps, before, after, strict=True) if old is None or new is None or old != new
    )


def _is_uncertain(app: Application) -> bool:
    """A comparison that never was or that failed, one with another source or destination, an operation in wait."""
    sync = app.status.get("sync") or {}
    compared_to = sync.get("comparedTo") or {}
    spec = app.raw.get("spec") or {}
    return (
        not app.revision
        or app.operation is not None
        or any(found.get("type") == "ComparisonError" for found in app.status.get("conditions") or ())
        or sync.get("status") == "Unknown"
        or compared_to.get("source") != shown_source(spec.get("source") or {})
        or compared_to.get("destination") != spec.get("destination")
    )


def _asked_for(claim: Claim, followers: Sequence[Application]) -> list[ApplicationId]:
    """The applications that the job names, whatever the commits changed."""
    members = claim.job.scope.members
    if members is None:
        return [app.id for app in followers]
    return [ApplicationId.parse(member) for member in members]


def _by_target_revision(followers: Sequence[Application]) -> dict[str, list[Application]]:
    found: dict[str, list[Application]] = defaultdict(list)
    for app in followers:
        found[app.source.target_revision].append(app)
    return dict(sorted(found.items()))


def _tip_key(url: str, revision: str) -> str:
    return f"{url}#{revision}"
