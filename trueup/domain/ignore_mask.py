"""What of one object does not count, on either side, and the comparison of what is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from trueup.domain.diff import Change, ObjectDiff, compare
from trueup.domain.fieldpath import Path
from trueup.domain.ignore_cut import NOTHING, Tree, cut, goes, is_hollow, tree_of
from trueup.domain.ignore_places import Place, owned_paths, place_of_pointer, places_of_jq, places_of_paths
from trueup.domain.ignore_rules import IgnoredPath, IgnoreRule
from trueup.domain.listkeys import item_of, key_values
from trueup.domain.listtypes import list_type
from trueup.domain.managedfields import Cursors
from trueup.domain.normalize import fold_string_data
from trueup.domain.resource import Body, Manifest, ResourceKey

#: The paths that each jq expression leads to in one object.
JqPaths = Mapping[str, Sequence[Sequence[Any]]]
#: A comparison of a manifest with its live object.
Compare = Callable[[Manifest, Body | None], ObjectDiff]


@dataclass(frozen=True, slots=True)
class Mask:
    """The ignored places of an object as Git wants it, and of the same as it is live."""

    desired: Tree = field(default_factory=dict)
    live: Tree = field(default_factory=dict)
    #: Each place once, with the rule that is to answer for it; those of the live object first.
    ignored: tuple[IgnoredPath, ...] = ()
    #: What managers of rules own in the live object: it stays theirs, whoever an apply makes its owner.
    owned: tuple[Path, ...] = ()

    def sides(self, manifest: Manifest, live: Body) -> tuple[Manifest, Body]:
        """What is left to compare."""
        if not (self.desired or self.live):
            return manifest, live
        return replace(manifest, body=cut(folded(manifest), self.desired)), cut(live, self.live)

    def compared(self, manifest: Manifest, live: Body | None, by: Compare = compare) -> ObjectDiff:
        """The comparison without the ignored places. The JSON pointers are those of the whole live object."""
        if live is None or not (self.desired or self.live):
            return by(manifest, live)
        diff = by(*self.sides(manifest, live))
        whole = _Whole(live, self.live)
        return diff.having(
            tuple(
                replace(change, pointer=whole.pointer(change.pointer))
                for change in diff.changes
                if not _says_nothing(change)
            )
        )


NO_MASK = Mask()


def folded(manifest: Manifest) -> Body:
    """The manifest as rules speak of it: a Secret's `stringData` stands in its `data`, as it does live."""
    return fold_string_data(manifest.body, manifest.key)


def mask_of(
    rules: Iterable[IgnoreRule], manifest: Manifest, live: Body, *, desired_jq: JqPaths, live_jq: JqPaths
) -> Mask:
    """Where the rules lead. `desired_jq` and `live_jq` have what jq found of their expressions on either side."""
    body = folded(manifest)
    desired: dict[Place, str] = {}
    there: dict[Place, str] = {}
    owned: dict[Path, None] = {}
    for rule in rules:
        theirs = owned_paths(rule, live) if rule.managers else ()
        owned.update(dict.fromkeys(theirs))
        for place in _places(rule, body, desired_jq, theirs):
            desired.setdefault(place, rule.origin)
        for place in _places(rule, live, live_jq, theirs):
            there.setdefault(place, rule.origin)
    if not desired and not there:
        return NO_MASK
    of_live, of_git = Cursors(live), Cursors(body)
    found = {named(manifest.key, live, place, of_live): origin for place, origin in there.items()}
    for place, origin in desired.items():
        found.setdefault(named(manifest.key, body, place, of_git), origin)
    ignored = tuple(IgnoredPath(path, origin) for path, origin in found.items())
    return Mask(tree_of(desired), tree_of(there), ignored, tuple(owned))


def tree_in(rules: Iterable[IgnoreRule], body: Body, jq: JqPaths, owned: Sequence[Path] = ()) -> Tree:
    """Where the rules lead in one object alone; `owned` is what managers owned in it before."""
    places = (place for rule in rules for place in _places(rule, body, jq, ()))
    return tree_of((*places, *places_of_paths(owned, body)))


def _places(rule: IgnoreRule, body: Body, jq: JqPaths, owned: Sequence[Path]) -> Iterator[Place]:
    for pointer in rule.pointers:
        place = place_of_pointer(pointer, body)
        if place is not None:
            yield place
    for expression in rule.jq:
        yield from places_of_jq(jq.get(expression, ()), body)
    yield from places_of_paths(owned, body)


def named(key: ResourceKey, body: Body, place: Place, cursors: Cursors) -> Path:
    """The place as a comparison would name it: list members by what tells them apart, where anything does."""
    path: list[Any] = []
    value: Any = body
    cursor = cursors.root
    for step in place:
        segment: Any = step
        if isinstance(step, int):
            keys = list_type(key, tuple(path), cursor).keys
            if keys and key_values(value[step], keys) is not None:
                segment = item_of(value[step], keys)
        cursor = cursors.below(cursor, tuple(path), segment)
        path.append(segment)
        value = value[step]
    return tuple(path)


def _says_nothing(change: Change) -> bool:
    """Whether all that one side has, and the other does not, is ignored."""
    if change.kind == "missing":
        return is_hollow(change.desired)
    return change.kind == "extra" and is_hollow(change.live)


class _Whole:
    """JSON pointers into a whole object, from those into what was left of it to be compared."""

    def __init__(self, live: Body, tree: Tree) -> None:
        self._live = live
        self._tree = tree
        #: By list: where the members stand that are left.
        self._left: dict[int, list[int]] = {}

    def pointer(self, left: str) -> str:
        """The pointer to the same place."""
        steps = []
        value: Any = self._live
        node: Tree = self._tree
        for token in left.split("/")[1:]:
            step: str | int = token
            if isinstance(value, list):
                step = self._position(token, value, node)
                value = value[step] if isinstance(step, int) and step < len(value) else None
            else:
                name = token.replace("~1", "/").replace("~0", "~")
                value, step = (value.get(name) if isinstance(value, Mapping) else None), name
            steps.append(token if isinstance(step, str) else str(step))
            node = node.get(step) or NOTHING
        return "".join(f"/{step}" for step in steps)

    def _position(self, token: str, members: list[Any], tree: Tree) -> str | int:
        if not token.isdecimal():
            return token
        left = self._left.get(id(members))
        if left is None:
            left = self._left[id(members)] = [index for index in range(len(members)) if not goes(tree, index)]
        index = int(token)
        return left[index] if index < len(left) else index
