"""What was deployed at a moment, and which incidents were open then: as far as the records reach back. Pure.

`status.history` keeps the last deployments, and only so many incidents are kept of an application: what lies before
them is said to be unknown, and is never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from trueup.domain.incident import Incident
from trueup.domain.lenient import as_list, as_mapping, as_text, as_whole
from trueup.domain.moment import shown_moment
from trueup.domain.origin import is_made_from, revision_in

POLICY = "automation"


@dataclass(frozen=True, slots=True)
class Deployment:
    """One entry of `status.history`."""

    id: int
    #: Of many sources all their revisions, see `trueup.domain.application.joined`.
    revision: str
    #: When the sync began; None where the entry does not say so.
    started_at: datetime | None
    deployed_at: datetime
    #: The user who asked for it, or `automation`; empty where the entry does not say so.
    by: str
    #: The entry as it stands in the status: its `source` or `sources` are what was rendered.
    raw: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """The last sync that `status.operationState` tells of."""

    phase: str
    revision: str
    started_at: datetime
    #: None for one that runs still.
    finished_at: datetime | None
    message: str
    by: str


@dataclass(frozen=True, slots=True)
class AsOf:
    at: datetime
    #: None where nothing was deployed or where it is not known; `unknown` or `nothing_yet` then says which.
    deployed: Deployment | None
    #: A sentence where the history does not reach back so far; empty where it does.
    unknown: str
    #: A sentence where nothing had been deployed yet; empty where something had.
    nothing_yet: str
    #: What took its place, and when.
    followed_by: Deployment | None
    #: What was being deployed just then.
    under_way: Deployment | None
    #: The last sync, where it had begun by then and is no deployment: one that failed, healed or synced a part.
    operation: Operation | None
    #: Those that were open then, newest first; their fields as they were recorded last.
    incidents: tuple[Incident, ...]
    #: From when on incidents are on record; None where none was dropped, so that all there were are known.
    incidents_since: datetime | None


def as_of(raw: Mapping[str, Any], incidents: Iterable[Incident], at: datetime) -> AsOf:
    """What the Application was at the moment. `incidents` are its own, in any order."""
    status = as_mapping(raw.get("status"))
    deployments = history_of(status)
    done = [one for one in deployments if one.deployed_at <= at]
    ahead = [one for one in deployments if one.deployed_at > at]
    deployed = done[-1] if done else None
    following = ahead[0] if ahead else None
    begun = following is not None and following.started_at is not None and following.started_at <= at
    unknown, nothing_yet = ("", "") if deployed else _why_nothing(raw, deployments, at)
    under_way = following if begun else None
    records = sorted(incidents, key=lambda one: (one.opened_at, one.name), reverse=True)
    return AsOf(
        at=at,
        deployed=deployed,
        unknown=unknown,
        nothing_yet=nothing_yet,
        followed_by=following,
        under_way=under_way,
        operation=_operation(status, at, (deployed, under_way)),
        incidents=tuple(one for one in records if was_open(one, at)),
        incidents_since=_reach(records, at),
    )


def history_of(status: Mapping[str, Any]) -> tuple[Deployment, ...]:
    """The deployments on record, oldest first; an entry without a time is none.

    A clock that was set back puts an entry before an earlier one: it counts from the time that it states.
    """
    found = (_deployment(as_mapping(entry)) for entry in as_list(status.get("history")))
    return tuple(sorted((one for one in found if one is not None), key=lambda one: (one.deployed_at, one.id)))


def as_deployed(raw: Mapping[str, Any], deployment: Deployment) -> dict[str, Any]:
    """The Application with the sources that were deployed then, everything else being as it is now.

    Where they are still the same the spec's own stay: those of a status have lost what may stand in their URLs.
    """
    spec = as_mapping(raw.get("spec"))
    if is_made_from(deployment.raw, spec):
        return dict(raw)
    rest = {name: value for name, value in spec.items() if name not in ("source", "sources")}
    then = {name: deployment.raw[name] for name in ("source", "sources") if deployment.raw.get(name)}
    return {**raw, "spec": {**rest, **then}}


def was_open(incident: Incident, at: datetime) -> bool:
    """Whether it was open at the moment, and not over for a while between two drifts."""
    if at < incident.opened_at or (incident.closed_at is not None and at >= incident.closed_at):
        return False
    last = max((turn for turn in incident.history if turn.time <= at), key=lambda turn: turn.time, default=None)
    return last is None or last.what != "Closed"


def moment_in(value: object) -> datetime | None:
    """The moment that an object's text of RFC 3339 names; None for anything else."""
    try:
        moment = datetime.fromisoformat(as_text(value))
        return moment.astimezone(UTC) if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _deployment(entry: Mapping[str, Any]) -> Deployment | None:
    deployed_at = moment_in(entry.get("deployedAt"))
    if deployed_at is None:
        return None
    return Deployment(
        as_whole(entry.get("id")),
        revision_in(entry),
        moment_in(entry.get("deployStartedAt")),
        deployed_at,
        _by(entry.get("initiatedBy")),
        entry,
    )


def _by(initiated_by: object) -> str:
    told = as_mapping(initiated_by)
    return POLICY if told.get("automated") is True else as_text(told.get("username"))


def _why_nothing(raw: Mapping[str, Any], deployments: tuple[Deployment, ...], at: datetime) -> tuple[str, str]:
    """(why it is unknown, why there was nothing): one of them says something."""
    created_at = moment_in(as_mapping(raw.get("metadata")).get("creationTimestamp"))
    if created_at is not None and at < created_at:
        return "", f"the Application was created at {shown_moment(created_at)}"
    if not deployments:
        return "no deployment is on record", ""
    first = deployments[0]
    if min(one.id for one in deployments) == 0 and first.id == 0:
        return "", f"its first deployment was at {shown_moment(first.deployed_at)}"
    return f"the history begins at {shown_moment(first.deployed_at)}", ""


def _operation(
    status: Mapping[str, Any], at: datetime, told: tuple[Deployment | None, Deployment | None]
) -> Operation | None:
    """The last sync, unless it is what made one of the deployments that are `told` of anyway."""
    state = as_mapping(status.get("operationState"))
    started_at, finished_at = moment_in(state.get("startedAt")), moment_in(state.get("finishedAt"))
    if started_at is None or started_at > at:
        return None
    if finished_at is not None and any(one is not None and finished_at <= one.deployed_at for one in told):
        return None
    asked = as_mapping(state.get("operation"))
    return Operation(
        as_text(state.get("phase")),
        revision_in(as_mapping(state.get("syncResult"))) or revision_in(as_mapping(asked.get("sync"))),
        started_at,
        finished_at,
        as_text(state.get("message")),
        _by(asked.get("initiatedBy")),
    )


def _reach(records: list[Incident], at: datetime) -> datetime | None:
    """Where the records begin, if some were dropped and the moment lies before that.

    Their names are numbered from 1 on, and of those that are over the oldest go first.
    """
    numbers = {int(number) for one in records if (number := one.name.rpartition(".")[2]).isdecimal()}
    if len(numbers) == max(numbers, default=0):
        return None
    kept = [one.opened_at for one in records if not one.is_open]
    begins = min(kept) if kept else max(one.opened_at for one in records)
    return begins if at < begins else None
