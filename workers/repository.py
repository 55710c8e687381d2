"""A repository job: one fetch, then exactly the applications that the moved refs concern.

The tip last examined, per target revision, is the base of the next comparison. It is sealed, and it
moves in the same step that enqueues the affected. Where it is unknown, and on every sweep, each
follower is checked by content: what its last render has read, as it was then against the tip.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import structlog

from trueup.clients.git_mirror import Mirror, Missing
from trueup.domain.application import Application, ApplicationId
from trueup.domain.errors import InvalidSpecError, StalledError, SupersededError, TransientError
from trueup.domain.expected import Expected
from trueup.domain.job import BY_CONTENT, Claim, Job, Priority, application_job, repository_job
from trueup.domain.lenient import as_mapping
from trueup.domain.repository import check_url
from trueup.domain.standing import is_uncertain, is_unknown
from trueup.engine.readers import Look
from trueup.telemetry import SWEEP_CATCHES

from . import record
from .context import Worker

log = structlog.get_logger()

TIP = "tip"
#: Spellings of one repository's address that a job tries before it gives up.
SPELLINGS_TRIED_MAX = 3


async def examine(worker: Worker, claim: Claim) -> None:
    """Fetch, find the affected, and enqueue them.

    Raises TransientError where the remote is away and StalledError where it refuses us; every
    follower then says so in a condition, at once where time will not mend it.
    """
    try:
        await _note(worker, claim, caught=await _examine(worker, claim))
    except SupersededError:
        raise
    except (TransientError, StalledError) as error:
        if claim.attempt > 0 or isinstance(error, StalledError):
            followers = worker.applications.followers(claim.job.subject)
            # Whoever asked is answered by the application's own run, which can end what was asked for.
            asking = {app.id for app in followers if app.operation is not None or app.refresh is not None}
            await worker.queue.enqueue([application_job(app, Priority.MANUAL) for app in sorted(asking)])
            others = [app for app in followers if app.id not in asking and not app.spec_refusals]
            await record.not_reached(worker, others, error)
        raise


async def _note(worker: Worker, claim: Claim, *, caught: bool) -> None:
    """Remember whether webhooks come. What moved without any for a day is said, once a day."""
    if claim.job.priority is Priority.PUSH and not _names_applications(claim):
        await worker.queue.note_hook(claim)
    if caught:
        record_of_today = await worker.queue.note_catch(claim)
        if record_of_today is not None and record_of_today.is_missed:
            log.warning("no webhook in 24 h though a ref moved: check the repository's hook at its Git host")


def _names_applications(claim: Claim) -> bool:
    """Whether something else than a webhook may have asked: a webhook names no application."""
    members = claim.job.scope.members
    return members is None or not members <= {BY_CONTENT}


async def _examine(worker: Worker, claim: Claim) -> bool:
    """Whether it is a sweep that found a ref moved."""
    url = claim.job.subject
    every = worker.applications.followers(url)
    following = [app for app in every if not app.spec_refusals and not app.deleting]
    opened = {address: _may_be_opened(worker, address) for address in {app.source.repo_url for app in following}}
    followers = [app for app in following if opened[app.source.repo_url]]
    members = claim.job.scope.members
    by_content = members is None or BY_CONTENT in members
    #: Application by application, the tip that its job may rely on.
    found: dict[ApplicationId, str] = dict.fromkeys(_asked_for(claim, every), "")
    # One that names the repository by an address which git must not see is told so by its own run.
    found |= {app.id: "" for app in following if not opened[app.source.repo_url] and not is_unknown(app)}
    moves: dict[str, tuple[str | None, str]] = {}
    again: list[Job] = []
    caught = False
    looks: list[Look] = []
    if followers:
        mirror = await worker.engine.mirrors.mirror(followers[0].source.repo_url)
        by_revision = _by_target_revision(followers)
        tips = await _fetch(worker, mirror, followers, by_revision)
        keys = [_tip_key(url, revision) for revision in by_revision]
        examined = await worker.queue.examined_tips(keys)
        for (revision, apps), key, sealed in zip(by_revision.items(), keys, examined, strict=True):
            tip = tips[revision]
            if isinstance(tip, Missing):
                found |= {app.id: "" for app in apps if not is_unknown(app)}
                continue
            old = worker.sealer.open(TIP, key, sealed) if sealed else None
            if claim.job.priority is Priority.SWEEP and old not in (None, tip):
                SWEEP_CATCHES.inc()
                caught = True
            look = await worker.readers.look(mirror, url, revision, old, tip, by_content=by_content)
            looks.append(look)
            concerned = look.affected | {app.id for app in apps if _is_in_doubt(app, by_content=by_content)}
            found |= {app.id: tip for app in apps if app.id in concerned or app.id in found}
            if old != tip:
                moves[key] = (sealed, worker.sealer.seal(TIP, key, tip))
        again = await _look_again(claim, mirror)
        if by_content:
            await mirror.forget_others(by_revision)
    log.info("examined", followers=len(followers), affected=len(found))
    jobs = [application_job(app, claim.job.priority, tip=tip, repository=url) for app, tip in sorted(found.items())]
    await worker.queue.enqueue_and_move_tip(claim, jobs + again, moves)
    for look in looks:
        look.settle()
    return caught


async def _look_again(claim: Claim, mirror: Mirror) -> list[Job]:
    """A job to look again soon where the remote does not show yet what a webhook announced."""
    expected = Expected.parse(claim.job.tip)
    if expected is None or (await mirror.objects([(expected.sha, None)]))[0] is not None:
        return []
    if (following := expected.next_look()) is None:
        log.warning("the remote never showed what a webhook announced; the sweep goes on looking", sha=expected.sha)
        return []
    later, seconds = following
    return [repository_job(claim.job.subject, claim.job.priority, expected=later, delay_seconds=seconds)]


async def _fetch(
    worker: Worker, mirror: Mirror, followers: Sequence[Application], revisions: Iterable[str]
) -> dict[str, str | Missing]:
    """Several spellings of one repository share the mirror: those with credentials first, until one opens it."""
    distinct = {(app.source.repo_url, app.project): app for app in followers}
    spellings = {spelling: worker.engine.credentials_of(app) for spelling, app in distinct.items()}
    first: TransientError | StalledError | None = None
    for spelling in sorted(spellings, key=lambda spelling: (spellings[spelling] is None, spelling))[
        :SPELLINGS_TRIED_MAX
    ]:
        try:
            return dict(await mirror.fetch(list(revisions), credentials=spellings[spelling], url=spelling[0]))
        except (TransientError, StalledError) as error:
            first = first or error
    raise first or StalledError("nobody follows the repository any more")


def _may_be_opened(worker: Worker, address: str) -> bool:
    try:
        check_url(address, worker.settings.schemes)
    except InvalidSpecError:
        return False
    return True


def _is_in_doubt(app: Application, *, by_content: bool) -> bool:
    """Whether it has to look again wherever the ref stands.

    Of one that is checked by content, also whether another try at healing was due, which nobody may
    remember: that waits in Redis alone.
    """
    if is_uncertain(app):
        return True
    is_out_of_sync = as_mapping(app.status.get("sync")).get("status") == "OutOfSync"
    return by_content and is_out_of_sync and app.automated is not None


def _asked_for(claim: Claim, followers: Sequence[Application]) -> list[ApplicationId]:
    """The applications that the job names, whatever the commits changed."""
    members = claim.job.scope.members
    if members is None:
        return [app.id for app in followers]
    return [ApplicationId.parse(member) for member in members if member != BY_CONTENT]


def _by_target_revision(followers: Sequence[Application]) -> dict[str, list[Application]]:
    found: dict[str, list[Application]] = defaultdict(list)
    for app in followers:
        found[app.source.target_revision].append(app)
    return dict(sorted(found.items()))


def _tip_key(url: str, revision: str) -> str:
    return f"{url}#{revision}"
