"""What an API server's refusals are called here. Made once, in `check_response`.

The shape of a refusal is a `Status` (kind Status of API group "", version v1); its `message` is
all that is shown. For a Secret not even that: messages of validation and of admission webhooks
quote values, so a Secret's is replaced by reason and names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from trueup.domain.errors import StalledError, TransientError, TrueupError

#: A server that asks for more is asked again after this long all the same.
RETRY_AFTER_SECONDS_MAX = 120.0
#: How a failed call of a conversion webhook begins; source: `k8s.io/apiextensions-apiserver`, the webhook converter.
CONVERSION = "conversion webhook for "
_CAUSES_SHOWN_MAX = 10
#: What `sigs.k8s.io/structured-merge-diff` says of lists whose members share their keys, or have none.
_UNMERGEABLE = ("duplicate entries for key", "has an element that omits all key fields")
_SAFE_FIELD = re.compile(r"[A-Za-z0-9_.\[\]-]{1,200}\Z")


class ApiError(TrueupError):
    """An API server's answer other than 2xx, or no answer."""

    def __init__(self, message: str, *, status: int = 0, reason: str = "") -> None:
        super().__init__(message)
        #: HTTP status; 0 where there was no answer.
        self.status = status
        #: `reason` of the Status, such as `AlreadyExists`.
        self.reason = reason


class ConflictError(ApiError, TransientError):
    """409: the object is not, or no longer, what the request took it for."""


class AlreadyExistsError(ApiError, TransientError):
    """409: there is one of that name."""


class NotFoundError(ApiError, TransientError):
    """404: the object, or the namespace it should go to, is not there (yet)."""


class NotServedError(ApiError, TransientError):
    """404 for a whole kind: its definition went away or changed version since discovery."""


class ExpiredError(ApiError, TransientError):
    """410: the resource version or continue token is too old; list anew."""


class ForbiddenError(ApiError, StalledError):
    """403: the message names verb, resource and namespace."""


class NamespaceTerminatingError(ApiError, TransientError):
    """403, of a namespace that is on its way out."""


class RejectedError(ApiError, StalledError):
    """400, 405, 406, 413, 415, 422: this body will never be accepted."""


class UnmergeableError(RejectedError):
    """Any code, 500 among them: server-side apply cannot tell the members of a list apart, in the body or in live."""


class ThrottledError(ApiError, TransientError):
    """429: priority and fairness, or an eviction budget."""


class UnauthorizedError(ApiError, TransientError):
    """401, also with credentials read anew."""


class ServerError(ApiError, TransientError):
    """5xx, a timeout, or a connection refused or cut. Whether a write took effect is not known."""


class UnknownKindError(StalledError):
    """The API server has no such kind."""


class ConversionError(ServerError):
    """500 of one object: the conversion webhook of its kind fails, so that it cannot be read or written."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as its error message and its metric name it."""

    #: GET, LIST, WATCH, CREATE, UPDATE, APPLY, PATCH or DELETE.
    verb: str
    #: Plural name of the resource.
    resource: str
    namespace: str = ""
    name: str = ""
    #: The body or the answer holds values that must not be quoted.
    secret: bool = False

    def __str__(self) -> str:
        where = "/".join(part for part in (self.namespace, self.name) if part)
        return f"{self.verb} {self.resource} {where}".rstrip()


def check_response(asked: Asked, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Raise what an HTTP answer other than 2xx means; a 2xx passes."""
    if not 200 <= status < 300:
        raise error_from_status(asked, status, _parsed(body), headers)


def error_from_status(
    asked: Asked, code: int, status: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> ApiError:
    """The error that a Status object, from an answer or from inside a watch, stands for."""
    reason = str(status.get("reason") or "")
    details = status.get("details")
    details = details if isinstance(details, dict) else {}
    causes = [cause for cause in details.get("causes") or () if isinstance(cause, dict)]
    kind = _kind_of_error(code, reason, details, causes)
    said = str(status.get("message") or "")
    if code >= 500 and said.startswith(CONVERSION):
        kind = ConversionError
    elif any(words in said for words in _UNMERGEABLE):
        kind = UnmergeableError
    error = kind(_message(asked, code, status, details, causes), status=code, reason=reason)
    if isinstance(error, TransientError):
        error.retry_after_seconds = _retry_after(headers or {}, details)
    return error


_ERROR_OF_CODE: Mapping[int, type[ApiError]] = {
    0: ServerError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotServedError,
    408: ServerError,
    409: ConflictError,
    410: ExpiredError,
    429: ThrottledError,
}


def _kind_of_error(code: int, reason: str, details: Mapping[str, Any], causes: list[dict[str, Any]]) -> type[ApiError]:
    if code == 403 and any(cause.get("reason") == "NamespaceTerminating" for cause in causes):
        return NamespaceTerminatingError
    if code == 404 and reason == "NotFound" and details.get("name"):
        return NotFoundError
    if code == 409 and reason == "AlreadyExists":
        return AlreadyExistsError
    return _ERROR_OF_CODE.get(code, ServerError if code >= 500 else RejectedError)


def _message(
    asked: Asked, code: int, status: Mapping[str, Any], details: Mapping[str, Any], causes: list[dict[str, Any]]
) -> str:
    said = str(status.get("message") or "")
    if asked.secret:
        said = _without_values(str(status.get("reason") or ""), details, causes)
    return f"{asked}: {code} {said}".rstrip()


def _without_values(reason: str, details: Mapping[str, Any], causes: list[dict[str, Any]]) -> str:
    """Reason, object and field names. A field is shown only where it cannot be but a path."""
    words = [reason if reason.isalpha() else ""]
    words += [str(details[part]) for part in ("kind", "name") if details.get(part)]
    for cause in causes[:_CAUSES_SHOWN_MAX]:
        why, field = str(cause.get("reason") or ""), str(cause.get("field") or "")
        if why.isalpha() and _SAFE_FIELD.match(field):
            words.append(f"({field}: {why})")
    return " ".join(word for word in words if word)


def _retry_after(headers: Mapping[str, str], details: Mapping[str, Any]) -> float | None:
    """Seconds asked for by the header or the Status, within `RETRY_AFTER_SECONDS_MAX`."""
    said = headers.get("Retry-After") or details.get("retryAfterSeconds")
    try:
        seconds = float(said) if said else 0.0
    except (TypeError, ValueError):
        return None
    return min(seconds, RETRY_AFTER_SECONDS_MAX) if seconds > 0 else None


def _parsed(body: bytes) -> Mapping[str, Any]:
    """The Status in a body; empty where a proxy or a handler answered with something else."""
    try:
        status = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return status if isinstance(status, dict) and status.get("kind") == "Status" else {}
