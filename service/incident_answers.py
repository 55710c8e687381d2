"""How the API shows an incident: whole, or as one of many. Values are masked where the incident is recorded."""

from __future__ import annotations

import base64
import binascii
from dataclasses import asdict
from datetime import UTC, datetime

from trueup.clients.incident_records import status_of, time_text
from trueup.domain.incident import Incident

TOKEN_CHARS_MAX = 512

#: The place of an incident among all: when it opened, and its name.
Place = tuple[datetime, str]


def summary(incident: Incident, now: datetime) -> dict[str, object]:
    """One of many: which objects, and of their fields only how many."""
    objects = [
        {**asdict(item.key), "status": item.status, "fields": len(item.fields) + item.fields_left_out}
        for item in incident.objects
    ]
    return {
        **_identity(incident, now),
        "phase": "Open" if incident.is_open else "Closed",
        "revision": incident.revision,
        "updatedAt": time_text(incident.updated_at),
        "closedAt": time_text(incident.closed_at) if incident.closed_at else None,
        "ending": incident.ending or None,
        "times": incident.times,
        "selfHeals": incident.self_heals,
        "trouble": incident.trouble or None,
        "by": list(incident.writers),
        "objects": objects,
        "objectsLeftOut": incident.objects_left_out,
    }


def whole(incident: Incident, now: datetime) -> dict[str, object]:
    """All that is on record, its members named as in the record itself."""
    status = {name: value for name, value in status_of(incident).items() if value is not None}
    return {**_identity(incident, now), **status, "by": list(incident.writers)}


def _identity(incident: Incident, now: datetime) -> dict[str, object]:
    return {
        "namespace": incident.application.namespace,
        "name": incident.name,
        "application": incident.application.name,
        "cluster": incident.cluster,
        "cause": incident.cause,
        "openedAt": time_text(incident.opened_at),
        # Of one that is open, so far.
        "seconds": round(((incident.closed_at or now) - incident.opened_at).total_seconds(), 3),
    }


def token_of(place: Place) -> str:
    """Where the next page goes on. It names a place and no page, so that what is new meanwhile moves nothing."""
    opened_at, name = place
    return base64.urlsafe_b64encode(f"{opened_at.isoformat()}/{name}".encode()).decode().rstrip("=")


def place_in(token: str) -> Place | None:
    """The place that `token_of` wrote down; None for anything else."""
    if len(token) > TOKEN_CHARS_MAX or not token.isascii():
        return None
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode()
        moment, _, name = text.partition("/")
        opened_at = datetime.fromisoformat(moment)
        place = (opened_at.astimezone(UTC), name)
    except (binascii.Error, UnicodeDecodeError, ValueError, OverflowError):
        return None
    return place if opened_at.tzinfo is not None and name else None
