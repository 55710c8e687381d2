"""What the API server says about one object, as a sentence that ends with the way out."""

from __future__ import annotations

from trueup.clients.api_errors import (
    ApiError,
    ConversionError,
    ForbiddenError,
    NamespaceTerminatingError,
    NotFoundError,
    RejectedError,
    ServerError,
    ThrottledError,
    UnauthorizedError,
)
from trueup.domain.errors import StalledError, TrueupError
from trueup.domain.resource import ResourceKey

#: No answer, or one that would have been given to any request: the server or its way is at fault.
_AWAY = frozenset({0, 408, 502, 503, 504})
#: What server-side apply says of a field that the kind does not have, or that is of another type.
_UNTYPED = "failed to create typed patch object"


def concerns_one_object(error: TrueupError) -> bool:
    """Whether the error is about one object, so that the others go on; else the server is away for all."""
    if isinstance(error, ThrottledError | UnauthorizedError):
        return False
    if isinstance(error, ServerError):
        return error.status not in _AWAY
    return isinstance(error, ApiError | StalledError)


def lacks_right(error: TrueupError) -> bool:
    """Whether the request was refused for want of a right, so that the answer says nothing of the object."""
    answer = _answer(error)
    return isinstance(error, ForbiddenError) and (" cannot " in answer or answer.startswith("403 Forbidden"))


def refusal(error: TrueupError, key: ResourceKey, *, origin: str = "", default_namespace: str = "") -> str:
    """The error with its way out. `origin` is where the manifest stands, where there is one."""
    if isinstance(error, NamespaceTerminatingError):
        return f"namespace {key.namespace} is being deleted; wait until it is gone, or deliver to another"
    if isinstance(error, NotFoundError) and key.namespace and "namespaces" in _answer(error):
        way_out = "create it, or add it to the manifests"
        if key.namespace == default_namespace:
            way_out = "create it, or set the sync option CreateNamespace=true"
        return f"namespace {key.namespace} does not exist; {way_out}"
    way_out = _way_out(error, key, origin)
    return f"{error}; {way_out}" if way_out else str(error)


def _way_out(error: TrueupError, key: ResourceKey, origin: str) -> str:
    answer = _answer(error)
    if lacks_right(error):
        return "grant it to the worker's service account"
    if isinstance(error, ConversionError):
        return "mend the conversion webhook of the kind's definition, or have manifests name the version that is stored"
    if "immutable" in answer:
        return "put the field back, or delete the object so that it is created anew"
    if origin and key.kind == "Secret" and not key.group and isinstance(error, ServerError):
        wrong = "for a field that a Secret does not have, or a value that is no text or no base64"
        return f"its words are left out, for they may quote values; look in {origin} {wrong}"
    if origin and (isinstance(error, RejectedError) or _UNTYPED in answer):
        return f"correct it in {origin}"
    return ""


def _answer(error: TrueupError) -> str:
    """What follows the request in an ApiError's message."""
    return str(error).partition(": ")[2]
