"""One Kubernetes API server: its kinds, and reads and writes of plain JSON objects.

Every write that can carry a guard takes one. Whether an error asks for time or for a person is said
by its class, see `api_errors`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote

import orjson

from trueup.clients.api_errors import (
    ApiError,
    Asked,
    ExpiredError,
    NotFoundError,
    NotServedError,
    RejectedError,
    ServerError,
    UnauthorizedError,
)
from trueup.clients.cluster_bounds import ClusterBounds
from trueup.clients.credentials import CredentialsSource, home_source
from trueup.clients.discovery import ApiResource, Discovery
from trueup.clients.transport import Request, Transport
from trueup.domain.errors import ClusterAwayError, StalledError
from trueup.domain.resource import Body

FIELD_MANAGER = "trueup"
APPLY_PATCH = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
#: See "Receiving resources as Tables" and metadata-only fetches in the Kubernetes API concepts.
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
METADATA_OBJECT = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

Propagation = Literal["Foreground", "Background", "Orphan"]
Query = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ListPage:
    """A part of a list, or all of it where `continue_` is empty."""

    items: tuple[dict[str, Any], ...]
    resource_version: str
    continue_: str


class Cluster:
    """A client of one API server, to be used as an async context manager."""

    def __init__(
        self, source: CredentialsSource | None = None, *, bounds: ClusterBounds | None = None, name: str = ""
    ) -> None:
        """`source` is the home cluster's where none is given; StalledError where there is no home cluster.

        A cluster with a `name` is not home: it is named in what its requests raise, and one that gives no
        answer or lets us in no more is a ClusterAwayError.
        """
        self.name = name
        self.bounds = bounds or ClusterBounds()
        self.transport = Transport(source or home_source(), self.bounds.transport)
        #: Held by an informer while it lists.
        self.relists = asyncio.Semaphore(self.bounds.relists_in_flight_max)
        #: API versions whose server does not stream lists. An aggregated one may differ from the others here.
        self.lists_not_streamed: set[str] = set()
        self._discovery = Discovery(
            self._fetch_discovery, refresh_seconds_min=self.bounds.discovery_refresh_seconds_min
        )

    async def __aenter__(self) -> Self:
        await self.transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.transport.__aexit__(kind, error, traceback)

    @property
    def server(self) -> str:
        """URL of the API server."""
        return self.transport.server

    async def resource(self, group: str, kind: str, version: str | None = None) -> ApiResource:
        """How a kind is served, in `version` or the server's preferred one.

        Raises UnknownKindError, after reading the list of kinds anew.
        """
        return await self._discovery.find(group, kind, version)

    async def resources(self) -> tuple[ApiResource, ...]:
        """Every kind the server has, each in its preferred version."""
        return await self._discovery.served()

    def forget_kinds(self) -> None:
        """Read the list of kinds anew before it is next used, as after a change to a CRD."""
        self._discovery.forget()

    async def api_versions(self) -> tuple[str, ...]:
        """Every version of every group that the server has, and every kind in it, see `Discovery.api_versions`."""
        return await self._discovery.api_versions()

    async def version(self) -> str:
        """The server's version, such as `v1.36.3`."""
        answer = await self.request(Request(Asked("GET", "version"), "GET", "/version"))
        return str(answer.get("gitVersion") or "")

    async def get(self, resource: ApiResource, namespace: str, name: str) -> dict[str, Any] | None:
        """The object, or None where it is not there. That its kind is gone is a NotServedError, not None."""
        try:
            return await self._object_request("GET", "GET", resource, namespace, name)
        except NotFoundError:
            return None

    async def list_page(
        self,
        resource: ApiResource,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_: str = "",
        metadata_only: bool = False,
    ) -> ListPage:
        """One page of a kind's objects, in one namespace or in all; `limit` 0 asks for everything.

        With `metadata_only` the server sends no more of them than that.

        Every item has its `apiVersion` and `kind`. Raises ExpiredError where `continue_` is too old.
        """
        query = {"labelSelector": label_selector, "fieldSelector": field_selector, "continue": continue_}
        if limit:
            query["limit"] = str(limit)
        asked = Asked("LIST", resource.plural, namespace, secret=resource.is_secret)
        accept = METADATA_LIST if metadata_only else "application/json"
        path = object_path(resource, namespace)
        answer = await self.request(Request(asked, "GET", path, _query(query), accept=accept))
        metadata = answer.get("metadata") or {}
        items = answer.get("items")
        if not isinstance(items, list):
            raise ServerError(f"{asked}: the answer is not a list")
        for item in items:
            if metadata_only:
                item.update(apiVersion=resource.api_version, kind=resource.kind)
            item.setdefault("apiVersion", resource.api_version)
            item.setdefault("kind", resource.kind)
        return ListPage(tuple(items), str(metadata.get("resourceVersion") or ""), str(metadata.get("continue") or ""))

    async def list_all(
        self,
        resource: ApiResource,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        metadata_only: bool = False,
    ) -> ListPage:
        """Every object of a kind at one resource version: all of them, or an error."""
        page_of = partial(
            self.list_page,
            resource,
            namespace,
            label_selector=label_selector,
            field_selector=field_selector,
            metadata_only=metadata_only,
        )
        for _ in range(1 + self.bounds.list_restarts_max):
            items: list[dict[str, Any]] = []
            continue_ = ""
            try:
                while True:
                    page = await page_of(limit=self.bounds.list_page_objects_max, continue_=continue_)
                    items += page.items
                    continue_ = page.continue_
                    if not continue_:
                        return ListPage(tuple(items), page.resource_version, "")
            except ExpiredError:
                continue
        return await page_of()

    async def apply(
        self,
        resource: ApiResource,
        namespace: str,
        name: str,
        body: Body,
        *,
        field_manager: str = FIELD_MANAGER,
        force: bool = True,
        dry_run: bool = False,
        subresource: str = "",
    ) -> dict[str, Any]:
        """Server-side apply; the object as it then stands. ConflictError without `force` where another owns a field."""
        query = {"fieldManager": field_manager, "force": "true" if force else "false", "dryRun": _dry(dry_run)}
        return await self._object_request(
            "APPLY",
            "PATCH",
            resource,
            namespace,
            name,
            subresource=subresource,
            query=query,
            body=body,
            content_type=APPLY_PATCH,
        )

    async def merge_patch(
        self,
        resource: ApiResource,
        namespace: str,
        name: str,
        body: Body,
        *,
        field_manager: str = FIELD_MANAGER,
        dry_run: bool = False,
        subresource: str = "",
    ) -> dict[str, Any]:
        """RFC 7386. A `metadata.resourceVersion` in it makes it a compare-and-swap (ConflictError)."""
        query = {"fieldManager": field_manager, "dryRun": _dry(dry_run)}
        return await self._object_request(
            "PATCH",
            "PATCH",
            resource,
            namespace,
            name,
            subresource=subresource,
            query=query,
            body=body,
            content_type=MERGE_PATCH,
        )

    async def json_patch(
        self,
        resource: ApiResource,
        namespace: str,
        name: str,
        operations: Sequence[Body],
        *,
        field_manager: str = FIELD_MANAGER,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """RFC 6902. A failed `test` is a RejectedError."""
        query = {"fieldManager": field_manager, "dryRun": _dry(dry_run)}
        return await self._object_request(
            "PATCH", "PATCH", resource, namespace, name, query=query, body=operations, content_type=JSON_PATCH
        )

    async def create(
        self,
        resource: ApiResource,
        namespace: str,
        body: Body,
        *,
        field_manager: str = FIELD_MANAGER,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """A new object; AlreadyExistsError where its name is taken."""
        query = {"fieldManager": field_manager, "dryRun": _dry(dry_run)}
        asked = Asked("CREATE", resource.plural, namespace, _name_of(body), secret=resource.is_secret)
        path = object_path(resource, namespace, required=True)
        return await self.request(Request(asked, "POST", path, _query(query), _encoded(asked, body)))

    async def replace(
        self,
        resource: ApiResource,
        namespace: str,
        name: str,
        body: Body,
        *,
        field_manager: str = FIELD_MANAGER,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """The whole object; a `metadata.resourceVersion` in it makes it a compare-and-swap (ConflictError)."""
        query = {"fieldManager": field_manager, "dryRun": _dry(dry_run)}
        return await self._object_request("UPDATE", "PUT", resource, namespace, name, query=query, body=body)

    async def delete(
        self,
        resource: ApiResource,
        namespace: str,
        name: str,
        *,
        uid: str,
        resource_version: str | None = None,
        propagation: Propagation = "Foreground",
        dry_run: bool = False,
    ) -> bool:
        """Ask for the deletion of exactly that object; False where there is none of that name.

        Raises ConflictError where the name now belongs to another uid or resource version.
        """
        preconditions = {"uid": uid} | ({"resourceVersion": resource_version} if resource_version else {})
        options: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": propagation,
            "preconditions": preconditions,
        }
        if dry_run:
            # Of a delete with a body the API server ignores the query.
            options["dryRun"] = ["All"]
        try:
            await self._object_request("DELETE", "DELETE", resource, namespace, name, body=options)
        except NotFoundError:
            return False
        return True

    async def request(self, request: Request) -> dict[str, Any]:
        """The JSON object that a request is answered with."""
        try:
            raw = await self.transport.send(request)
        except ApiError as error:
            if isinstance(error, NotServedError):
                self.forget_kinds()
            if self.name and (error.status == 0 or isinstance(error, UnauthorizedError)):
                raise ClusterAwayError(f"cluster {self.name} is away: {error}") from error
            raise
        try:
            answer = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise ServerError(f"{request.asked}: the answer is not JSON") from error
        if not isinstance(answer, dict):
            raise ServerError(f"{request.asked}: the answer is not an object")
        return answer

    async def _object_request(
        self,
        verb: str,
        method: str,
        resource: ApiResource,
        namespace: str,
        name: str,
        *,
        subresource: str = "",
        query: Query | None = None,
        body: Body | Sequence[Body] | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        path = f"{object_path(resource, namespace, required=True)}/{_segment(name)}"
        if subresource:
            path += f"/{_segment(subresource)}"
        asked = Asked(verb, resource.plural, namespace, name, secret=resource.is_secret)
        raw = None if body is None else _encoded(asked, body)
        return await self.request(Request(asked, method, path, _query(query or {}), raw, content_type))

    async def _fetch_discovery(self, path: str, accept: str) -> dict[str, Any]:
        return await self.request(Request(Asked("GET", "discovery"), "GET", path, accept=accept))


def object_path(resource: ApiResource, namespace: str, *, required: bool = False) -> str:
    """Where a kind's objects are served. A cluster-scoped kind has no namespace whatever is said.

    Raises StalledError where one is `required` and missing.
    """
    root = f"/apis/{_segment(resource.group)}" if resource.group else "/api"
    path = f"{root}/{_segment(resource.version)}"
    if resource.namespaced and namespace:
        path += f"/namespaces/{_segment(namespace)}"
    elif resource.namespaced and required:
        raise StalledError(f"{resource.kind} is namespaced, and no namespace is given")
    return f"{path}/{_segment(resource.plural)}"


def _segment(name: str) -> str:
    if name in ("", ".", "..") or "/" in name or "%" in name:
        raise StalledError(f"{name!r} is not the name of an object")
    return quote(name, safe="")


def _query(query: Query) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in query.items() if value)


def _dry(dry_run: bool) -> str:
    return "All" if dry_run else ""


def _name_of(body: Body) -> str:
    metadata = body.get("metadata") or {}
    return str(metadata.get("name") or metadata.get("generateName") or "")


def _encoded(asked: Asked, body: Body | Sequence[Body]) -> bytes:
    try:
        return orjson.dumps(body, default=dict)
    except TypeError as error:
        raise RejectedError(f"{asked}: the body is not JSON: {error}") from error
