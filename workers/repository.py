"""A repository job: one fetch, then exactly the applications that the moved refs concern.

The tip last examined, per target revision, is the base of the next comparison. It is sealed, and it
moves in the same step that enqueues the affected. Where it is unknown, and on every sweep, each
follower is checked by content: what its last render has read, as it was then against the tip.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from trueup.clients.git_mirror import Mirror, Missing
from trueup.domain.application import Application, ApplicationId
from trueup.domain.errors import InvalidSpecError, StalledError, SupersededError, TransientError
from trueup.domain.expected import Expected
from trueup.domain.followers import Followed, Followers
from trueup.domain.job import BY_CONTENT, Claim, Job, Priority, application_job, repository_job
from trueup.domain.lenient import as_mapping
from trueup.domain.repository import check_url
from trueup.domain.standing import is_unknown
from trueup.engine.concurrency import both
from trueup.engine.readers import Look
from trueup.telemetry import SWEEP_CATCHES

from . import record
from .charts import moved
from .context import Worker

log = structlog.get_logger()

TIP = "tip"
#: The address as an Application spells it, and its project: what credentials are chosen by.
Spelling = tuple[str, str]
#: Spellings of one repository's address that a job tries before it gives up.
SPELLINGS_TRIED_MAX = 3
#: The longest pause before the second try after which nobody is told yet.
UNSAID_SECONDS_MAX = 5.0


@dataclass(frozen=True, slots=True)
class _Examined:
    #: Whether it is a sweep that found a ref moved.
    caught: bool
    #: Whether a ref moved, or the job was about more than refs. That applications in doubt looked again is no news.
    has_news: bool


async def examine(worker: Worker, claim: Claim) -> bool:
    """Fetch, find the affected, and enqueue them. Whether there was anything new.

    Raises TransientError where the remote is away and StalledError where it refuses us; every
    follower then says so in a condition, at once where time will not mend it soon.
    """
    try:
        examined = await _examine(worker, claim)
        await _note(worker, claim, caught=examined.caught)
    except SupersededError:
        raise
    except (TransientError, StalledError) as error:
        if claim.attempt > 0 or isinstance(error, StalledError) or _is_far_off(error):
            followers = worker.applications.followers(claim.job.subject)
            # Whoever asked is answered by the application's own run, which can end what was asked for.
            asking = {app.id for app in followers if app.operation is not None or app.refresh is not None}
            await worker.queue.enqueue([application_job(app, Priority.MANUAL) for app in sorted(asking)])
            others = [app for app in followers if app.id not in asking and not app.spec_refusals]
            await record.not_reached(worker, others, error)
        raise
    return examined.has_news


def _is_far_off(error: TransientError) -> bool:
    """Whether the next try is further away than anybody should be kept in the dark."""
    return (error.retry_after_seconds or 0.0) > UNSAID_SECONDS_MAX


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


async def _examine(worker: Worker, claim: Claim) -> _Examined:
    url = claim.job.subject
    followers = worker.applications.followers(url)
    spellings, shut = _spellings(worker, followers)
    members = claim.job.scope.members
    by_content = members is None or BY_CONTENT in members
    #: Application by application, the tip that its job may rely on.
    found: dict[ApplicationId, str] = dict.fromkeys(_asked_for(claim, followers), "")
    # One that names the repository by an address which git must not see is told so by its own run.
    found |= {name: "" for name, app in shut.items() if not is_unknown(app)}
    moves: dict[str, tuple[str | None, str]] = {}
    again: list[Job] = []
    caught = False
    looks: list[Look] = []
    if spellings:
        mirror = await worker.engine.mirrors.mirror(spellings[0][0])
        revisions = sorted(followers.by_revision)
        keys = [_tip_key(url, revision) for revision in revisions]
        tips, examined = await both(_fetch(worker, mirror, spellings, revisions), worker.queue.examined_tips(keys))
        for revision, key, sealed in zip(revisions, keys, examined, strict=True):
            tip = tips[revision]
            if isinstance(tip, Missing):
                apps = worker.applications.followers(url).by_revision.get(revision, {})
                found |= {name: "" for name, app in apps.items() if not is_unknown(app)}
                continue
            old = worker.sealer.open(TIP, key, sealed) if sealed else None
            if claim.job.priority is Priority.SWEEP and old not in (None, tip):
                SWEEP_CATCHES.inc()
                caught = True
            look = await worker.readers.look(mirror, Followed(url, revision), old, tip, by_content=by_content)
            looks.append(look)
            # Asked again after every await: the views are live, and what they were may be nobody's by now.
            followers = worker.applications.followers(url)
            apps = followers.by_revision.get(revision, {})
            concerned = look.affected | found.keys() | _in_doubt(followers, apps, by_content=by_content)
            found |= dict.fromkeys((apps.keys() & concerned) - shut.keys(), tip)
            if old != tip:
                moves[key] = (sealed, worker.sealer.seal(TIP, key, tip))
        again = await _look_again(claim, mirror)
        if by_content:
            await mirror.forget_others(revisions)
    charts = await moved(worker, url, dict(worker.applications.followers(url).of_charts))
    followers = worker.applications.followers(url)
    doubtful = followers.of_charts.keys() & _in_doubt(followers, followers.of_charts, by_content=by_content)
    found |= dict.fromkeys(charts.affected | doubtful, "")
    log.info("examined", followers=len(followers), affected=len(found))
    jobs = [application_job(app, claim.job.priority, tip=tip, repository=url) for app, tip in sorted(found.items())]
    await worker.queue.enqueue_and_move_tip(claim, jobs + again, moves)
    for look in looks:
        look.settle()
    await charts.settle(worker)
    return _Examined(caught, has_news=bool(moves or charts.affected) or _names_applications(claim))


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
    worker: Worker, mirror: Mirror, one_of_each: Sequence[Spelling], revisions: Iterable[str]
) -> dict[str, str | Missing]:
    """Several spellings of one repository share the mirror: those with credentials first, until one opens it."""
    spellings = {spelling: worker.engine.credentials_of(*spelling) for spelling in one_of_each}
    first: TransientError | StalledError | None = None
    for spelling in sorted(spellings, key=lambda spelling: (spellings[spelling] is None, spelling))[
        :SPELLINGS_TRIED_MAX
    ]:
        try:
            return dict(await mirror.fetch(list(revisions), credentials=spellings[spelling], url=spelling[0]))
        except (TransientError, StalledError) as error:
            first = first or error
    raise first or StalledError("nobody follows the repository any more")


def _spellings(worker: Worker, followers: Followers) -> tuple[list[Spelling], dict[ApplicationId, Application]]:
    """Each address and project that may be opened, and all followers whose address may not."""
    one_of_each: list[Spelling] = []
    shut: dict[ApplicationId, Application] = {}
    for (address, project), group in followers.by_address.items():
        try:
            check_url(address, worker.settings.schemes)
        except InvalidSpecError:
            shut |= group
        else:
            one_of_each.append((address, project))
    return one_of_each, shut


def _in_doubt(
    followers: Followers, apps: Mapping[ApplicationId, Application], *, by_content: bool
) -> frozenset[ApplicationId]:
    """Who has to look again wherever the ref stands.

    Of those that are checked by content, also whose next try at healing was due, which nobody may
    remember: that waits in Redis alone.
    """
    doubtful = set(followers.uncertain)
    if by_content:
        doubtful |= {name for name, app in apps.items() if app.automated is not None and _is_out_of_sync(app)}
    return frozenset(doubtful)


def _is_out_of_sync(app: Application) -> bool:
    return as_mapping(app.status.get("sync")).get("status") == "OutOfSync"


def _asked_for(claim: Claim, followers: Followers) -> list[ApplicationId]:
    """The applications that the job names, whatever the commits changed."""
    members = claim.job.scope.members
    if members is None:
        return [app.id for app in followers]
    return [ApplicationId.parse(member) for member in members if member != BY_CONTENT]


def _tip_key(url: str, revision: str) -> str:
    return f"{url}#{revision}"
