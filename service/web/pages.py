"""What each page shows: put together from memory, and of one application from a look at it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from trueup.clients.applications import ApplicationStore
from trueup.domain.application import Application, ApplicationId
from trueup.domain.application_view import ApplicationView
from trueup.domain.incident import Incident

from ..answers import RefusedError
from ..incidents import Incidents
from .answers import page
from .facts import Row, latest_open, row_of, sheet_of
from .looks import Looks, Unanswered
from .templates import Templates

ROWS_MAX = 100
#: Incidents that are over, beside all that are open.
CLOSED_MAX = 50
OPEN_MAX = 200
#: Of one application.
INCIDENTS_MAX = 10
QUERY_CHARS_MAX = 200
PROJECTS_MAX = 20
#: The columns that a list can be sorted by; without one, what needs somebody comes first.
ORDERS: Mapping[str, Callable[[Row], Any]] = {
    "": lambda row: row.place,
    "name": lambda row: row.name,
    "project": lambda row: (row.project, row.name),
    "sync": lambda row: (row.sync, row.name),
    "health": lambda row: (row.health, row.name),
}
#: What a list of Applications hears of, and one of incidents.
APPLICATIONS, INCIDENTS = "applications", "incidents"


def application_topic(name: str) -> str:
    return f"application/{name}"


def incident_topic(name: str) -> str:
    return f"incident/{name}"


@dataclass(frozen=True, slots=True)
class Wish:
    """Which Applications to list, and in which order."""

    query: str = ""
    sync: str = ""
    health: str = ""
    project: str = ""
    incident: str = ""
    sort: str = ""
    page: int = 1

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Wish:
        """What a URL asks for; what it does not understand is not asked for."""
        texts = {name: query.get(name, "")[:QUERY_CHARS_MAX] for name in ("sync", "health", "project", "incident")}
        number, sort = query.get("page", ""), query.get("sort", "")
        return cls(
            query=query.get("q", "")[:QUERY_CHARS_MAX],
            sort=sort if sort in ORDERS else "",
            page=int(number) if number.isascii() and number.isdigit() and 0 < len(number) < 6 else 1,
            **texts,
        )

    def admits(self, row: Row) -> bool:
        return (
            self.query.lower() in row.name.lower()
            and self.sync in ("", row.sync)
            and self.health in ("", row.health)
            and self.project in ("", row.project)
            and (not self.incident or bool(row.incident))
        )

    def url(self, **changed: str | int) -> str:
        """The same list with something else about it; a new choice begins on the first page."""
        members = {
            "q": self.query,
            "sync": self.sync,
            "health": self.health,
            "project": self.project,
            "incident": self.incident,
            "sort": self.sort,
            "page": 1,
        } | changed
        said = {name: value for name, value in members.items() if value and not (name == "page" and value in (0, 1))}
        return f"/?{urlencode(said)}" if said else "/"


class Pages:
    """Answers for people."""

    def __init__(
        self,
        applications: ApplicationStore,
        incidents: Incidents,
        looks: Looks,
        templates: Templates,
        *,
        namespace: str,
        is_loaded: Callable[[], bool],
        position: Callable[[], str],
    ) -> None:
        """`position` says where the telling of changes stands; a page goes on from there."""
        self._applications = applications
        self._incidents = incidents
        self._looks = looks
        self._templates = templates
        self._namespace = namespace
        self._is_loaded = is_loaded
        self._position = position
        #: By application: what its row was made of, and the row.
        self._known_rows: dict[ApplicationId, tuple[Application, Incident | None, Row]] = {}

    async def applications(self, request: web.Request) -> web.Response:
        """`GET /`: what there is, and how it stands."""
        last = self._begin()
        rows = self._rows()
        wish = Wish.of(request.query)
        chosen = sorted(filter(wish.admits, rows), key=ORDERS[wish.sort])
        pages = max(1, -(-len(chosen) // ROWS_MAX))
        number = min(wish.page, pages)
        projects = Counter(row.project for row in rows)
        return self._page(
            "applications.html",
            rows=chosen[(number - 1) * ROWS_MAX : number * ROWS_MAX],
            wish=wish,
            found=len(chosen),
            every=len(rows),
            number=number,
            pages=pages,
            syncs=_counted((row.sync for row in rows), ("OutOfSync", "Unknown", "Synced")),
            healths=_counted(
                (row.health for row in rows),
                ("Degraded", "Missing", "Unknown", "Progressing", "Suspended", "Healthy"),
            ),
            drifted=sum(bool(row.incident) for row in rows),
            projects=projects.most_common(PROJECTS_MAX) if len(projects) > 1 else [],
            topics=[APPLICATIONS, INCIDENTS],
            last=last,
        )

    async def application(self, request: web.Request) -> web.Response:
        """`GET /applications/{name}`: one application, with what differs and who did it."""
        last = self._begin()
        name = request.match_info["name"]
        application = self._applications.get(ApplicationId(self._namespace, name))
        if application is None:
            raise RefusedError(404, f"There is no Application {name[:QUERY_CHARS_MAX]} in {self._namespace}.")
        known = self._incidents.of(application.id)
        open_one = latest_open(known)
        look = await self._looks.at(application, known[0].resource_version if known else "")
        view, untold = _told(look)
        return self._page(
            "application.html",
            sheet=sheet_of(self._applications.get(application.id) or application, open_one),
            view=view,
            untold=untold,
            incident=open_one,
            incidents=known[:INCIDENTS_MAX],
            incidents_left_out=max(0, len(known) - INCIDENTS_MAX),
            topics=[application_topic(name)],
            last=last,
        )

    async def incidents(self, _request: web.Request) -> web.Response:
        """`GET /incidents`: what is not what Git says now, and what was not."""
        last = self._begin()
        every = self._incidents.newest_first()
        opened = [incident for incident in every if incident.is_open]
        closed = [incident for incident in every if not incident.is_open]
        return self._page(
            "incidents.html",
            opened=opened[:OPEN_MAX],
            opened_left_out=max(0, len(opened) - OPEN_MAX),
            closed=closed[:CLOSED_MAX],
            closed_left_out=max(0, len(closed) - CLOSED_MAX),
            topics=[INCIDENTS],
            last=last,
        )

    async def incident(self, request: web.Request) -> web.Response:
        """`GET /incidents/{name}`: one incident, from its first difference to its end."""
        last = self._begin()
        name = request.match_info["name"]
        incident = self._incidents.get(name)
        if incident is None:
            problem = self._incidents.problem
            if problem:
                raise RefusedError(503, problem, retry_after_seconds=5)
            raise RefusedError(404, f"There is no incident {name[:QUERY_CHARS_MAX]} on record in {self._namespace}.")
        flips = [flip for flip in incident.flips if len(flip.times) > 1]
        return self._page("incident.html", incident=incident, flips=flips, topics=[incident_topic(name)], last=last)

    def failure(self, status: int, sentence: str, *, retry_after_seconds: int | None = None) -> web.Response:
        """A page that says why there is no other."""
        headers = {} if retry_after_seconds is None else {"Retry-After": str(retry_after_seconds)}
        html = self._templates.render(
            "failure.html",
            status=status,
            sentence=sentence,
            retry_after_seconds=retry_after_seconds,
            topics=[],
            open_incidents=0,
            incidents_problem="",
        )
        return page(html, status=status, headers=headers)

    def row(self, application: Application) -> Row:
        """How a list shows the application."""
        return self._row(application)

    def _row(self, application: Application) -> Row:
        return row_of(application, latest_open(self._incidents.of(application.id)))

    def _rows(self) -> list[Row]:
        """Every row; of ten thousand applications few have changed since the last time."""
        before, known = self._known_rows, {}
        for application in self._applications.all():
            incident = latest_open(self._incidents.of(application.id))
            last = before.get(application.id)
            if last is None or last[0] is not application or last[1] is not incident:
                last = application, incident, row_of(application, incident)
            known[application.id] = last
        self._known_rows = known
        return [row for _, _, row in known.values()]

    def _page(self, template: str, **facts: object) -> web.Response:
        facts["open_incidents"] = self._incidents.open_ones
        facts["incidents_problem"] = self._incidents.problem
        return page(self._templates.render(template, **facts))

    def _begin(self) -> str:
        """The position as of before anything is read: what changes while a page is made comes after it."""
        if not self._is_loaded():
            raise RefusedError(503, "Applications are still being loaded.", retry_after_seconds=1)
        return self._position()


def _told(look: ApplicationView | Unanswered) -> tuple[ApplicationView | None, str]:
    """What a worker has seen, and why it is not what live is compared with; one of them may be missing."""
    if isinstance(look, Unanswered):
        return None, look.reason
    return look, f"Desired and live could not be compared: {look.trouble.rstrip('.')}." if look.trouble else ""


def _counted(words: Iterable[str], order: tuple[str, ...]) -> list[tuple[str, int]]:
    """How many there are of each, in this order; what there is none of is left out."""
    counts = Counter(words)
    return [(word, counts[word]) for word in order if counts[word]]


def changed_topics(before: Incident | None, after: Incident | None) -> list[str]:
    """Which pages an incident's change concerns."""
    incident = after or before
    if incident is None:
        return []
    return [INCIDENTS, incident_topic(incident.name), application_topic(incident.application.name)]
