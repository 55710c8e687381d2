"""How long it took until live and Git agreed again. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean, median

from trueup.domain.incident import Incident


@dataclass(frozen=True, slots=True)
class Repair:
    """One stretch from an opening, or an opening again, to its end."""

    closed_at: datetime
    seconds: float
    ending: str


@dataclass(frozen=True, slots=True)
class Times:
    """How long some repairs took, in seconds."""

    repairs: int
    mean_seconds: float
    median_seconds: float
    seconds_max: float


@dataclass(frozen=True, slots=True)
class Account:
    """What the records of some drifts come to."""

    incidents: int
    open: int
    #: How often live moved away from Git in all: an incident that drifts again soon counts each time.
    drifts: int
    #: All repairs that are on record; None where none is.
    times: Times | None
    #: By how they ended, the most frequent first.
    by_ending: tuple[tuple[str, Times], ...]
    #: When the oldest of the incidents opened; None where there is none.
    since: datetime | None


def repairs_of(incident: Incident) -> tuple[Repair, ...]:
    """The repairs on record, oldest first.

    A long history has dropped turns: what they leave in doubt is no repair.
    """
    found: list[Repair] = []
    openings = sum(turn.what in ("Opened", "Reopened") for turn in incident.history)
    # Records of earlier releases tell of no opening but in `opened_at`.
    opened_at = incident.opened_at if openings == 0 and incident.times == 1 else None
    for place, turn in enumerate(incident.history):
        if turn.what in ("Opened", "Reopened"):
            # Between the first turn and the next one kept there may have been ends and openings.
            opened_at = turn.time if place or openings == incident.times else None
        elif turn.what == "Closed" and opened_at is not None:
            found.append(_repair(opened_at, turn.time, turn.ending))
            opened_at = None
    if not incident.history and incident.closed_at is not None:
        found.append(_repair(incident.opened_at, incident.closed_at, incident.ending))
    return tuple(found)


def seconds_to_repair(incident: Incident) -> float:
    """How long the latest repair of an incident that is over took."""
    known = repairs_of(incident)
    closed_at = incident.closed_at or incident.updated_at
    if known and known[-1].closed_at == closed_at:
        return known[-1].seconds
    return _repair(incident.opened_at, closed_at, incident.ending).seconds


def account_of(incidents: Iterable[Incident]) -> Account:
    """The means over every repair of those of these incidents that are drift.

    A revision that nobody has delivered is none: what it waits for is a person, and live has not moved.
    """
    every = _drifts(incidents)
    durations: dict[str, list[float]] = {}
    for repair in (repair for incident in every for repair in repairs_of(incident)):
        durations.setdefault(repair.ending or "Unknown", []).append(repair.seconds)
    ordered = sorted(durations.items(), key=lambda item: (-len(item[1]), item[0]))
    return Account(
        incidents=len(every),
        open=sum(incident.is_open for incident in every),
        drifts=sum(incident.times for incident in every),
        times=_times([seconds for each in durations.values() for seconds in each]) if durations else None,
        by_ending=tuple((ending, _times(seconds)) for ending, seconds in ordered),
        since=min((incident.opened_at for incident in every), default=None),
    )


def accounts_of(incidents: Iterable[Incident]) -> dict[str, Account]:
    """The account of each application that has drifted, by its name."""
    grouped: dict[str, list[Incident]] = {}
    for incident in _drifts(incidents):
        grouped.setdefault(incident.application.name, []).append(incident)
    return {name: account_of(each) for name, each in sorted(grouped.items())}


def _drifts(incidents: Iterable[Incident]) -> list[Incident]:
    return [incident for incident in incidents if incident.cause == "Drift"]


def _repair(opened_at: datetime, closed_at: datetime, ending: str) -> Repair:
    """A clock that was set back makes it no less than nothing."""
    return Repair(closed_at, max(0.0, (closed_at - opened_at).total_seconds()), ending)


def _times(seconds: list[float]) -> Times:
    return Times(len(seconds), fmean(seconds), median(seconds), max(seconds))
