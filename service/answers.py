"""What every answer looks like: JSON with `status`, or with `error` and a sentence."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from trueup.telemetry import place_of

#: Of what is read nothing is kept, and nothing becomes a part of another site's page.
JSON_HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_log = structlog.get_logger(__name__)


class RefusedError(Exception):
    """A request that is answered with `status` and this sentence, which tells nothing secret."""

    def __init__(
        self, status: int, message: str, *, retry_after_seconds: int | None = None, close: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_seconds = retry_after_seconds
        #: Whether the connection is of no further use, as when a body was not read to its end.
        self.close = close


def answer(status: int, body: Mapping[str, object], *, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status,
        body=orjson.dumps(body) + b"\n",
        content_type="application/json",
        headers={**JSON_HEADERS, **(headers or {})},
    )


def refusal(refused: RefusedError) -> web.Response:
    headers = {} if refused.retry_after_seconds is None else {"Retry-After": str(refused.retry_after_seconds)}
    response = answer(refused.status, {"error": str(refused)}, headers=headers)
    if refused.close:
        response.force_close()
    return response


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever a handler raises becomes an answer; the process goes on."""
    try:
        return await handler(request)
    except RefusedError as error:
        return refusal(error)
    except web.HTTPException as error:
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return answer(error.status, {"error": error.reason}, headers=allow)
    except Exception as error:  # noqa: BLE001 -- no request may end the process, or the connection without a word
        _log.error("a request failed", error=type(error).__name__, place=place_of(error))
        return answer(500, {"error": "This is a fault of Trueup; its log names it."})
