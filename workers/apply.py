"""One object brought to what Git says, or deleted: the only writes to what is delivered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Literal

from trueup.clients.api_errors import ConflictError, UnknownKindError, UnmergeableError
from trueup.clients.cluster import Cluster, Propagation
from trueup.clients.discovery import ApiResource
from trueup.clients.queue import Lease
from trueup.domain.clientside import client_side_patch
from trueup.domain.fieldpath import ABSENT, Path, find
from trueup.domain.managedfields import transfer_ownership
from trueup.domain.normalize import same_json
from trueup.domain.plan import Action
from trueup.domain.resource import Body, Manifest, ResourceKey
from trueup.engine.ignoring import Delivery

#: How often an object that somebody edits meanwhile is read and moved again.
CONFLICTS_MAX = 4
#: A definition needs a moment until its kind is served.
KIND_SECONDS_MAX = 10.0
KIND_PAUSE_SECONDS = 0.1

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
    delivery: Delivery,
    lease: Lease,
    dry_run: bool,
) -> tuple[Body, str]:
    """Apply the action's body; the object as it then is, and a word on how.

    First the fields to remove become Trueup's own, guarded by the `resourceVersion` they were found
    at: an apply removes only what its manager owns. Raises ApiError for what the API server refuses,
    and SupersededError where the lease may have lapsed.
    """
    key, remove = action.key, action.remove
    for _ in range(CONFLICTS_MAX):
        lease.check()
        try:
            if live is not None and remove and not dry_run:
                live = await _take_over(cluster, resource, key, live, remove)
            body = await delivery.body(manifest, action.body or {}, live)
            return await _apply(cluster, resource, manifest, body, live, remove, dry_run=dry_run)
        except ConflictError:
            before, live = live or {}, await cluster.get(resource, key.namespace, key.name)
            # What people added was asked about then; it goes where it still stands as it did.
            still = tuple(path for path in remove if _stands(path, before, live or {}))
            remove = tuple(dict.fromkeys((*await delivery.removals(manifest, live), *still)))
    raise ConflictError(f"{key} changes faster than it can be applied")


def _stands(path: Path, before: Body, now: Body) -> bool:
    value = find(now, path)
    return value is not ABSENT and same_json(value, find(before, path))


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
    except UnmergeableError:
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
