"""What is new about an incident, for whoever follows the records as they change. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from trueup.domain.incident import Incident

#: dropped: the record went while the incident was open, as it does with its Application.
News = Literal["opened", "changed", "reopened", "closed", "dropped"]


def news(before: Incident | None, after: Incident | None) -> News | None:
    """What somebody is told who knew `before`; None where nothing has moved but what a channel was told.

    What happened between two looks is told as one: an incident that opened and ended meanwhile has closed.
    """
    if after is None:
        return "dropped" if before is not None and before.is_open else None
    if before is None:
        return "opened" if after.is_open else "closed"
    if before.is_open != after.is_open:
        return "reopened" if after.is_open else "closed"
    if _told(before) == _told(after):
        return None
    ended_again = before.closed_at != after.closed_at
    return "closed" if ended_again else "changed"


def _told(incident: Incident) -> Incident:
    return replace(incident, message=None, claimed_by="", claimed_until=None, resource_version="")
