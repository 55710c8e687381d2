"""A manifest as it is applied where the cluster keeps what is ignored (`RespectIgnoreDifferences=true`).

Ignored places hold what live holds, so that a server-side apply neither changes nor removes them; what Git has there
and live lacks is left out. What nobody asked for and others own is not taken in: it stays theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from trueup.domain.fieldpath import ABSENT, Member, Path, Segment, Values
from trueup.domain.ignore_cut import NOTHING, Tree, cut_value, goes, is_hollow
from trueup.domain.ignore_mask import Mask
from trueup.domain.listkeys import item_of, key_values
from trueup.domain.listtypes import list_type
from trueup.domain.managedfields import FIELD_MANAGER, NOWHERE, Cursor, root
from trueup.domain.resource import TRACKING_ANNOTATION, Body, ResourceKey

#: Of an object's metadata, all that a manifest may speak of beside its names.
_METADATA: Tree = {"annotations": None, "finalizers": None, "labels": None, "ownerReferences": None}


def respected(body: Body, key: ResourceKey, live: Body, mask: Mask) -> Body:
    """The body with live's values at the ignored places.

    Where there are any it names the `resourceVersion` that they were read at: an apply is refused with a
    conflict if they may have moved since.
    """
    kept = keeping(body, key, live, mask)
    if kept is body:
        return body
    return {**kept, "metadata": {**kept["metadata"], "resourceVersion": live["metadata"].get("resourceVersion")}}


def keeping(body: Body, key: ResourceKey, live: Body, mask: Mask) -> Body:
    """The same of whatever version live is by now, as a question is asked and nothing is written."""
    desired_tree, live_tree = _without_names(mask.desired), _without_names(mask.live)
    if not desired_tree and not live_tree:
        return body
    at = _Place(desired_tree, live_tree, root(live), ())
    kept = _map(body, live, at, key)
    metadata = dict(kept.get("metadata", {}))
    tracking = ((body.get("metadata") or {}).get("annotations") or {}).get(TRACKING_ANNOTATION)
    if tracking is not None:
        metadata["annotations"] = {**(metadata.get("annotations") or {}), TRACKING_ANNOTATION: tracking}
    return {**kept, "metadata": metadata}


def _without_names(tree: Tree) -> Tree:
    """An apply says which object it is about, whatever is ignored of it."""
    below = {name: node for name, node in tree.items() if name not in ("apiVersion", "kind", "status")}
    if goes(tree, "metadata"):
        below["metadata"] = _METADATA
    elif isinstance(metadata := tree.get("metadata"), Mapping):
        below["metadata"] = {name: node for name, node in metadata.items() if name in _METADATA}
    return {name: node for name, node in below.items() if node is None or node}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the walk stands: what is ignored from here on, on either side, and whose the live value is."""

    desired: Tree
    live: Tree
    cursor: Cursor
    path: Path
    #: Whether it is inside a value that an apply replaces as a whole.
    whole: bool = False

    def below(self, segment: Segment, desired: str | int, live: str | int, cursor: Cursor | None = None) -> _Place:
        """One step down, where that is at hand to `cursor`."""
        return _Place(
            self.desired.get(desired) or NOTHING,
            self.live.get(live) or NOTHING,
            self.cursor.below(segment) if cursor is None else cursor,
            (*self.path, segment),
            self.whole,
        )


def _value(desired: Any, live: Any, at: _Place, key: ResourceKey) -> Any:
    if not at.desired and not at.live:
        return desired
    if isinstance(desired, Mapping) and isinstance(live, Mapping):
        return _map(desired, live, at, key)
    if isinstance(desired, list) and isinstance(live, list):
        return _list(desired, live, at, key)
    return _left(desired, at.desired)


def _map(desired: Mapping[str, Any], live: Mapping[str, Any], at: _Place, key: ResourceKey) -> dict[str, Any]:
    at = replace(at, whole=at.whole or (bool(at.path) and at.cursor.is_whole))
    kept: dict[str, Any] = {}
    for name, value in desired.items():
        if goes(at.desired, name) or goes(at.live, name):
            if name in live:
                kept[name] = _taken(live[name], value, at.below(name, name, name))
        elif name in live:
            kept[name] = _value(value, live[name], at.below(name, name, name), key)
        else:
            left = _left(value, at.desired.get(name))
            if not is_hollow(left):
                kept[name] = left
    for step, tree in at.live.items():
        if isinstance(step, str) and step not in desired and step in live:
            ours = _ours(live[step], tree, at.below(step, step, step))
            if ours is not ABSENT:
                kept[step] = ours
    return kept


def _left(desired: Any, tree: Tree | None) -> Any:
    """A desired value without what is ignored in it: live has nothing of it."""
    return cut_value(desired, tree) if tree else desired


def _taken(live: Any, desired: Any, at: _Place) -> Any:
    """Live's value of a place that is ignored as a whole; of a map that many write, what Git has or we own."""
    if not isinstance(live, Mapping) or at.whole or at.cursor.is_whole:
        return live
    asked = desired if isinstance(desired, Mapping) else {}
    return {name: below for name, below in live.items() if name in asked or _is_ours(at.cursor.field(name))}


def _ours(live: Any, tree: Tree | None, at: _Place) -> Any:
    """What of a live value that Git has nothing of would go with an apply; ABSENT for nothing."""
    if at.whole:
        return live if tree is None else ABSENT
    if not _is_ours(at.cursor):
        return ABSENT
    if isinstance(live, Mapping) and not at.cursor.is_whole:
        steps = live.keys() if tree is None else [name for name in tree if name in live]
        found = {
            name: _ours(live[name], None if tree is None else tree[name], at.below(name, name, name))
            for name in steps
            if isinstance(name, str)
        }
        kept = {name: value for name, value in found.items() if value is not ABSENT}
        return kept or ABSENT
    return live if tree is None else ABSENT


def _is_ours(cursor: Cursor) -> bool:
    return any(owner.applies and owner.manager == FIELD_MANAGER for owner in cursor.owners)


def _list(desired: list[Any], live: list[Any], at: _Place, key: ResourceKey) -> list[Any]:
    kind = list_type(key, at.path, at.cursor)
    if kind.kind == "atomic" or at.whole:
        return _whole_list(desired, live, replace(at, whole=True), key)
    if kind.kind == "set":
        return _set(desired, live, at)
    return _keyed_list(desired, live, at, key, kind.keys)


def _keyed_list(desired: list[Any], live: list[Any], at: _Place, key: ResourceKey, keys: tuple[str, ...]) -> list[Any]:
    there = {values: index for index, item in enumerate(live) if (values := key_values(item, keys)) is not None}
    owned = at.cursor.items(keys)
    kept, paired = [], set()
    for index, item in enumerate(desired):
        values = key_values(item, keys)
        if values is None or (other := there.get(values)) is None:
            if not goes(at.desired, index):
                kept.append(_left(item, at.desired.get(index)))
            continue
        paired.add(other)
        if goes(at.desired, index) or goes(at.live, other):
            kept.append(live[other])
        else:
            below = at.below(item_of(live[other], keys), index, other, owned.get(values, NOWHERE))
            kept.append(_value(item, live[other], below, key))
    beyond = ((values, other) for values, other in there.items() if other not in paired and goes(at.live, other))
    return kept + [live[other] for values, other in beyond if _is_ours(owned.get(values, NOWHERE))]


def _set(desired: list[Any], live: list[Any], at: _Place) -> list[Any]:
    there = Values(live)
    kept = [value for index, value in enumerate(desired) if not goes(at.desired, index) or value in there]
    asked = Values(kept)
    ignored = [value for index, value in enumerate(live) if goes(at.live, index) and value not in asked]
    return kept + [value for value in ignored if _is_ours(at.cursor.below(Member(value)))]


def _whole_list(desired: list[Any], live: list[Any], at: _Place, key: ResourceKey) -> list[Any]:
    """Members that are not ignored meet in their order; the ignored ones of live stay where they are."""
    left = [index for index in range(len(live)) if not goes(at.live, index)]
    kept: list[Any] = []
    for index, item in enumerate(desired):
        if goes(at.desired, index):
            continue
        if len(kept) < len(left):
            other = left[len(kept)]
            kept.append(_value(item, live[other], at.below(index, index, other), key))
        else:
            kept.append(_left(item, at.desired.get(index)))
    for index, item in enumerate(live):
        if goes(at.live, index):
            kept.insert(min(index, len(kept)), item)
    return kept
