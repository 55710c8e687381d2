"""Which incidents somebody asks for, the same for the command line and for the API. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from trueup.domain.incident import Incident


@dataclass(frozen=True, slots=True)
class Choice:
    """What is left as it is lets every incident pass."""

    #: True: those that are not over. False: those that are.
    is_open: bool | None = None
    #: Name of the application.
    application: str = ""
    #: Those that were not over by then.
    since: datetime | None = None
    #: A field manager that wrote what differs, or a user whom the API server authenticated; in full.
    by: str = ""

    def admits(self, incident: Incident) -> bool:
        return (
            (self.is_open is None or incident.is_open == self.is_open)
            and self.application in ("", incident.application.name)
            and (self.since is None or incident.closed_at is None or incident.closed_at >= self.since)
            and (not self.by or self.by in named_in(incident))
        )


def named_in(incident: Incident) -> frozenset[str]:
    """The names of everybody who wrote what differs: users and field managers."""
    written = [each for item in incident.objects for each in item.attributions]
    users = (name for each in written if each.person is not None for name in each.person.names)
    return frozenset(name for name in (*users, *(each.manager for each in written)) if name)
