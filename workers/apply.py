"""One object brought to what Git says, or deleted: the only writes to what is delivered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Literal

from trueup.clients.api_errors import ApiError, ConflictError, UnknownKindError
from trueup.clients.cluster import Cluster, Propagation
from trueup.clients.discovery import ApiResource
from trueup.clients.queue import Lease
from trueup.domain.clientside import client_side_patch
from trueup.domain.diff import compare
from trueup.domain.managedfields import transfer_ownership
from trueup.domain.plan import Action
from trueup.domain.resource import Body, Manifest, ResourceKey

#: How often an object that somebody edits meanwhile is read and moved again.
CONFLICTS_MAX = 4
#: A definition needs a moment until its kind is served.
KIND_SECONDS_MAX = 10.0
KIND_PAUSE_SECONDS = 0.1
#: What the API server says of a list whose keys are not unique.
DUPLICATE_KEYS = "duplicate entries for key"

PROPAGATION: Mapping[str, Propagation] = {
    "foreground": "Foreground",
    "background": "Background",
    "orphan": "Orphan",
}


async def served(cluster: Cluster, key: ResourceKey, version: str, *, defined_here: bool) -> ApiResource:
    """How the kind is served; waits for it where this very sync has just defined it."""
    deadline = asyncio.get_running_loop().time() + KIND_SECONDS_MAX
    while True:
        try:
            return await cluster.resource(key.group, key.kind, version)
        except UnknownKindError:
            if not defined_here or asyncio.get_running_loop().time() >= deadline:
                raise
            cluster.forget_kinds()
            await asyncio.sleep(KIND_PAUSE_SECONDS)


async def apply(
    cluster: Cluster,
    resource: ApiResource,
    manifest: Manifest,
    action: Action,
    live: Body | None,
    *,
    lease: Lease,
    dry_run: bool,
) -> tuple[Body, str]:
    """Apply the action's body; the object as it then is, and a word on how.

    First the fields to remove become Trueup's own, guarded by the `resourceVersion` they were found
    at: an apply removes only what its manager owns. Raises ApiError for what the API server refuses,
    and SupersededError where the lease may have lapsed.
    """
    key, body = action.key, action.body or {}
    remove = action.remove
    for _ in range(CONFLICTS_MAX):
        lease.check()
        try:
            if live is not None and remove and not dry_run:
                live = await _take_over(cluster, resource, key, live, remove)
            return await _apply(cluster, resource, manifest, body, live, remove, dry_run=dry_run)
        except ConflictError:
            live = await cluster.get(resource, key.namespace, key.name)
            found = compare(manifest, live)
            remove = tuple({change.removes: None for change in found.changes if change.removes is not None})
    raise ConflictError(f"{key} changes faster than it can be applied")


async def _take_over(
    cluster: Cluster, resource: ApiResource, key: ResourceKey, live: Body, paths: tuple[Any, ...]
) -> Body:
    fields = transfer_ownership(live, paths)
    if fields is None:
        return live
    metadata = {"resourceVersion": live["metadata"]["resourceVersion"], "managedFields": fields}
    return await cluster.merge_patch(resource, key.namespace, key.name, {"metadata": metadata})


async def _apply(
    cluster: Cluster,
    resource: ApiResource,
    manifest: Manifest,
    body: Body,
    live: Body | None,
    remove: tuple[Any, ...],
    *,
    dry_run: bool,
) -> tuple[Body, Literal["", "created", "configured", "by a client-side apply"]]:
    key = manifest.key
    try:
        applied = await cluster.apply(resource, key.namespace, key.name, body, dry_run=dry_run)
    except ApiError as error:
        if DUPLICATE_KEYS not in str(error):
            raise
        if live is None:
            return await cluster.create(resource, key.namespace, body, dry_run=dry_run), "by a client-side apply"
        patch = client_side_patch(manifest, body, live, remove)
        if not patch:
            return live, "by a client-side apply"
        return (
            await cluster.merge_patch(resource, key.namespace, key.name, patch, dry_run=dry_run),
            "by a client-side apply",
        )
    return applied, "created" if live is None else "configured"
