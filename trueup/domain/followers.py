"""Who follows one repository, kept by what a push asks of them, so that no push walks through them all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from trueup.domain.application import Application, ApplicationId
from trueup.domain.standing import is_uncertain

Group = dict[ApplicationId, Application]
Key = TypeVar("Key")


class Followers:
    """The Applications whose source is one repository. A change of one costs that one alone.

    The views that it gives are live: take a copy before an await. Not safe for several threads.
    """

    def __init__(self) -> None:
        self._every: Group = {}
        self._by_revision: dict[str, Group] = {}
        self._by_address: dict[tuple[str, str], Group] = {}
        self._uncertain: Group = {}

    def __len__(self) -> int:
        return len(self._every)

    def __iter__(self) -> Iterator[Application]:
        return iter(self._every.values())

    @property
    def by_revision(self) -> Mapping[str, Mapping[ApplicationId, Application]]:
        """Target revision → those that follow it; without those that are being deleted."""
        return self._by_revision

    @property
    def by_address(self) -> Mapping[tuple[str, str], Mapping[ApplicationId, Application]]:
        """The address as it is spelled, with the project → who names it so; without those that are being deleted."""
        return self._by_address

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
        source = application.source
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
        _leave(self._by_revision, application.source.target_revision, identity)
        _leave(self._by_address, (application.source.repo_url, application.project), identity)


def _leave(groups: dict[Key, Group], key: Key, identity: ApplicationId) -> None:
    group = groups.get(key)
    if group is not None:
        group.pop(identity, None)
        if not group:
            del groups[key]
