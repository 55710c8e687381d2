"""All sources of an Application, each at one revision: what a comparison is made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from trueup.clients.charts.model import Chart
from trueup.clients.git_mirror import Mirror, Missing
from trueup.domain.application import Application, joined
from trueup.domain.credentials import RepositoryCredentials
from trueup.domain.errors import StalledError
from trueup.domain.followers import Followed, followed_by
from trueup.domain.repository import is_full_sha
from trueup.domain.source import Source
from trueup.engine.chart_shelf import ChartShelf
from trueup.engine.checkout import Checkout, MirrorPool, at
from trueup.engine.concurrency import each
from trueup.engine.local_tree import LocalTree
from trueup.engine.tree import Tree

#: Remotes that are asked side by side for one Application.
REMOTES_ASKED_MAX = 4
#: A chart as a whole is bounded where it is unpacked.
CHART_FILE_BYTES_MAX = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SourceAt:
    """One source at a revision."""

    source: Source
    #: How sentences name it.
    said: str
    #: The commit, or the version of a chart.
    revision: str
    #: The whole repository, or the whole chart.
    tree: Tree
    #: The source's directory in it; empty is the root.
    path: str
    #: None where it does not come from Git.
    checkout: Checkout | None = None
    #: Of the archive, for a chart from a repository: equal digests are equal charts.
    chart_digest: str = ""

    @property
    def followed(self) -> Followed | None:
        """What it follows in Git, if it does."""
        return followed_by(self.source) if self.checkout else None


@dataclass(frozen=True, slots=True)
class Sources:
    """Every source, in the Application's order."""

    each: tuple[SourceAt, ...]

    @property
    def revision(self) -> str:
        """All their revisions as one text, see `trueup.domain.application.joined`."""
        return joined(source.revision for source in self.each)

    @property
    def followed(self) -> Mapping[Followed, str]:
        """What is followed in Git, and the commit that each stands for here."""
        return {source.followed: source.revision for source in self.each if source.followed}


def said(application: Application, index: int) -> str:
    """How a sentence names a source."""
    return f"spec.sources[{index}]" if application.has_many_sources else "spec.source"


@dataclass(frozen=True, slots=True)
class Where:
    """Where sources come from."""

    mirrors: MirrorPool
    charts: ChartShelf
    #: What opens a source's repository.
    credentials: Callable[[Source], RepositoryCredentials | None]


@dataclass(frozen=True, slots=True)
class _Place:
    """A source's repository or chart at one revision."""

    revision: str
    mirror: Mirror | None = None
    chart: Chart | None = None


async def resolve(application: Application, where: Where, *, tip: str = "", revisions: tuple[str, ...] = ()) -> Sources:
    """The sources at what their target revisions stand for now, or at `revisions` where an operation names them.

    A remote is asked, unless the mirror already has the target revision at `tip`, a SHA that it was
    seen to have reached, or the target revision is a SHA that the mirror has. That the mirror is
    *ahead* of `tip` is no reason not to ask: the remote may have gone back. Where there is a tip of
    one source, the others stay where they were compared last, if that is known here too: a push to
    them has a job of its own. Sources that follow the same are at the same commit.

    Raises StalledError for a revision or a path that does not exist, and what `Mirror.fetch` and
    `Charts.resolve` raise.
    """
    targets = revisions or tuple(source.target_revision for source in application.sources)
    compared = application.revisions if tip and application.has_many_sources else ("",) * len(targets)
    wanted: dict[tuple[str, str, str], tuple[Source, str]] = {}
    for source, target, before in zip(application.sources, targets, compared, strict=True):
        wanted.setdefault((source.repo_url, source.chart, target), (source, before))
    found: dict[tuple[str, str, str], _Place] = {}

    async def ask(key: tuple[str, str, str]) -> None:
        source, before = wanted[key]
        if source.is_chart:
            found[key] = await _chart(where, source, key[2], before)
        else:
            mirror = await where.mirrors.mirror(source.repo_url)
            trusted = {sha for sha in (tip.lower(), before) if sha}
            found[key] = _Place(await _commit(mirror, source, key[2], where, trusted), mirror)

    await each(wanted, ask, in_flight_max=REMOTES_ASKED_MAX)
    places = [
        found[source.repo_url, source.chart, target]
        for source, target in zip(application.sources, targets, strict=True)
    ]
    return await _at(application, places)


async def recorded(application: Application, where: Where) -> Sources | None:
    """The sources at the revisions they were last compared at; None where this machine does not have one.

    No remote is asked, unless a chart is to be fetched anew. Raises StalledError for a path that does
    not exist there.
    """
    places = []
    for source, revision in zip(application.sources, application.revisions, strict=True):
        if not revision:
            return None
        if source.is_chart:
            ref = await where.charts.remembered(source, revision)
            if ref is None:
                return None
            places.append(_Place(revision, chart=await where.charts.fetch(source, ref, where.credentials(source))))
            continue
        mirror = await where.mirrors.mirror(source.repo_url)
        if await mirror.resolve(revision) != revision:
            return None
        places.append(_Place(revision, mirror))
    return await _at(application, places)


async def at_commits(application: Application, commits: Sequence[tuple[Mirror, str]]) -> Sources:
    """The sources, all in Git, at these commits, which the mirrors have. StalledError for a path that is not there."""
    return await _at(application, [_Place(revision, mirror) for mirror, revision in commits])


async def _chart(where: Where, source: Source, target: str, before: str) -> _Place:
    credentials = where.credentials(source)
    ref = await where.charts.remembered(source, before) if before else None
    if ref is None:
        ref = await where.charts.resolve(source, target, credentials)
        await where.charts.remember(source, ref)
    return _Place(ref.version, chart=await where.charts.fetch(source, ref, credentials))


async def _commit(mirror: Mirror, source: Source, target: str, where: Where, trusted: set[str]) -> str:
    known = await mirror.resolve(target) if is_full_sha(target) or trusted else None
    if known is not None and (is_full_sha(target) or known in trusted):
        return known
    fetched = await mirror.fetch([target], credentials=where.credentials(source), url=source.repo_url)
    revision = fetched[target]
    if isinstance(revision, Missing):
        raise StalledError(revision.reason)
    return revision


async def _at(application: Application, places: Sequence[_Place]) -> Sources:
    found: list[SourceAt] = []
    for index, (source, place) in enumerate(zip(application.sources, places, strict=True)):
        name = said(application, index)
        if place.chart is not None:
            chart, digest = place.chart, place.chart.digest
            tree = LocalTree(chart.directory, file_bytes_max=CHART_FILE_BYTES_MAX, digest=digest)
            found.append(SourceAt(source, name, place.revision, tree, "", chart_digest=digest))
        elif place.mirror is not None:
            checkout = await at(place.mirror, place.revision, source.path, said=name)
            found.append(SourceAt(source, name, place.revision, checkout.repository, checkout.path, checkout))
    return Sources(tuple(found))
