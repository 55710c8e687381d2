"""Who owns which field: `metadata.managedFields` of a live object, read and rewritten.

Format: FieldsV1 of `sigs.k8s.io/structured-merge-diff`: `f:` a field, `k:` a list member by its
keys, `v:` a member of a set, `i:` a position, `.` the value that holds the others; an empty object
is a value owned as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from trueup.domain.fieldpath import Item, Member, Path, Scalar, Segment
from trueup.domain.resource import Body

FIELD_MANAGER = "trueup"
ARGOCD_MANAGER = "argocd-controller"
KUBECTL_MANAGER = "kubectl-client-side-apply"

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FieldOwner:
    """One entry of `managedFields`, without its fields."""

    manager: str
    operation: str
    subresource: str = ""
    #: When its fields last changed, as the API server wrote it (RFC 3339); empty if unknown.
    time: str = ""

    @property
    def applies(self) -> bool:
        """Whether this entry is exactly what its manager last applied."""
        return self.operation == "Apply" and not self.subresource

    @property
    def delivers(self) -> bool:
        """Whether this manager writes what a repository says."""
        return self.manager in (FIELD_MANAGER, ARGOCD_MANAGER, KUBECTL_MANAGER)


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a live object, with every entry that owns something there or below."""

    nodes: tuple[tuple[FieldOwner, Fields], ...]

    @property
    def owners(self) -> tuple[FieldOwner, ...]:
        return tuple(owner for owner, _ in self.nodes)

    @property
    def is_whole(self) -> bool:
        """Whether the value here is owned, and owned as one value."""
        # Asked at every place of every object: a loop costs half of what `all` does.
        for _, node in self.nodes:
            if node and not (len(node) == 1 and "." in node):
                return False
        return bool(self.nodes)

    @property
    def list_keys(self) -> tuple[str, ...]:
        """The keys that tell the members of the list here apart; empty where nobody owns a member."""
        for _, node in self.nodes:
            for name in node:
                if name.startswith("k:") and (keys := item_keys(name)) is not None:
                    return tuple(key for key, _ in keys)
        return ()

    @property
    def is_set(self) -> bool:
        return any(name.startswith("v:") for _, node in self.nodes for name in node)

    def field(self, name: str) -> Cursor:
        return self if not self.nodes or self.is_whole else self._below(f"f:{name}")

    def item(self, item: Item) -> Cursor:
        return self.items(tuple(key for key, _ in item.keys)).get(tuple(value for _, value in item.keys), NOWHERE)

    def below(self, segment: Segment) -> Cursor:
        """One step down, whatever the step."""
        if isinstance(segment, str):
            return self.field(segment)
        return self.item(segment) if isinstance(segment, Item) else self._below(_spelled(segment))

    def items(self, keys: tuple[str, ...]) -> Mapping[tuple[Scalar, ...], Cursor]:
        """The owned members of the list here, by the values of their keys."""
        found: dict[tuple[Scalar, ...], list[tuple[FieldOwner, Fields]]] = {}
        for owner, node in self.nodes:
            for name, child in node.items():
                if name.startswith("k:") and (named := item_keys(name)) is not None:
                    values = dict(named)
                    found.setdefault(tuple([values.get(key) for key in keys]), []).append((owner, child))
        return {values: Cursor(tuple(nodes)) for values, nodes in found.items()}

    def _below(self, name: str) -> Cursor:
        nodes = [(owner, node[name]) for owner, node in self.nodes if name in node]
        return Cursor(tuple(nodes)) if nodes else NOWHERE


NOWHERE = Cursor(())


class Cursors:
    """Places of one live object, which must not change meanwhile: no list's members are read twice."""

    def __init__(self, live: Body) -> None:
        self.root = root(live)
        self._members: dict[tuple[Path, tuple[str, ...]], Mapping[tuple[Scalar, ...], Cursor]] = {}

    def at(self, path: Path) -> Cursor:
        """Every entry that owns something at the place or below."""
        cursor = self.root
        for length, segment in enumerate(path):
            cursor = self.below(cursor, path[:length], segment)
        return cursor

    def below(self, cursor: Cursor, path: Path, segment: Segment) -> Cursor:
        """One step down from the cursor, which stands at the path."""
        if not isinstance(segment, Item):
            return cursor.below(segment)
        names, values = tuple(name for name, _ in segment.keys), tuple(value for _, value in segment.keys)
        if (path, names) not in self._members:
            self._members[path, names] = cursor.items(names)
        return self._members[path, names].get(values, NOWHERE)


def entries(live: Body) -> list[tuple[FieldOwner, Fields]]:
    """Every readable entry of `managedFields`."""
    found = []
    for entry in (live.get("metadata") or {}).get("managedFields") or ():
        fields = entry.get("fieldsV1")
        if isinstance(fields, Mapping):
            found.append((_owner(entry), fields))
    return found


def root(live: Body) -> Cursor:
    """The object itself, for a walk down."""
    return Cursor(tuple(entries(live)))


def is_leaf(node: Fields) -> bool:
    return not node or (len(node) == 1 and "." in node)


def owns_itself(node: Fields) -> bool:
    """Whether these are the fields of who put a list member there, and not only parts of it.

    A member that is one value as a whole, such as an `imagePullSecrets` one, has no `.` of its own.
    """
    return "." in node or is_leaf(node)


@lru_cache(maxsize=4096)
def item_keys(name: str) -> tuple[tuple[str, Scalar], ...] | None:
    """The keys that `k:{"port":80}` states, in its own order, or None where it cannot be read."""
    try:
        keys = json.loads(name[2:])
    except ValueError:
        return None
    return tuple(keys.items()) if isinstance(keys, dict) else None


def member_value(name: str) -> Any:
    """The value that `v:"finalizer"` states."""
    return json.loads(name[2:])


def transfer_ownership(live: Body, paths: Sequence[Path], manager: str = FIELD_MANAGER) -> list[dict[str, Any]] | None:
    """`managedFields` with exactly these paths, and what is below them, owned by this manager's applies alone.

    A forced apply that leaves the paths out then removes them, whoever had written them. Other
    managers keep everything else. None where the manager is their only owner already. Entries of
    the status subresource are left alone.
    """
    rewritten: list[dict[str, Any]] = []
    own: dict[str, Any] | None = None
    taken: dict[str, Any] = {}
    changed = False
    for entry in (live.get("metadata") or {}).get("managedFields") or ():
        copy = dict(entry)
        owner = _owner(entry)
        fields = entry.get("fieldsV1")
        if not isinstance(fields, Mapping) or owner.subresource == "status":
            rewritten.append(copy)
        elif owner.applies and owner.manager == manager:
            own = copy
            rewritten.append(copy)
        else:
            left, lost = _without(fields, paths, taken)
            changed = changed or lost
            if left:
                copy["fieldsV1"] = left
                rewritten.append(copy)
    before: Fields = own["fieldsV1"] if own is not None else {}
    after = _joined(before, taken)
    for path in paths:
        after = _joined(after, _only(path))
    if not changed and after == before:
        return None
    if own is None:
        own = {"manager": manager, "operation": "Apply", "apiVersion": live.get("apiVersion"), "fieldsType": "FieldsV1"}
        rewritten.append(own)
    own["fieldsV1"] = after
    return rewritten


def _owner(entry: Mapping[str, Any]) -> FieldOwner:
    return FieldOwner(*(entry.get(name) or "" for name in ("manager", "operation", "subresource", "time")))


def _without(fields: Fields, paths: Sequence[Path], taken: dict[str, Any]) -> tuple[Fields, bool]:
    """The fields less the paths, and whether there were any; what is left out is added to `taken`."""
    lost = False
    left = fields
    for path in paths:
        names = _names(left, path)
        if names is None:
            continue
        lost = True
        node: Any = left
        for name in names:
            node = node[name]
        taken.update(_joined(taken, _nested(names, node)))
        left = _cut(left, names)
    return left, lost


def _names(fields: Fields, path: Path) -> list[str] | None:
    """The names under which these fields hold the path, or None where they do not."""
    names: list[str] = []
    node: Fields = fields
    for segment in path:
        name = _name(node, segment)
        if name is None:
            return None
        names.append(name)
        node = node[name]
    return names


def _name(node: Fields, segment: Segment) -> str | None:
    if isinstance(segment, Item):
        wanted = dict(segment.keys)
        for name in node:
            if name.startswith("k:") and dict(item_keys(name) or ()) == wanted:
                return name
        return None
    name = _spelled(segment)
    return name if name in node else None


def _spelled(segment: Segment) -> str:
    if isinstance(segment, Item):
        return "k:" + json.dumps(dict(segment.keys), separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    if isinstance(segment, Member):
        return "v:" + json.dumps(segment.value, ensure_ascii=False)
    return f"i:{segment}" if isinstance(segment, int) else f"f:{segment}"


def _cut(node: Fields, names: Sequence[str]) -> dict[str, Any]:
    """The node without the named descendant, and without what only led there."""
    name, *rest = names
    copy = dict(node)
    below = _cut(node[name], rest) if rest else {}
    if below:
        copy[name] = below
    else:
        del copy[name]
    return copy


def _nested(names: Sequence[str], node: Fields) -> dict[str, Any]:
    for name in reversed(names):
        node = {name: node}
    return dict(node)


def _only(path: Path) -> dict[str, Any]:
    """The fields that own just this path; a list member is owned as itself."""
    return _nested([_spelled(segment) for segment in path], {".": {}} if isinstance(path[-1], Item) else {})


def _joined(one: Fields, other: Fields) -> dict[str, Any]:
    """Every path that either owns; a value owned as a whole stays owned where the other owns parts of it."""
    joined = dict(one)
    for name, node in other.items():
        here = joined.get(name)
        if here is None:
            joined[name] = node
        elif node != here:
            both = _joined(here, node)
            joined[name] = both if here and node else {".": {}, **both}
    return joined
