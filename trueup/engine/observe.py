"""Reads from the cluster just the objects that one application is about: one GET each, no list."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from trueup.clients.api_errors import ConversionError, ForbiddenError, NotServedError, UnknownKindError
from trueup.clients.cluster import Cluster
from trueup.clients.discovery import ApiResource
from trueup.domain.ignore_held import NOTHING_HELD, Held
from trueup.domain.manifest import RawObject, settle_namespaces
from trueup.domain.resource import Body, Manifest, ResourceKey
from trueup.engine.concurrency import each
from trueup.engine.refusals import refusal

GroupKind = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Observed:
    """Desired manifests with their namespaces settled, and what the cluster has of them and of the inventory."""

    manifests: tuple[Manifest, ...]
    #: None is an object that the cluster says is not there.
    live: Mapping[ResourceKey, Body | None]
    #: Objects whose state is not known, and why. Never pruned, never called Synced.
    unreadable: Mapping[ResourceKey, str]
    #: What two sources describe: the object, and the place that does not count.
    repeated: tuple[tuple[ResourceKey, str], ...] = ()
    #: Desired objects of kinds that are to be left alone, with the namespace that they name, if any.
    excluded: tuple[ResourceKey, ...] = ()
    #: The same of the inventory.
    left_alone: frozenset[ResourceKey] = frozenset()
    #: What of the objects does not count, see `trueup.engine.ignoring`.
    held: Held = NOTHING_HELD


async def observe(
    cluster: Cluster,
    objects: Sequence[RawObject],
    inventory: Iterable[ResourceKey],
    *,
    namespace: str,
    objects_in_flight_max: int,
    only: Collection[ResourceKey] | None = None,
    excludes: Callable[[str, str], bool] = lambda _group, _kind: False,
) -> Observed:
    """What Git wants, placed in `namespace` where it names none, and what is live of it and of the inventory.

    With `only` no more than these of them are read; `live` leaves the others out. Of a kind, by group and name,
    that `excludes` says is to be left alone nothing is read, and nobody asks whether it is served.
    Raises TransientError when the API server is away or throttles. A kind that it does not know, may
    not read or cannot convert makes its objects unreadable, not the others.
    """
    excluded = [ResourceKey(o.group, o.kind, o.namespace, o.name) for o in objects if excludes(o.group, o.kind)]
    objects = [item for item in objects if not excludes(item.group, item.kind)] if excluded else objects
    inventory = tuple(inventory)
    left_alone = frozenset(key for key in inventory if excludes(key.group, key.kind))
    inventory = tuple(key for key in inventory if key not in left_alone)
    kinds = {(o.group, o.kind) for o in objects} | {(k.group, k.kind) for k in inventory}
    resources, unknown = await _discover(cluster, kinds, in_flight_max=objects_in_flight_max)
    scopes = {kind: resource.namespaced for kind, resource in resources.items()} | _scopes_of_definitions(objects)
    settled = settle_namespaces(objects, namespaced=scopes, default_namespace=namespace)
    wanted = {m.key: m.version for m in settled.manifests}
    live: dict[ResourceKey, Body | None] = {}
    unreadable: dict[ResourceKey, str] = {}

    async def read(key: ResourceKey) -> None:
        reason = unknown.get((key.group, key.kind))
        if reason is not None:
            # A kind that this very set defines is not there yet, and so its objects are not either;
            # and one that Git no longer wants went with its definition, which took its objects along.
            if (key.group, key.kind) in scopes or key not in wanted:
                live[key] = None
            else:
                unreadable[key] = reason
            return
        try:
            resource = await cluster.resource(key.group, key.kind, wanted.get(key))
            live[key] = await cluster.get(resource, key.namespace, key.name)
        except (ConversionError, ForbiddenError, UnknownKindError, NotServedError) as error:
            unreadable[key] = refusal(error, key)

    concerned = {*wanted, *inventory}
    await each(concerned if only is None else concerned & set(only), read, in_flight_max=objects_in_flight_max)
    return Observed(settled.manifests, live, unreadable, settled.repeated, tuple(sorted(set(excluded))), left_alone)


async def _discover(
    cluster: Cluster, kinds: Iterable[GroupKind], *, in_flight_max: int
) -> tuple[dict[GroupKind, ApiResource], dict[GroupKind, str]]:
    known: dict[GroupKind, ApiResource] = {}
    unknown: dict[GroupKind, str] = {}

    async def find(asked: GroupKind) -> None:
        try:
            known[asked] = await cluster.resource(*asked)
        except UnknownKindError as error:
            unknown[asked] = str(error)

    # Side by side, for those who ask for unknown kinds share one reading of what the server has.
    await each(sorted(kinds), find, in_flight_max=in_flight_max)
    return known, unknown


def _scopes_of_definitions(objects: Sequence[RawObject]) -> dict[GroupKind, bool]:
    """Whether the kinds that the set's own CustomResourceDefinitions define are namespaced."""
    scopes = {}
    for item in objects:
        if item.kind == "CustomResourceDefinition" and item.group == "apiextensions.k8s.io":
            spec = item.body.get("spec") or {}
            kind = (spec.get("names") or {}).get("kind")
            scopes[str(spec.get("group")), str(kind)] = spec.get("scope") == "Namespaced"
    return scopes
