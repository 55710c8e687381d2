"""What live has, desired lacks, and a delivering manager owns: what Git once said and says no more.

What was delivered is read from the `Apply` entries of `trueup` and `argocd-controller`, which are
exact. Only while Trueup has applied nothing yet, it is also what `kubectl apply` and Argo CD's
client-side apply noted in the last-applied annotation; their `Update` entries own server defaults
too. Once Trueup has applied, the note is history: a default that came back is no drift.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from trueup.domain.fieldpath import Item, Member, Path, check_depth
from trueup.domain.listkeys import item_of, key_values, pair_items
from trueup.domain.listtypes import is_whole_map, list_type
from trueup.domain.managedfields import (
    ARGOCD_MANAGER,
    FIELD_MANAGER,
    NOWHERE,
    Cursor,
    FieldOwner,
    Fields,
    entries,
    is_leaf,
    item_keys,
    member_value,
    root,
)
from trueup.domain.normalize import LAST_APPLIED_ANNOTATION, is_ignored, says_nothing
from trueup.domain.normalize import wanted as wanted_of
from trueup.domain.resource import Body, ResourceKey

#: Argo CD puts this label on what it delivers when it tracks by label; no repository asked for it.
_INSTANCE_LABEL: Path = ("metadata", "labels", "app.kubernetes.io/instance")


def extra_paths(
    key: ResourceKey, wanted: Body, manifest: Body, live: Body
) -> Iterator[tuple[Path, tuple[FieldOwner, ...]]]:
    """The topmost owned places that `wanted` lacks, each once, with every owner of the live value."""
    walk = _Walk(key, manifest, live)
    top = _Place(live, wanted, root(live), ())
    seen: set[Path] = set()
    for fields, own in _delivered(key, live):
        for path in walk.fields(fields, top):
            if path not in seen and (own or path != _INSTANCE_LABEL):
                seen.add(path)
                yield path, walk.owners(path)


def _delivered(key: ResourceKey, live: Body) -> Iterator[tuple[Fields, bool]]:
    """What was delivered, as fields, and whether Trueup did."""
    applied = [(owner, fields) for owner, fields in entries(live) if owner.applies]
    own = [fields for owner, fields in applied if owner.manager == FIELD_MANAGER]
    yield from ((fields, True) for fields in own)
    yield from ((fields, False) for owner, fields in applied if owner.manager == ARGOCD_MANAGER)
    if not own and (noted := last_applied(live)) is not None:
        yield _as_fields(key, wanted_of(noted, key), live, root(live), ()), False


def last_applied(live: Body) -> Body | None:
    """What `kubectl apply` noted that it applied, if that is what the annotation still holds.

    `kubectl edit` and `replace` overwrite it with the whole live object, which says nothing about
    what was once applied; the uid or resourceVersion in it tells.
    """
    annotations = (live.get("metadata") or {}).get("annotations") or {}
    text = annotations.get(LAST_APPLIED_ANNOTATION)
    if not isinstance(text, str):
        return None
    try:
        noted = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(noted, dict):
        return None
    metadata = noted.get("metadata")
    if isinstance(metadata, dict) and (metadata.get("uid") or metadata.get("resourceVersion")):
        return None
    return noted


def _as_fields(key: ResourceKey, noted: Any, live: Any, cursor: Cursor, path: Path) -> dict[str, Any]:
    """The fields that an apply of `noted` would own, as far as live has them."""
    check_depth(path, key)
    if isinstance(noted, Mapping) and isinstance(live, Mapping):
        if path and is_whole_map(path, live, cursor):
            return {}
        return {
            f"f:{name}": _as_fields(key, value, live[name], cursor.field(name), (*path, name))
            for name, value in noted.items()
            if value is not None and live.get(name) is not None
        }
    if isinstance(noted, list) and isinstance(live, list):
        kind = list_type(key, path, cursor)
        if kind.kind == "set":
            return {f"v:{json.dumps(value)}": {} for value in noted}
        pairing = pair_items(noted, live, kind.keys) if kind.kind == "map" else None
        if pairing is not None:
            members = {}
            owned = cursor.items(kind.keys)
            for one, other in pairing.pairs:
                there = item_of(live[other], kind.keys)
                below = owned.get(tuple(value for _, value in there.keys), NOWHERE)
                fields = _as_fields(key, noted[one], live[other], below, (*path, there))
                members[f"k:{json.dumps(dict(there.keys))}"] = {".": {}, **fields}
            return members
    return {}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a walk stands: what is there, what was asked for there, and who owns it."""

    live: Any
    wanted: Any
    cursor: Cursor
    path: Path


class _Walk:
    def __init__(self, key: ResourceKey, manifest: Body, live: Body) -> None:
        self.key = key
        self.manifest = manifest
        self.root = root(live)

    def fields(self, fields: Fields, at: _Place) -> Iterator[Path]:
        """The places that these fields own and nobody asked for."""
        check_depth(at.path, self.key)
        if isinstance(at.live, Mapping):
            for name, below in fields.items():
                if name.startswith("f:"):
                    yield from self._field(name[2:], below, at)
        elif isinstance(at.live, list):
            yield from self._items(fields, at)
            for name in fields:
                if name.startswith("v:"):
                    value = member_value(name)
                    if value in at.live and not (isinstance(at.wanted, list) and value in at.wanted):
                        yield (*at.path, Member(value))

    def _field(self, name: str, fields: Fields, at: _Place) -> Iterator[Path]:
        value = at.live.get(name)
        path = (*at.path, name)
        if value is None or is_ignored(self.key, path, self.manifest):
            return
        asked = at.wanted.get(name) if isinstance(at.wanted, Mapping) else None
        cursor = at.cursor.field(name)
        if not is_leaf(fields):
            yield from self.fields(fields, _Place(value, asked, cursor, path))
        elif asked is None and not says_nothing(value, name, self.key):
            # A map or list whose members others own is not ours to remove, though an entry names it.
            parted = bool(value) and isinstance(value, Mapping | list) and cursor.nodes and not cursor.is_whole
            if not parted:
                yield path

    def _items(self, fields: Fields, at: _Place) -> Iterator[Path]:
        """The same for the members of a keyed list, each list matched once."""
        by_keys: dict[tuple[str, ...], list[tuple[Item, Fields]]] = {}
        for name, below in fields.items():
            if name.startswith("k:") and (stated := item_keys(name)):
                by_keys.setdefault(tuple(key for key, _ in stated), []).append((Item(stated), below))
        for keys, members in by_keys.items():
            asked: dict[int, Any] = {}
            if isinstance(at.wanted, list):
                pairing = pair_items(at.wanted, at.live, keys)
                if pairing is None:
                    continue
                asked = {other: at.wanted[one] for one, other in pairing.pairs}
            there = {key_values(item, keys): index for index, item in enumerate(at.live)}
            owned = at.cursor.items(keys)
            for item, below in members:
                values = tuple(value for _, value in item.keys)
                index = there.get(values)
                if index is None:
                    continue
                path = (*at.path, item)
                if index not in asked and "." in below:
                    yield path
                else:
                    cursor = owned.get(values, NOWHERE)
                    yield from self.fields(below, _Place(at.live[index], asked.get(index), cursor, path))

    def owners(self, path: Path) -> tuple[FieldOwner, ...]:
        cursor = self.root
        for segment in path:
            cursor = cursor.below(segment)
        return cursor.owners
