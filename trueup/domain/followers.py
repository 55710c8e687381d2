"""Who follows one repository, kept by what a push asks of them, so that no push walks through them all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from trueup.domain.application import Application, ApplicationId
from trueup.domain.chart_repository import chart_key
from trueup.domain.repository import normalize_url
from trueup.domain.source import Source
from trueup.domain.standing import is_uncertain

Group = dict[ApplicationId, Application]
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True, order=True)
class Followed:
    """A target revision of a Git repository: what an Application follows, by one source or by several."""

    #: Normalised.
    url: str
    revision: str


def followed_url(source: Source) -> str:
    """The repository that a source follows, normalised: pushes to it concern the source, and sweeps look there."""
    return chart_key(source.repo_url, source.chart) if source.is_chart else normalize_url(source.repo_url)


def followed_by(source: Source) -> Followed | None:
    """What the source follows in Git; None for a chart from a repository."""
    return None if source.is_chart else Followed(followed_url(source), source.target_revision)


def follows(application: Application) -> dict[Followed, str]:
    """What the Application follows in Git, and what it was last compared at there; empty if never.

    Where its status speaks of two commits of one ref, nothing is known.
    """
    found: dict[Followed, str] = {}
    for source, revision in zip(application.sources, application.revisions, strict=True):
        followed = followed_by(source)
        if followed is None:
            continue
        found[followed] = revision if found.get(followed, revision) == revision else ""
    return found


class Followers:
    """The Applications with a source in one repository. A change of one costs that one alone.

    The views that it gives are live: take a copy before an await. Not safe for several threads.
    """

    def __init__(self, url: str) -> None:
        """`url` as `followed_url` gives it."""
        self._url = url
        self._every: Group = {}
        self._by_revision: dict[str, Group] = {}
        self._by_address: dict[tuple[str, str], Group] = {}
        self._of_charts: Group = {}
        self._uncertain: Group = {}

    def __len__(self) -> int:
        return len(self._every)

    def __iter__(self) -> Iterator[Application]:
        return iter(self._every.values())

    @property
    def by_revision(self) -> Mapping[str, Mapping[ApplicationId, Application]]:
        """Target revision in Git → those that follow it; without those that are being deleted."""
        return self._by_revision

    @property
    def by_address(self) -> Mapping[tuple[str, str], Mapping[ApplicationId, Application]]:
        """The address as it is spelled, with the project → who names it so; without those that are being deleted."""
        return self._by_address

    @property
    def of_charts(self) -> Mapping[ApplicationId, Application]:
        """Those with a chart from here; without those that are being deleted."""
        return self._of_charts

    @property
    def uncertain(self) -> Mapping[ApplicationId, Application]:
        """Those without a verdict on what they ask for now."""
        return self._uncertain

    def put(self, application: Application) -> None:
        """Take in this version of the Application, in place of any other."""
        self.drop(application.id)
        self._every[application.id] = application
        if application.deleting:
            return
        for source in self._sources(application):
            if source.is_chart:
                self._of_charts[application.id] = application
                continue
            self._by_revision.setdefault(source.target_revision, {})[application.id] = application
            self._by_address.setdefault((source.repo_url, application.project), {})[application.id] = application
        if is_uncertain(application):
            self._uncertain[application.id] = application

    def drop(self, identity: ApplicationId) -> None:
        """Forget the Application."""
        application = self._every.pop(identity, None)
        if application is None:
            return
        self._uncertain.pop(identity, None)
        self._of_charts.pop(identity, None)
        for source in self._sources(application):
            _leave(self._by_revision, source.target_revision, identity)
            _leave(self._by_address, (source.repo_url, application.project), identity)

    def _sources(self, application: Application) -> tuple[Source, ...]:
        return tuple(source for source in application.sources if followed_url(source) == self._url)


def _leave(groups: dict[Key, Group], key: Key, identity: ApplicationId) -> None:
    group = groups.get(key)
    if group is not None:
        group.pop(identity, None)
        if not group:
            del groups[key]
