"""Whether a live object is what Git says, and every place where it is not.

Every desired field is compared with live. What live has and desired lacks counts only where a
delivering manager owns it (`trueup.domain.extras`), or where a member of a list stands in for a
desired one, because somebody edited its key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from trueup.domain.extras import extra_paths
from trueup.domain.fieldpath import (
    ABSENT,
    OBJECT_DEPTH_MAX,
    Item,
    Member,
    Path,
    Pointers,
    Segment,
    Values,
    check_depth,
    show,
)
from trueup.domain.listkeys import ListType, item_of, key_values, pair_items
from trueup.domain.listtypes import is_delivered, is_edited, is_whole_map, list_type
from trueup.domain.managedfields import NOWHERE, Cursor, FieldOwner, root
from trueup.domain.normalize import is_default, same_json, same_scalar, says_nothing, wanted
from trueup.domain.resource import Body, Manifest, ResourceKey
from trueup.domain.rules import BESIDE, DIFFERS, GONE_FROM_GIT, MISSING, REORDERED, STANDS_IN, WHOLE
from trueup.domain.standins import Sides, stand_ins
from trueup.domain.unions import usurpers

_CONTAINERS = (dict, list)
_SCALARS = frozenset({str, int, float, bool})

ObjectStatus = Literal["Synced", "OutOfSync", "Missing"]


@dataclass(frozen=True, slots=True)
class Change:
    """One place where live is not what is desired."""

    path: Path
    kind: Literal["changed", "missing", "extra"]
    #: None for an extra value.
    desired: Any
    #: None for a missing value.
    live: Any
    #: JSON pointer in the live object; `-` stands for a list member that it lacks.
    pointer: str
    #: The field managers that own the live value.
    owners: tuple[FieldOwner, ...]
    #: What must go from live, beyond what an apply of the manifest does by itself.
    removes: Path | None = None
    #: Whether only the order of a list's members differs; the values are then their keys.
    reordered: bool = False
    #: The name of the rule that reported it (`trueup.domain.rules`).
    rule: str = DIFFERS
    #: False: it is shown, and neither makes the object OutOfSync nor is put right.
    counts: bool = True

    @property
    def is_presumed(self) -> bool:
        """Whether it may be a default, which only the API server can tell from what Git dropped."""
        return self.kind == "extra" and self.removes is None

    @property
    def may_settle(self) -> bool:
        """Whether the API server's answer to an apply may show that it is the server's own making."""
        return self.removes is None or self.rule == BESIDE

    def __str__(self) -> str:
        return show(self.path)


@dataclass(frozen=True, slots=True)
class ObjectDiff:
    key: ResourceKey
    #: OutOfSync where a change counts.
    status: ObjectStatus
    #: In the order of the manifest, what is extra last. Empty for a missing object.
    changes: tuple[Change, ...] = ()

    @property
    def counted(self) -> tuple[Change, ...]:
        """What makes the object OutOfSync and is put right; the others are only shown."""
        return tuple(change for change in self.changes if change.counts)

    @property
    def removals(self) -> tuple[Path, ...]:
        """What must go from live, beyond what an apply of the manifest does by itself; each place once."""
        return tuple({change.removes: None for change in self.counted if change.removes is not None})

    @property
    def is_presumed(self) -> bool:
        """Whether all that counts may be defaults, which only the API server can tell from what Git dropped."""
        counted = self.counted
        return bool(counted) and all(change.is_presumed for change in counted)

    def having(self, changes: tuple[Change, ...]) -> ObjectDiff:
        """The same object with these differences; one that is missing stays so."""
        if self.status == "Missing":
            return self
        return ObjectDiff(self.key, _status(changes), changes)


def _status(changes: Iterable[Change]) -> ObjectStatus:
    return "OutOfSync" if any(change.counts for change in changes) else "Synced"


def compare(desired: Manifest, live: Body | None) -> ObjectDiff:
    """Hold a manifest against its live object, read at the manifest's version; None is an object that is not there.

    Raises StalledError where the two are nested deeper than OBJECT_DEPTH_MAX.
    """
    if live is None:
        return ObjectDiff(desired.key, "Missing")
    comparison = Walk(desired.key, live)
    body = wanted(desired.body, desired.key)
    comparison.mapping(body, live, root(live), exact=False)
    removed = {change.removes for change in comparison.changes}
    for path, owners in extra_paths(desired.key, body, desired.body, live):
        if path not in removed:
            comparison.note_extra(path, owners)
    changes = tuple(comparison.changes)
    return ObjectDiff(desired.key, _status(changes), changes)


def settle_with(diff: ObjectDiff, applied: Body) -> ObjectDiff:
    """The diff without what the API server itself makes of the manifest.

    `applied` is what it answered to a forced apply of the manifest, dry or not: a place where it
    holds what live holds is its normalisation and no drift. What Git says no more stays.
    """
    places = Pointers(applied)
    kept = tuple(change for change in diff.changes if not _is_settled(change, places))
    return diff if len(kept) == len(diff.changes) else diff.having(kept)


def _is_settled(change: Change, applied: Pointers) -> bool:
    if not change.may_settle:
        return False
    _, value = applied.found(change.path)
    if change.kind == "missing":
        return value is ABSENT or value is None
    if change.reordered and isinstance(value, list):
        value = _orders(value, [Item(tuple(keys.items())) for keys in change.live])
    return value is not ABSENT and same_json(value, change.live)


def _orders(items: list[Any], selectors: list[Item]) -> list[dict[str, Any]]:
    return [dict(selector.keys) for item in items for selector in selectors if selector.selects(item)]


class Walk:
    """One walk over desired and live side by side; `path` is where it stands."""

    def __init__(self, key: ResourceKey, live: Body) -> None:
        self.key = key
        self.pointers = Pointers(live)
        self.delivered = is_delivered(live)
        #: Whether the walk is inside a stand-in, every part of which belongs to the one who edited it.
        self.standing_in = False
        #: Whether the walk is inside a value that an apply replaces as a whole, whoever owns it.
        self.whole = False
        self.path: list[Segment] = []
        self.changes: list[Change] = []

    def value(self, segment: Segment, desired: Any, live: Any, cursor: Cursor, *, exact: bool) -> None:
        """Compare what stands one step further down."""
        self.path.append(segment)
        check_depth(self.path, self.key)
        if isinstance(desired, dict) and isinstance(live, dict):
            self.mapping(desired, live, cursor, exact=exact)
        elif isinstance(desired, list) and isinstance(live, list):
            self.listing(desired, live, cursor, exact=exact)
        elif isinstance(desired, _CONTAINERS) or not same_scalar(desired, live, tuple(self.path), self.key):
            self.note("changed", desired, live, cursor)
        self.path.pop()

    def mapping(self, desired: Mapping[str, Any], live: Mapping[str, Any], cursor: Cursor, *, exact: bool) -> None:
        exact = exact or self.is_edited(live, cursor)
        outside, self.whole = self.whole, self.whole or self.is_whole_map(desired, live, cursor)
        whole, shallow = self.whole, len(self.path) < OBJECT_DEPTH_MAX
        for name, value in desired.items():
            if value is None:
                continue
            below = live.get(name)
            if below is not None:
                if value.__class__ is below.__class__ and value.__class__ in _SCALARS and value == below and shallow:
                    # Most places are: the rest of the walk is not even asked where this is.
                    continue
                self.value(name, value, below, cursor.field(name), exact=exact)
            elif not says_nothing(value, name, self.key, tuple(self.path)):
                self.at(name, "missing", value, None, NOWHERE, rule=MISSING)
        self.whole = outside
        if exact or whole:
            self.beyond(desired, live, cursor, exact=exact)
        elif not live.keys() <= desired.keys():
            for name in usurpers(self.key, tuple(self.path), desired, live):
                place = (*self.path, name)
                self.at(name, "extra", None, live[name], cursor.field(name), removes=place, rule=BESIDE)

    def beyond(self, desired: Mapping[str, Any], live: Mapping[str, Any], cursor: Cursor, *, exact: bool) -> None:
        """Note what a map that is applied as a whole has beyond what is desired; unless `exact`, no known default."""
        for name, value in live.items():
            if value is None or desired.get(name) is not None:
                continue
            if exact or not is_default(value, name, self.key, tuple(self.path)):
                self.at(name, "extra", None, value, cursor, rule=WHOLE)

    def listing(self, desired: list[Any], live: list[Any], cursor: Cursor, *, exact: bool) -> None:
        kind = list_type(self.key, tuple(self.path), cursor)
        if kind.kind == "set":
            there = Values(live)
            for value in desired:
                if value not in there:
                    self.at(Member(value), "missing", value, None, NOWHERE, rule=MISSING)
        elif kind.kind == "atomic" or not self.keyed(desired, live, kind, cursor):
            self.positional(desired, live, cursor, exact=exact)

    def positional(self, desired: list[Any], live: list[Any], cursor: Cursor, *, exact: bool) -> None:
        if len(desired) != len(live):
            self.note("changed", desired, live, cursor)
            return
        exact = exact or self.is_edited(live, cursor)
        outside, self.whole = self.whole, self.whole or (cursor.is_whole and not self.standing_in)
        for index, (one, other) in enumerate(zip(desired, live, strict=True)):
            self.value(index, one, other, cursor, exact=exact)
        self.whole = outside

    def keyed(self, desired: list[Any], live: list[Any], kind: ListType, cursor: Cursor) -> bool:
        """Compare member by member; false where the keys cannot tell the members apart."""
        pairing = pair_items(desired, live, kind.keys)
        if pairing is None:
            return self.keyless(desired, live, kind, cursor)
        owned = cursor.items(kind.keys)

        def below(item: Mapping[str, Any]) -> Cursor:
            return owned.get(tuple(value for _, value in item_of(item, kind.keys).keys), NOWHERE)

        for one, other in pairing.pairs:
            item = live[other]
            self.value(item_of(item, kind.keys), desired[one], item, below(item), exact=False)
        standing = stand_ins(self.key, tuple(self.path), Sides(desired, live, pairing, owned, kind.keys))
        for one, other in standing.items():
            self.stand_in(desired[one], live[other], kind, below(live[other]))
        for one in pairing.desired_left:
            if one not in standing:
                self.at(item_of(desired[one], kind.keys), "missing", desired[one], None, NOWHERE, rule=MISSING)
        # Nobody owns an order: `managedFields` has none.
        order = [other for _, other in pairing.pairs]
        if order != sorted(order):
            self.note(
                "changed",
                [dict(item_of(live[other], kind.keys).keys) for other in order],
                [dict(item_of(live[other], kind.keys).keys) for other in sorted(order)],
                NOWHERE,
                reordered=True,
                rule=REORDERED,
            )
        return True

    def keyless(self, desired: list[Any], live: list[Any], kind: ListType, cursor: Cursor) -> bool:
        """Whether somebody took the key of a live member away: no apply can name that member, so the list has to go."""
        if pair_items(desired, [], kind.keys) is None or all(key_values(item, kind.keys) for item in live):
            return False
        # Who delivered the list did not do that, and who did need not be on record.
        others = Cursor(tuple((owner, fields) for owner, fields in cursor.nodes if not owner.delivers))
        self.note("changed", desired, live, others, removes=tuple(self.path))
        return True

    def stand_in(self, desired: Mapping[str, Any], live: Mapping[str, Any], kind: ListType, cursor: Cursor) -> None:
        """Compare a desired member with the live one whose key somebody edited."""
        there = item_of(live, kind.keys)
        removes = (*self.path, there)
        name = live.get("name")
        shared = name is not None and name == desired.get("name") and "name" not in kind.keys
        self.path.append(Item((("name", name),)) if shared else there)
        keys = dict(item_of(desired, kind.keys).keys)
        for key, value in keys.items():
            if value != live.get(key):
                self.at(key, "changed", value, live.get(key), cursor.field(key), removes=removes, rule=STANDS_IN)
        rest = {field: value for field, value in desired.items() if field not in keys}
        outside, self.standing_in = self.standing_in, True
        self.mapping(rest, live, cursor, exact=False)
        self.standing_in = outside
        self.path.pop()

    def is_whole_map(self, desired: Mapping[str, Any], live: Mapping[str, Any], cursor: Cursor) -> bool:
        """Whether an apply replaces this map as a whole. Of one that was asked for empty nobody can tell."""
        at_field = bool(self.path) and isinstance(self.path[-1], str)
        return at_field and bool(desired) and is_whole_map(tuple(self.path), live, cursor)

    def is_edited(self, live: Any, cursor: Cursor) -> bool:
        """Whether what desired lacks here is somebody's edit, and no default."""
        if not self.delivered or self.standing_in or (cursor.nodes and not cursor.is_whole):
            return False
        return is_edited(tuple(self.path), live, cursor)

    def at(
        self,
        segment: Segment,
        kind: Literal["changed", "missing", "extra"],
        desired: Any,
        live: Any,
        cursor: Cursor,
        *,
        removes: Path | None = None,
        rule: str,
    ) -> None:
        self.path.append(segment)
        self.note(kind, desired, live, cursor, removes=removes, rule=rule)
        self.path.pop()

    def note(
        self,
        kind: Literal["changed", "missing", "extra"],
        desired: Any,
        live: Any,
        cursor: Cursor,
        *,
        removes: Path | None = None,
        reordered: bool = False,
        rule: str = DIFFERS,
    ) -> None:
        path = tuple(self.path)
        place, _ = self.pointers.found(path)
        self.changes.append(Change(path, kind, desired, live, place, cursor.owners, removes, reordered, rule))

    def note_extra(self, path: Path, owners: tuple[FieldOwner, ...]) -> None:
        place, value = self.pointers.found(path)
        self.changes.append(Change(path, "extra", None, value, place, owners, path, rule=GONE_FROM_GIT))
