"""What a worker knows of the objects of its applications that are Synced, so that it need not look at them twice.

A sync's own writes come back as watch events. The run that made them has seen the objects as they are since; a
look at exactly these versions finds what that run has written down already.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection

from trueup.domain.application import ApplicationId
from trueup.domain.job import Scope
from trueup.domain.resource import ABSENT, ResourceKey
from trueup.engine.comparison import Comparison


class Seen:
    """Per application, the versions of its objects that its last run ended with; the oldest are dropped first."""

    def __init__(self, *, objects_max: int) -> None:
        self._max = objects_max
        self._count = 0
        self._members: OrderedDict[ApplicationId, frozenset[str]] = OrderedDict()

    def covers(self, application: ApplicationId, scope: Scope) -> bool:
        """Whether the scope names versions, and each is the one that the last run ended with."""
        return scope.members is not None and frozenset() < scope.members <= self._members.get(application, frozenset())

    def take(self, application: ApplicationId) -> frozenset[str]:
        """What is known of the application, which is forgotten: a run begins, and may end in any way."""
        taken = self._members.pop(application, frozenset())
        self._count -= len(taken)
        return taken

    def leave(
        self,
        application: ApplicationId,
        comparison: Comparison,
        before: Collection[str],
        written: Collection[ResourceKey] = (),
    ) -> None:
        """A run has ended in this comparison, and wrote it down; `before` was known when it began.

        What the run has `written` itself is there, whoever saw it absent before. Of what is not Synced
        nothing is kept: there is more to a look at it than what the object says.
        """
        if comparison.sync_status != "Synced":
            return
        versions = {key: body["metadata"].get("resourceVersion") for key, body in comparison.live.items() if body}
        members = {key.member(version) for key, version in versions.items() if version}
        members |= {key.member(ABSENT) for key in written if versions.get(key)}
        if comparison.looked_at is not None:
            elsewhere = {key.member() for key in comparison.carried}
            members |= {member for member in before if member.rpartition("/")[0] in elsewhere}
        self.take(application)
        self._members[application] = frozenset(members)
        self._count += len(members)
        while self._count > self._max:
            self.take(next(iter(self._members)))
