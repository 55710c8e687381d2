"""Looks at applications: a view job is asked for, and its answer waited for in Redis.

Who looks at the same thing at the same time shares one job. A look never takes longer than its bound; the page
then shows what is on record, and says so.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import orjson

from trueup.clients.seal import Sealer
from trueup.clients.view_shelf import ViewShelf, opened_for
from trueup.domain.application import Application, ApplicationId
from trueup.domain.application_view import ApplicationView, view_from_json
from trueup.domain.errors import TrueupError
from trueup.domain.job import view_job

from ..dispatch import Dispatcher
from ..quiet import QuietLog

#: What opens seals, None where no worker has made a key yet.
FindSealer = Callable[[], Sealer | None]
#: What somebody looks at: the Application's version, and that of its latest incident.
Sight = tuple[ApplicationId, str, str]

NO_KEY = "No worker has been here yet: there is no key by which its answer could be known."
NOT_OURS = "What was answered in Redis is not a worker's."
BUSY = "Too many applications are being looked at."
AWAY = "The look could not be asked for: Redis or the API server is away."


@dataclass(frozen=True, slots=True)
class LookBounds:
    view_seconds_max: float = 5.0
    view_shared_seconds: float = 2.0
    views_in_flight_max: int = 16


DEFAULT_BOUNDS = LookBounds()


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Why there is no answer, as a sentence for whoever looks."""

    reason: str


Look = ApplicationView | Unanswered


class Looks:
    """Asks workers what applications look like."""

    def __init__(
        self, dispatcher: Dispatcher, shelf: ViewShelf, find_sealer: FindSealer, *, bounds: LookBounds = DEFAULT_BOUNDS
    ) -> None:
        self._dispatcher = dispatcher
        self._shelf = shelf
        self._find_sealer = find_sealer
        self._bounds = bounds
        self._under_way: dict[Sight, asyncio.Future[Look]] = {}
        self._in_flight = 0
        self._log = QuietLog(__name__)

    async def at(self, application: Application, incident_version: str) -> Look:
        """How the application stands at this version of it and of its latest incident, or why nobody says."""
        sight = (application.id, application.resource_version, incident_version)
        under_way = self._under_way.get(sight)
        if under_way is not None:
            return await asyncio.shield(under_way)
        if self._in_flight >= self._bounds.views_in_flight_max:
            return Unanswered(BUSY)
        answer: asyncio.Future[Look] = asyncio.get_running_loop().create_future()
        self._under_way[sight] = answer
        self._in_flight += 1
        look: Look = Unanswered(AWAY)
        try:
            look = await self._look(application)
        finally:
            self._in_flight -= 1
            answer.set_result(look)
            # An answer that is none is not kept: whoever comes next asks again.
            seconds = 0.0 if isinstance(look, Unanswered) else self._bounds.view_shared_seconds
            asyncio.get_running_loop().call_later(seconds, self._under_way.pop, sight, None)
        return look

    async def _look(self, application: Application) -> Look:
        seconds_max = self._bounds.view_seconds_max
        try:
            async with asyncio.timeout(seconds_max):
                return await self._asked(application, secrets.token_hex(8))
        except TimeoutError:
            return Unanswered(f"No worker answered within {seconds_max:g} s.")
        except TrueupError as error:
            self._log.warning("a look was not answered", reason=str(error))
            return Unanswered(AWAY)

    async def _asked(self, application: Application, look: str) -> Look:
        seconds_max = self._bounds.view_seconds_max
        place = await self._shelf.end(application.id)
        await self._dispatcher.submit([view_job(application.id, look)])
        while True:
            answer = await self._shelf.next(application.id, place, seconds_max=seconds_max)
            if answer is None:
                return Unanswered(f"No worker answered within {seconds_max:g} s.")
            place = answer.place
            text = self._opened(application, answer.sealed)
            if isinstance(text, Unanswered):
                return text
            with suppress(ValueError, KeyError, TypeError):
                view = view_from_json(orjson.loads(text))
                if view.answers_look(look):
                    return view

    def _opened(self, application: Application, sealed: str) -> str | Unanswered:
        sealer = self._find_sealer()
        if sealer is None:
            return Unanswered(NO_KEY)
        text = opened_for(sealer, application.id, application.uid, sealed)
        return Unanswered(NOT_OURS) if text is None else text
