"""Which applications a look at a repository of charts concerns: those whose chart is another one now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trueup.clients.charts import ChartRef
from trueup.domain.application import Application, ApplicationId
from trueup.domain.errors import StalledError
from trueup.domain.followers import followed_url
from trueup.domain.source import Source
from trueup.domain.standing import is_unknown

from .context import Worker

#: Where a chart is, its name, what is followed of it, and the project whose credentials open it.
_Asked = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class ChartsMoved:
    affected: frozenset[ApplicationId]
    _seen: tuple[tuple[Source, ChartRef], ...]

    async def settle(self, worker: Worker) -> None:
        """The affected are enqueued: what is there now is no news any more."""
        for source, ref in self._seen:
            await worker.engine.charts.remember(source, ref)


async def moved(worker: Worker, url: str, applications: Mapping[ApplicationId, Application]) -> ChartsMoved:
    """Whose chart in this repository is of another version, or another archive, than was compared.

    The repository is asked once for each chart and target revision. What it refuses is told by the
    application's own run. Raises TransientError where it is away.
    """
    found: set[ApplicationId] = set()
    answers: dict[_Asked, ChartRef | None] = {}
    seen: list[tuple[Source, ChartRef]] = []
    for name, application in applications.items():
        for source, revision in zip(application.sources, application.revisions, strict=True):
            if not source.is_chart or followed_url(source) != url:
                continue
            asked = (source.repo_url, source.chart, source.target_revision, application.project)
            if asked not in answers:
                answers[asked] = await _answer(worker, source, application.project)
            ref = answers[asked]
            if ref is None:
                found |= set() if is_unknown(application) else {name}
            elif ref.version != revision or not await _is_known(worker, source, ref):
                found.add(name)
                seen.append((source, ref))
    return ChartsMoved(frozenset(found), tuple(seen))


async def _answer(worker: Worker, source: Source, project: str) -> ChartRef | None:
    """None where the repository has nothing of the kind, or lets us not see it."""
    engine = worker.engine
    try:
        return await engine.charts.resolve(source, source.target_revision, engine.opens(source, project))
    except StalledError:
        return None


async def _is_known(worker: Worker, source: Source, ref: ChartRef) -> bool:
    """Whether the version still is the archive that it was: a tag of a registry may be given to another one."""
    before = await worker.engine.charts.remembered(source, ref.version)
    return before is not None and before.digest == ref.digest
