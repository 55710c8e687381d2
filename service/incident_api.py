"""`/api/v1/incidents`: what drifted, who wrote it, how it ended; page by page, or one in full."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from aiohttp import web

from trueup.domain.incident import Incident
from trueup.domain.incident_choice import Choice

from .answers import RefusedError, answer
from .incident_answers import Place, place_in, summary, token_of, whole
from .incidents import Incidents, order_of

INCIDENTS_PER_PAGE = 100
INCIDENTS_PER_PAGE_MAX = 500
PARAMETER_CHARS_MAX = 512
PARAMETERS = frozenset({"open", "application", "since", "by", "limit", "continue"})
RETRY_SECONDS = 10


class IncidentApi:
    """Answers from the service's own view: no request reaches the API server."""

    def __init__(self, incidents: Incidents) -> None:
        self._incidents = incidents

    def mount(self, public: web.Application) -> None:
        """Answer at its paths."""
        public.router.add_get("/api/v1/incidents", self.list_incidents)
        public.router.add_get("/api/v1/incidents/{name}", self.get_incident)

    async def list_incidents(self, request: web.Request) -> web.Response:
        """A page of those that are asked for, newest first, and where the next one goes on."""
        choice, limit, after = _asked(request)
        self._check_loaded()
        now = datetime.now(UTC)
        page = page_of(self._incidents.newest_first(), choice, limit, after)
        going_on = token_of(order_of(page[limit - 1])) if len(page) > limit else ""
        return answer(200, {"items": [summary(incident, now) for incident in page[:limit]], "continue": going_on})

    async def get_incident(self, request: web.Request) -> web.Response:
        """One in full, with its fields."""
        self._check_loaded()
        incident = self._incidents.get(request.match_info["name"])
        if incident is None:
            raise RefusedError(404, "There is no such incident; /api/v1/incidents names those there are.")
        return answer(200, whole(incident, datetime.now(UTC)))

    def _check_loaded(self) -> None:
        if self._incidents.problem:
            raise RefusedError(503, self._incidents.problem, retry_after_seconds=RETRY_SECONDS)


def page_of(incidents: Iterable[Incident], choice: Choice, limit: int, after: Place | None) -> list[Incident]:
    """Those that are admitted behind the place, and one more than the limit where there are as many."""
    found: list[Incident] = []
    for incident in incidents:
        if (after is None or order_of(incident) < after) and choice.admits(incident):
            found.append(incident)
            if len(found) > limit:
                break
    return found


def _asked(request: web.Request) -> tuple[Choice, int, Place | None]:
    """What the query asks for; RefusedError for what it cannot mean."""
    query = request.query
    for name in query:
        if name not in PARAMETERS or len(query.getall(name)) > 1 or len(query[name]) > PARAMETER_CHARS_MAX:
            raise RefusedError(400, f"The parameters are {', '.join(sorted(PARAMETERS))}, each once and short.")
    choice = Choice(
        _flag(query.get("open", "")), query.get("application", ""), _moment(query.get("since", "")), query.get("by", "")
    )
    return choice, _limit(query.get("limit", "")), _place(query.get("continue", ""))


def _flag(text: str) -> bool | None:
    if text not in ("", "true", "false"):
        raise RefusedError(400, "open is true, for those that are not over, or false.")
    return text == "true" if text else None


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        # A plus sign that nobody has escaped arrives as a space.
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise RefusedError(400, "since is a time of RFC 3339, such as 2026-01-31T14:00:00Z.")
    return moment


def _limit(text: str) -> int:
    if not text:
        return INCIDENTS_PER_PAGE
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= INCIDENTS_PER_PAGE_MAX):
        raise RefusedError(400, f"limit is a number from 1 to {INCIDENTS_PER_PAGE_MAX}.")
    return int(text)


def _place(token: str) -> Place | None:
    place = place_in(token) if token else None
    if token and place is None:
        raise RefusedError(400, "continue is not what an answer held; leave it out to begin anew.")
    return place
