"""The page's addresses, and what makes it live."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from trueup.clients.applications import ApplicationStore, parse_application
from trueup.clients.view_shelf import ViewShelf
from trueup.domain.incident import Incident
from trueup.domain.lenient import as_mapping, as_text
from trueup.settings import Settings

from ..answers import RefusedError
from ..dispatch import Dispatcher
from ..incidents import Incidents
from .assets import PATH, Assets
from .events import Events, StreamBounds
from .facts import Row
from .looks import FindSealer, LookBounds, Looks
from .pages import APPLICATIONS, Pages, application_topic, changed_topics
from .templates import Templates

Raw = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Site:
    """What the service shows in a browser."""

    pages: Pages
    events: Events
    assets: Assets

    def mount(self, public: web.Application) -> None:
        """Serve it, and end its streams with the application."""
        routes = public.router
        routes.add_get("/", self.pages.applications)
        routes.add_get("/applications/{name}", self.pages.application)
        routes.add_get("/incidents", self.pages.incidents)
        routes.add_get("/incidents/{name}", self.pages.incident)
        routes.add_get(PATH + "{name}", self.assets.serve)
        routes.add_get("/events", self.events.stream, allow_head=False)
        public.middlewares.append(self._errors_for_people())
        public.on_shutdown.append(self.events.close)

    def application_changed(self, old: Raw | None, new: Raw | None) -> None:
        """Tell the pages that show it; the list only where its row looks different now.

        While nobody listens that is not looked into: a list that is being made now, and listens later, is told.
        """
        body = new or old
        if body is None:
            return
        topics = [application_topic(as_text(as_mapping(body.get("metadata")).get("name")))]
        if not self.events.readers or self._row_of(old) != self._row_of(new):
            topics.append(APPLICATIONS)
        self.events.tell(*topics)

    def _row_of(self, raw: Raw | None) -> Row | None:
        return None if raw is None else self.pages.row(parse_application(raw))

    def incident_changed(self, before: Incident | None, after: Incident | None) -> None:
        self.events.tell(*changed_topics(before, after))

    def _errors_for_people(self) -> Middleware:
        @web.middleware
        async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
            if "text/html" not in request.headers.get("Accept", ""):
                # A program, which reads JSON.
                return await handler(request)
            try:
                return await handler(request)
            except RefusedError as error:
                return self.pages.failure(error.status, str(error), retry_after_seconds=error.retry_after_seconds)
            except web.HTTPNotFound:
                return self.pages.failure(404, "There is nothing at this address.")

        return errors


def looks_of(settings: Settings, dispatcher: Dispatcher, views: ViewShelf, sealer: FindSealer) -> Looks:
    """Who asks workers for what a page shows."""
    bounds = LookBounds(
        view_seconds_max=settings.view_seconds_max,
        view_shared_seconds=settings.view_shared_seconds,
        views_in_flight_max=settings.views_in_flight_max,
    )
    return Looks(dispatcher, views, sealer, bounds=bounds)


def site_of(
    settings: Settings,
    applications: ApplicationStore,
    incidents: Incidents,
    looks: Looks,
    public: web.Application,
    *,
    is_loaded: Callable[[], bool],
) -> Site:
    """The site, put together and served on the public side; it hears of incidents from now on."""
    bounds = StreamBounds(
        event_streams_max=settings.event_streams_max,
        event_heartbeat_seconds=settings.event_heartbeat_seconds,
        event_write_seconds_max=settings.event_write_seconds_max,
    )
    assets = Assets()
    events = Events(bounds)
    pages = Pages(
        applications,
        incidents,
        looks,
        Templates(assets),
        namespace=settings.namespace,
        is_loaded=is_loaded,
        position=lambda: events.position,
    )
    site = Site(pages, events, assets)
    site.mount(public)
    incidents.on_change(site.incident_changed)
    return site
