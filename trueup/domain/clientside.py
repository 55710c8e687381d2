"""The apply that Trueup does itself where the API server refuses to: lists whose keys are not unique.

Server-side apply rejects such manifests (two `env` entries of one name, say), though the same
objects can be created and updated by other means.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from trueup.domain.fieldpath import Item, Member, Path, check_depth
from trueup.domain.listkeys import Pairing, item_of, key_values, pair_items
from trueup.domain.listtypes import is_whole_map, list_type
from trueup.domain.managedfields import NOWHERE, Cursor, root
from trueup.domain.normalize import holds, same_json
from trueup.domain.resource import Body, Manifest, ResourceKey

Patch = dict[str, Any]


def repeated_item(desired: Manifest, live: Body | None) -> Path | None:
    """The first list member whose keys another has too; None where server-side apply will take the manifest.

    The API server says of such a manifest no more than an internal error.
    """
    left: list[tuple[Any, Cursor, Path]] = [(desired.body, root(live or {}), ())]
    while left:
        value, cursor, path = left.pop()
        check_depth(path, desired.key)
        if isinstance(value, Mapping):
            left += [(below, cursor.field(name), (*path, name)) for name, below in value.items()]
        elif isinstance(value, list) and (kind := list_type(desired.key, path, cursor)).kind == "map":
            owned = cursor.items(kind.keys)
            seen: set[Item] = set()
            for item in value:
                if key_values(item, kind.keys) is None:
                    continue
                selector = item_of(item, kind.keys)
                if selector in seen:
                    return (*path, selector)
                seen.add(selector)
                below = owned.get(tuple(stated for _, stated in selector.keys), NOWHERE)
                left.append((item, below, (*path, selector)))
    return None


def client_side_patch(desired: Manifest, body: Body, live: Body, removals: Iterable[Path]) -> Patch:
    """A JSON merge patch (RFC 7386) that makes live what `body` says, less the removals.

    `body` is the manifest as it is applied, tracking annotation included; what it does not mention
    stays as it is. The patch names the `resourceVersion` that it was made for, so that it fails
    rather than overwrite somebody. Empty where there is nothing to do.
    """
    wanted = {name: value for name, value in body.items() if name not in ("apiVersion", "kind", "status")}
    merged = _merged(desired.key, wanted, _without(live, list(removals)), root(live), ())
    patch = _patch(live, merged)
    if patch:
        version = (live.get("metadata") or {}).get("resourceVersion")
        patch["metadata"] = {**(patch.get("metadata") or {}), "resourceVersion": version}
    return patch


def _without(value: Any, removals: list[Path]) -> Any:
    """A copy without the places, sharing everything that no path leads to."""
    if not removals:
        return value
    here = {path[0] for path in removals if len(path) == 1}
    if isinstance(value, Mapping):
        return {
            name: _without(below, [path[1:] for path in removals if path[0] == name])
            for name, below in value.items()
            if name not in here
        }
    if not isinstance(value, list):
        return value
    kept = []
    for index, below in enumerate(value):
        paths = [path for path in removals if _leads(path, index, below)]
        if not any(len(path) == 1 for path in paths):
            kept.append(_without(below, [path[1:] for path in paths]))
    return kept


def _leads(path: Path, index: int, item: Any) -> bool:
    segment = path[0]
    if isinstance(segment, Item):
        return segment.selects(item)
    return item == segment.value if isinstance(segment, Member) else segment == index


@dataclass(frozen=True, slots=True)
class _Members:
    """A keyed list on both sides."""

    desired: list[Any]
    live: list[Any]
    pairing: Pairing
    keys: tuple[str, ...]


def _merged(key: ResourceKey, desired: Any, live: Any, cursor: Cursor, path: Path) -> Any:
    if isinstance(desired, Mapping) and isinstance(live, Mapping):
        if path and is_whole_map(path, live, cursor):
            return desired
        merged = dict(live)
        for name, value in desired.items():
            if value is not None:
                merged[name] = _merged(key, value, live.get(name), cursor.field(name), (*path, name))
        return merged
    if isinstance(desired, list) and isinstance(live, list):
        kind = list_type(key, path, cursor)
        if kind.kind == "set":
            return [*live, *(value for value in desired if value not in live)]
        pairing = pair_items(desired, live, kind.keys) if kind.kind == "map" else None
        if pairing is not None:
            return _merged_items(key, _Members(desired, live, pairing, kind.keys), cursor, path)
    return live if holds(live, desired) else desired


def _merged_items(key: ResourceKey, members: _Members, cursor: Cursor, path: Path) -> list[Any]:
    """Desired members in their order, each with what live adds to it; then the members of others."""
    partners = dict(members.pairing.pairs)
    owned = cursor.items(members.keys)
    merged = []
    for index, item in enumerate(members.desired):
        if index not in partners:
            merged.append(item)
            continue
        partner = members.live[partners[index]]
        there = item_of(partner, members.keys)
        below = owned.get(tuple(value for _, value in there.keys), NOWHERE)
        merged.append(_merged(key, item, partner, below, (*path, there)))
    return merged + [members.live[index] for index in members.pairing.live_left]


def _patch(live: Mapping[str, Any], merged: Mapping[str, Any]) -> Patch:
    patch: Patch = {name: None for name in live if name not in merged}
    for name, value in merged.items():
        below = live.get(name)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            if nested := _patch(below, value):
                patch[name] = nested
        elif not same_json(below, value):
            patch[name] = value
    return patch
