"""What live has, desired lacks, and a delivering manager owns: what Git once said and says no more.

What was delivered is read from the `Apply` entries of `trueup` and `argocd-controller`, which are
exact. Only while Trueup has applied nothing yet, it is also what `kubectl apply` and Argo CD's
client-side apply noted in the last-applied annotation; their `Update` entries own server defaults
too. Once Trueup has applied, the note is history: a default that came back is no drift.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from trueup.domain.fieldpath import Item, Member, Path, Values, check_depth
from trueup.domain.listkeys import item_of, key_values, pair_items
from trueup.domain.listtypes import is_whole_map, list_type
from trueup.domain.managedfields import (
    ARGOCD_MANAGER,
    FIELD_MANAGER,
    NOWHERE,
    Cursor,
    Cursors,
    FieldOwner,
    Fields,
    entries,
    is_leaf,
    item_keys,
    member_value,
    owns_itself,
    root,
)
from trueup.domain.normalize import IGNORED_DEPTH_MAX, LAST_APPLIED_ANNOTATION, is_ignored, says_nothing
from trueup.domain.normalize import wanted as wanted_of
from trueup.domain.resource import Body, ResourceKey

_CONTAINERS = (dict, list)

#: Argo CD puts this label on what it delivers when it tracks by label; no repository asked for it.
INSTANCE_LABEL: Path = ("metadata", "labels", "app.kubernetes.io/instance")

#: Where notes stand, each of which is told apart.
_NOTED = frozenset({"annotations", "metadata"})


def extra_paths(
    key: ResourceKey, wanted: Body, manifest: Body, live: Body
) -> Iterator[tuple[Path, tuple[FieldOwner, ...]]]:
    """The topmost owned places that `wanted` lacks, each once, with every owner of the live value."""
    walk = Owned(key, manifest, live)
    top = Place(live, wanted, ())
    seen: set[Path] = set()
    for fields, own in _delivered(key, live):
        for path in walk.fields(fields, top):
            if path not in seen and (own or path != INSTANCE_LABEL):
                seen.add(path)
                yield path, walk.cursors.at(path).owners


def _delivered(key: ResourceKey, live: Body) -> Iterator[tuple[Fields, bool]]:
    """What was delivered, as fields, and whether Trueup did."""
    applied = [(owner, fields) for owner, fields in entries(live) if owner.applies]
    own = [fields for owner, fields in applied if owner.manager == FIELD_MANAGER]
    yield from ((fields, True) for fields in own)
    yield from ((fields, False) for owner, fields in applied if owner.manager == ARGOCD_MANAGER)
    if not own and (noted := noted_fields(key, live)) is not None:
        yield noted, False


def noted_fields(key: ResourceKey, live: Body) -> Fields | None:
    """What `kubectl apply` noted that it applied, as fields of what live still has; None where it noted nothing."""
    noted = last_applied(live)
    return None if noted is None else _as_fields(key, wanted_of(noted, key), live, root(live), ())


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
        fields = {
            f"f:{name}": _as_fields(key, value, live[name], cursor.field(name), (*path, name))
            for name, value in noted.items()
            if value is not None and live.get(name) is not None
        }
        return {".": {}, **fields} if path else fields
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


def _has_all(value: Any, fields: Fields) -> bool:
    """Whether every owned field is there: one that a rule has cut out is not to go with the others."""
    if not isinstance(value, dict):
        return True
    owned = ((name[2:], below) for name, below in fields.items() if name.startswith("f:"))
    return all(name in value and _has_all(value[name], below) for name, below in owned)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a walk stands: what is there, and what was asked for there."""

    live: Any
    wanted: Any
    path: Path


class Owned:
    """Finds what live has, some manager owns, and nobody asked for."""

    def __init__(
        self,
        key: ResourceKey,
        manifest: Body,
        live: Body,
        *,
        in_others_members: bool = True,
        takes_whole: Callable[[tuple[FieldOwner, ...]], bool] | None = None,
    ) -> None:
        self.key = key
        self.manifest = manifest
        self.cursors = Cursors(live)
        #: Whether parts count of a list member that nobody asked for and somebody else put there.
        self.in_others_members = in_others_members
        #: Whether a value that nobody asked for counts as one, because these are all who own any of it: its parts
        #: may be required of each other, so that none of them could go alone.
        self.takes_whole = takes_whole

    def fields(self, fields: Fields, at: Place) -> Iterator[Path]:
        """The places that these fields own and nobody asked for."""
        check_depth(at.path, self.key)
        if isinstance(at.live, dict):
            for name, below in fields.items():
                if name.startswith("f:"):
                    yield from self._field(name[2:], below, at)
        elif isinstance(at.live, list):
            yield from self._items(fields, at)
            yield from self._values(fields, at)

    def _field(self, name: str, fields: Fields, at: Place) -> Iterator[Path]:
        value = at.live.get(name)
        if value is None:
            return
        asked = at.wanted.get(name) if isinstance(at.wanted, dict) else None
        leaf = is_leaf(fields)
        if leaf and asked is not None:
            return
        path = (*at.path, name)
        if len(path) <= IGNORED_DEPTH_MAX and is_ignored(self.key, path, self.manifest):
            return
        if not leaf:
            if asked is None and "." in fields and self._goes_whole(value, path) and _has_all(value, fields):
                yield path
            else:
                yield from self.fields(fields, Place(value, asked, path))
        elif not says_nothing(value, name, self.key, at.path) and not self._is_parted(value, path):
            yield path

    def _is_parted(self, value: Any, path: Path) -> bool:
        """Whether others own members of the map or list here: it is not ours to remove, though an entry names it."""
        if not value or not isinstance(value, _CONTAINERS):
            return False
        cursor = self.cursors.at(path)
        return bool(cursor.nodes) and not cursor.is_whole

    def _goes_whole(self, value: Any, path: Path) -> bool:
        """Whether nothing is left of it without its parts, so that it has to go as one."""
        if self.takes_whole is None or not isinstance(value, dict) or path[-1] in _NOTED:
            return False
        return not says_nothing({}, path[-1], self.key, path[:-1]) and self.takes_whole(self.cursors.at(path).owners)

    def _items(self, fields: Fields, at: Place) -> Iterator[Path]:
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
            for item, below in members:
                values = tuple(value for _, value in item.keys)
                index = there.get(values)
                if index is None:
                    continue
                path = (*at.path, item)
                if index not in asked and owns_itself(below):
                    yield path
                elif index in asked or self.in_others_members:
                    yield from self.fields(below, Place(at.live[index], asked.get(index), path))

    def _values(self, fields: Fields, at: Place) -> Iterator[Path]:
        """The same for the members of a set."""
        stated = [member_value(name) for name in fields if name.startswith("v:")]
        if stated:
            live, asked = Values(at.live), Values(at.wanted if isinstance(at.wanted, list) else ())
            yield from ((*at.path, Member(value)) for value in stated if value in live and value not in asked)
