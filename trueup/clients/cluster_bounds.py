"""How much of an API server one process takes, and how patient it is with it."""

from __future__ import annotations

from dataclasses import dataclass, field

from trueup.clients.transport import TransportBounds


@dataclass(frozen=True, slots=True)
class InformerBounds:
    """Patience of an informer.

    A server closes a watch after `watch_seconds`, and sends a bookmark shortly before; so a
    connection that has not said anything for longer than that leads nowhere, and is given up after
    `silence_seconds_max`.
    """

    watch_seconds: int = 50
    silence_seconds_max: float = 60.0
    #: A list that is being streamed and says nothing for so long is given up, and asked for in the other way.
    list_silence_seconds_max: float = 10.0
    watch_line_bytes_max: int = 64 * 1024 * 1024
    retry_seconds_min: float = 0.2
    retry_seconds_max: float = 30.0
    #: So many watches in a row that ended without a word, before their time, are a gap: list anew.
    fruitless_watches_max: int = 3


@dataclass(frozen=True, slots=True)
class ClusterBounds:
    """Bounds of one process towards one API server."""

    transport: TransportBounds = field(default_factory=TransportBounds)
    informer: InformerBounds = field(default_factory=InformerBounds)
    #: Two readings of the list of kinds start at least this far apart.
    discovery_refresh_seconds_min: float = 2.0
    #: Objects asked for at a time when a whole kind is listed.
    list_page_objects_max: int = 500
    #: A paged list that expires under way is begun anew this often before it is asked for in one piece.
    list_restarts_max: int = 2
    #: Whole kinds that informers list at a time, so that a storm of 410s does not become one of LISTs.
    relists_in_flight_max: int = 4
