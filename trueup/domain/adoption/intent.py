"""The object as its file should have it, so that Git says of these places what live says.

The file's own object is changed, not the rendered one: what the file says in its own way stays so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from trueup.domain.adoption.members import index_of, selects
from trueup.domain.adoption.values import as_written
from trueup.domain.diff import Change
from trueup.domain.errors import StalledError
from trueup.domain.fieldpath import ABSENT, Item, Member, Path, Scalar, Segment, find, show
from trueup.domain.listkeys import KEY_DEFAULTS
from trueup.domain.resource import Body, ResourceKey
from trueup.domain.rules import STANDS_IN


def adopted(
    body: Body, live: Body, changes: Iterable[Change], key: ResourceKey, *, defaults: Collection[Path] = ()
) -> dict[str, Any]:
    """The file's object with the live side of these changes. Raises StalledError where a place is not to be found.

    `defaults` are places of live that the API server filled in.
    """
    chosen = tuple(changes)
    work = _Adoption(_unshared(body), live, key, defaults, _stand_ins(chosen))
    for change in sorted(chosen, key=_turn):
        work.take(change)
    for member in dict.fromkeys(map(_stand_in, chosen)):
        if member:
            work.put_in_order(member[:-1], [name for name, _ in _keys(member)])
    return work.body


def _unshared(value: Any) -> Any:
    """A copy in which what two aliases stood for is two values."""
    if isinstance(value, Mapping):
        return {name: _unshared(below) for name, below in value.items()}
    return [_unshared(below) for below in value] if isinstance(value, list) else value


def _turn(change: Change) -> int:
    """The key of a list member is changed after everything in it, and an order once every member is there."""
    if change.reordered:
        return 3
    if change.rule == STANDS_IN:
        return 2
    return 1 if change.kind == "extra" else 0


def _stand_ins(changes: Iterable[Change]) -> dict[Path, dict[Path, Item]]:
    """Of each live member that took the place of one in Git: what tells that one apart there.

    By the place that changes name, which two members may share, and by the live member itself.
    """
    found: dict[Path, dict[Path, dict[str, Any]]] = {}
    for change in changes:
        member, place = _stand_in(change), change.path[:-1]
        if member and isinstance(place[-1], Item):
            keys = dict((*place[-1].keys, *_keys(member)))
            found.setdefault(place, {}).setdefault(member, keys)[str(change.path[-1])] = change.desired
    return {
        place: {member: Item(tuple(keys.items())) for member, keys in members.items()}
        for place, members in found.items()
    }


def _stand_in(change: Change) -> Path:
    """The live member that the change is about a key of; empty where it is about none."""
    return change.removes if change.rule == STANDS_IN and change.removes else ()


def _keys(member: Path) -> tuple[tuple[str, Scalar], ...]:
    return last.keys if isinstance(last := member[-1], Item) else ()


class _Adoption:
    def __init__(
        self,
        body: dict[str, Any],
        live: Body,
        key: ResourceKey,
        defaults: Collection[Path],
        stand_ins: dict[Path, dict[Path, Item]],
    ) -> None:
        self.body = body
        self._live = live
        self._key = key
        self._defaults = defaults
        self._stand_ins = stand_ins
        #: The live member that the change is about a key of which is being made.
        self._member: Path = ()

    def take(self, change: Change) -> None:
        """Make the file's side of one place what the live side is."""
        self._member = _stand_in(change)
        if change.reordered:
            self._reorder(change)
        elif change.kind == "missing":
            self._remove(change.path)
        else:
            self._set(change)

    def _set(self, change: Change) -> None:
        path, last = change.path, change.path[-1]
        holder = self._holder(path)
        if isinstance(holder, dict):
            name = str(last)
            holder[name] = self._written(change, holder.get(name))
            self._follow(change, holder[name])
            return
        index = self._index(holder, last, path)
        if index is None:
            holder.insert(self._position(holder, path), self._written(change, None))
        else:
            holder[index] = self._written(change, holder[index])

    def _follow(self, change: Change, value: Any) -> None:
        """Know a member of a list that stood in for one of Git again, of whose keys one is changed by now."""
        members = self._stand_ins.get(change.path[:-1], {})
        known = members.get(self._member)
        if known is not None:
            keys = tuple((name, value if name == change.path[-1] else before) for name, before in known.keys)
            members[self._member] = Item(keys)

    def _written(self, change: Change, like: Any) -> Any:
        return as_written(change.live, like, change.path, self._key, self._defaults)

    def _remove(self, path: Path) -> None:
        holder = self._holder(path)
        if isinstance(holder, dict):
            if holder.pop(str(path[-1]), ABSENT) is ABSENT:
                raise self._lost(path)
        else:
            index = self._index(holder, path[-1], path)
            if index is None:
                raise self._lost(path)
            del holder[index]
        above = path[:-1]
        if above and not holder and isinstance(above[-1], str) and find(self._live, above) in (ABSENT, None):
            self._remove(above)

    def _reorder(self, change: Change) -> None:
        holder = self._holder((*change.path, 0))
        where = [self._index(holder, Item(tuple(keys.items())), change.path) for keys in change.live]
        if not isinstance(holder, list) or None in where:
            raise self._lost(change.path)
        _put_in_order(holder, [index for index in where if index is not None])

    def put_in_order(self, place: Path, names: Sequence[str]) -> None:
        """Give the members of a list the order of live: of one that stood in for another none was said to differ."""
        there, holder = find(self._live, place), self._holder((*place, 0))
        members = [member for member in there if isinstance(member, Mapping)] if isinstance(there, list) else []
        selectors = [
            Item(tuple((name, member.get(name, KEY_DEFAULTS.get(name))) for name in names)) for member in members
        ]
        where = [index_of(holder, selector) for selector in selectors]
        known = [index for index in where if index is not None]
        if len(set(known)) == len(known):
            _put_in_order(holder, known)

    def _holder(self, path: Path) -> Any:
        """What the last step of the path leads into; mappings that the file lacks are made."""
        value: Any = self.body
        for length, segment in enumerate(path[:-1], start=1):
            following = path[length]
            if isinstance(value, dict):
                below = value.get(str(segment))
                if below is None:
                    below = value[str(segment)] = {} if isinstance(following, str) else []
                value = below
            elif isinstance(value, list):
                index = self._index(value, segment, path[:length])
                if index is None:
                    raise self._lost(path)
                value = value[index]
            else:
                raise self._lost(path)
        if not isinstance(value, dict if isinstance(path[-1], str) else list):
            raise self._lost(path)
        return value

    def _index(self, members: Any, segment: Segment, path: Path) -> int | None:
        """Where the file has the member that this step of a path means; None where it has none."""
        standing = self._stand_ins.get(path, {})
        only = next(iter(standing.values())) if len(standing) == 1 else None
        for selector in (standing.get(self._member, only), segment):
            index = None if selector is None else index_of(members, selector)
            if index is not None:
                return index
        return None

    def _position(self, members: list[Any], path: Path) -> int:
        """Where a new member goes: behind the one that stands before it in live and in the file as well."""
        there = find(self._live, path[:-1])
        if not isinstance(there, list):
            return len(members)
        position = 0
        for member in there:
            if _is_meant(path[-1], member):
                return position
            known = next((index for index, other in enumerate(members) if _same_member(member, other, path[-1])), None)
            position = position if known is None else known + 1
        return len(members)

    def _lost(self, path: Path) -> StalledError:
        return StalledError(f"{show(path)} of {self._key} is not written out in its file; change it there by hand")


def _put_in_order(holder: list[Any], there: list[int]) -> None:
    """The members at these positions, in this order, in the places that they have together."""
    members = [holder[index] for index in there]
    for index, member in zip(sorted(there), members, strict=True):
        holder[index] = member


def _is_meant(segment: Segment, member: Any) -> bool:
    if isinstance(segment, Item):
        return selects(segment, member)
    return isinstance(segment, Member) and bool(member == segment.value)


def _same_member(live: Any, other: Any, like: Segment) -> bool:
    if not isinstance(like, Item):
        return bool(live == other)
    return isinstance(live, Mapping) and selects(Item(tuple((name, live.get(name)) for name, _ in like.keys)), other)
