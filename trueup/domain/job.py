"""What waits in Redis: where to look, never what is true.

A job names one repository or one application. Events that arrive while it waits are joined into
it; events that arrive while it runs cause exactly one more run.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from trueup.domain.application import ApplicationId
from trueup.domain.expected import Expected

JOB_VERSION = 1
#: A scope with more members than this becomes "everything".
SCOPE_MEMBERS_MAX = 500

JobKind = Literal["repository", "application", "view"]


class Priority(IntEnum):
    """Manual requests overtake drift, drift overtakes push, push overtakes sweep."""

    MANUAL = 0
    DRIFT = 1
    PUSH = 2
    SWEEP = 3


@dataclass(frozen=True, slots=True)
class Scope:
    """The part that an event points at; None is everything.

    For a repository job the members are application ids to look at whatever the commits changed;
    for an application job they are ResourceKeys; for a view job they name the looks that wait for its answer.
    """

    members: frozenset[str] | None = None

    @property
    def is_everything(self) -> bool:
        return self.members is None

    def union(self, other: Scope) -> Scope:
        if self.members is None or other.members is None:
            return EVERYTHING
        joined = self.members | other.members
        return Scope(joined) if len(joined) <= SCOPE_MEMBERS_MAX else EVERYTHING


EVERYTHING = Scope(None)
NOTHING_MORE = Scope(frozenset())
#: The member of a repository job's scope that asks for a check of every follower by content. It
#: stands in the scope, and not in the priority, so that a push that joins a sweep does not undo it.
BY_CONTENT = "*"
EVERY_FOLLOWER_BY_CONTENT = Scope(frozenset({BY_CONTENT}))
#: The member of an application job's scope that stands for every object, held against the revision
#: that was compared last: the remote need not be asked for what only the cluster can tell.
EVERY_OBJECT = "*"
EVERY_LIVE_OBJECT = Scope(frozenset({EVERY_OBJECT}))


@dataclass(frozen=True, slots=True)
class Job:
    kind: JobKind
    #: A repository's normalised URL, or `namespace/name` of an application, also for a view of it.
    subject: str
    scope: Scope
    priority: Priority
    #: How long it must wait at the least, from the moment it is enqueued.
    delay_seconds: float = 0.0
    #: For an application: a SHA that its target revision had reached, so that a mirror that holds it
    #: need not be fetched. For a repository: what a webhook says a ref has, see `Expected`. A hint: a
    #: wrong one costs a fetch or a few.
    tip: str = ""
    #: Jobs of one priority are claimed from the lanes in turn: what one commit asks of thousands of
    #: applications does not keep another repository waiting.
    lane: str = ""

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.subject}"


@dataclass(frozen=True, slots=True, order=True)
class Token:
    """The fencing token: the epoch outlives Redis, n counts within it."""

    epoch: int
    n: int

    def __str__(self) -> str:
        return f"{self.epoch}.{self.n}"

    @classmethod
    def parse(cls, text: str) -> Token | None:
        epoch, dot, n = text.partition(".")
        if not (dot and epoch.isascii() and epoch.isdigit() and n.isascii() and n.isdigit()):
            return None
        return cls(int(epoch), int(n))


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that this worker, and no other with a valid token, is running."""

    job: Job
    token: Token
    #: Failed runs in a row before this one.
    attempt: int
    #: When the oldest event in it was enqueued, seconds since the epoch by Redis' clock.
    enqueued_at: float


def repository_job(
    url: str,
    priority: Priority,
    *,
    applications: Scope = NOTHING_MORE,
    expected: Expected | None = None,
    delay_seconds: float = 0.0,
) -> Job:
    """`expected` is a commit that a webhook says is there."""
    tip = "" if expected is None else str(expected)
    # A lane of its own, lest a repository wait behind its own applications.
    return Job("repository", url, applications, priority, delay_seconds, tip, lane=f"repository {url}")


def application_job(
    application: ApplicationId,
    priority: Priority,
    *,
    scope: Scope = EVERYTHING,
    tip: str = "",
    delay_seconds: float = 0.0,
    repository: str = "",
) -> Job:
    """`repository` is the normalised URL in whose lane it waits; without one it shares a lane with all such."""
    return Job("application", str(application), scope, priority, delay_seconds, tip, repository)


def view_job(application: ApplicationId, look: str) -> Job:
    """Render and compare without writing, for people who look: `look` names who waits for the answer.

    A look that is asked for while a view runs is answered by the next one. So an answer that names it was worked
    out after it was asked for. All views share a lane: however many people look, the others have their turn.
    """
    return Job("view", str(application), Scope(frozenset({look})), Priority.DRIFT, lane="views")
