"""The watch protocol: one request, one JSON object a line, until somebody ends it.

See "Efficient detection of changes" and "Streaming lists" in the Kubernetes API concepts.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from trueup.clients.api_errors import Asked, ServerError, error_from_status
from trueup.clients.cluster import METADATA_OBJECT, Cluster, object_path
from trueup.clients.discovery import ApiResource
from trueup.clients.transport import Request
from trueup.domain.lenient import as_mapping

#: On the bookmark with which a streamed list is complete.
LIST_END_ANNOTATION = "k8s.io/initial-events-end"


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One line of a watch."""

    #: ADDED, MODIFIED, DELETED or BOOKMARK.
    type: str
    object: dict[str, Any]

    @property
    def ends_list(self) -> bool:
        """Whether all that there was at the start of a streamed list has been sent."""
        annotations = as_mapping(as_mapping(self.object.get("metadata")).get("annotations"))
        return self.type == "BOOKMARK" and annotations.get(LIST_END_ANNOTATION) == "true"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a kind; an empty part selects everything."""

    resource: ApiResource
    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""
    #: Whether the server is to send no more of an object than its metadata.
    metadata_only: bool = False

    def __str__(self) -> str:
        return f"{self.resource} in {self.namespace}" if self.namespace else str(self.resource)


async def watch_events(
    cluster: Cluster,
    selection: Selection,
    *,
    resource_version: str,
    seconds: int,
    silence_seconds_max: float,
    line_bytes_max: int,
) -> AsyncGenerator[WatchEvent, None]:
    """Everything after `resource_version`, until the server closes after about `seconds`.

    Without a version the server is asked for what there is now as well, each object as an event, up to the one
    that `ends_list`. A server that cannot do so refuses with RejectedError, or ignores it.

    Raises ExpiredError where that version is too old, ServerError where the connection is cut or
    silent for `silence_seconds_max`, and what `api_errors` names for any other refusal.
    """
    resource = selection.resource
    verb = "WATCH" if resource_version else "LIST"
    asked = Asked(verb, resource.plural, selection.namespace, secret=resource.is_secret)
    query = {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": resource_version,
        "sendInitialEvents": "" if resource_version else "true",
        "resourceVersionMatch": "" if resource_version else "NotOlderThan",
        "timeoutSeconds": str(seconds),
        "labelSelector": selection.label_selector,
        "fieldSelector": selection.field_selector,
    }
    request = Request(
        asked,
        "GET",
        object_path(resource, selection.namespace),
        tuple((name, value) for name, value in query.items() if value),
        accept=METADATA_OBJECT if selection.metadata_only else "application/json",
    )
    async with (
        cluster.transport.stream(request, silence_seconds_max=silence_seconds_max) as stream,
        aclosing(_lines(stream, asked, line_bytes_max)) as lines,
    ):
        async for line in lines:
            yield _event(asked, selection, line)


async def _lines(stream: aiohttp.StreamReader, asked: Asked, line_bytes_max: int) -> AsyncGenerator[bytes, None]:
    """Complete lines; a tail without an end was cut off and is dropped."""
    parts: list[bytes] = []
    size = 0
    async for chunk in stream.iter_any():
        *complete, tail = chunk.split(b"\n")
        for line in complete:
            yield b"".join((*parts, line))
            parts.clear()
            size = 0
        parts.append(tail)
        size += len(tail)
        if size > line_bytes_max:
            raise ServerError(f"{asked}: an event is over {line_bytes_max} bytes")


def _event(asked: Asked, selection: Selection, line: bytes) -> WatchEvent:
    resource = selection.resource
    try:
        event = orjson.loads(line)
        kind, body = event["type"], event["object"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise ServerError(f"{asked}: an event is not readable ({type(error).__name__})") from error
    if not isinstance(kind, str) or not isinstance(body, dict):
        raise ServerError(f"{asked}: an event is not readable")
    if kind == "ERROR":
        code = body.get("code")
        raise error_from_status(asked, code if isinstance(code, int) else 0, body)
    if selection.metadata_only:
        body.update(apiVersion=resource.api_version, kind=resource.kind)
    body.setdefault("apiVersion", resource.api_version)
    body.setdefault("kind", resource.kind)
    return WatchEvent(kind, body)
