"""Why each field of an object is a difference, and why each other one that is not word for word in Git is none.

A pass of its own over both sides, for those who ask: a comparison does not pay for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from trueup.domain.diff import Change, ObjectDiff, Walk, compare
from trueup.domain.diffview.texts import SECRET_SHOWS
from trueup.domain.fieldpath import Item, Member, Path, Segment, Values
from trueup.domain.listkeys import ListType, item_of, pair_items
from trueup.domain.managedfields import Cursor, Cursors
from trueup.domain.normalize import is_default, is_ignored, same_scalar, says_nothing, wanted
from trueup.domain.resource import Body, Manifest
from trueup.domain.rules import DEFAULT, JUDGED, MEANINGS, MISSING, NOT_IN_GIT, NOTATION, SAYS_NOTHING

Verdict = Literal["reported", "ignored", "equal though written otherwise"]

#: Of the managers of a field so many are named.
MANAGERS_NAMED_MAX = 3
#: Two spellings of one value are shown where both are no longer than this.
SPELLING_CHARS_MAX = 40


@dataclass(frozen=True, slots=True)
class Explanation:
    """What became of one field, and by which rule (`trueup.domain.rules`)."""

    path: Path
    verdict: Verdict
    rule: str
    #: One line. It may hold a value of the object, never one of a Secret; whoever shows it redacts it.
    detail: str


def explain(
    desired: Manifest, live: Body | None, diff: ObjectDiff, *, ignored: Iterable[Explanation] = ()
) -> tuple[Explanation, ...]:
    """Every field that was reported, then every one that is equal though written otherwise, then what was ignored.

    `diff` is the verdict that is to be explained, and `ignored` the reasons of those who left something out of
    it: each counts for its place and all below. What neither the verdict nor they have, and a comparison finds,
    is what the API server itself makes of the manifest.
    """
    if live is None:
        return (Explanation((), "reported", MISSING, "Git says the object, and the cluster does not have it"),)
    reported = tuple(_reported(change) for change in diff.changes)
    known = list(ignored)
    taken = {change.path for change in diff.changes}
    first = compare(desired, live)
    places = _Places(taken | {explanation.path for explanation in known})
    known += [
        Explanation(change.path, "ignored", JUDGED, "the API server makes the same of what Git says (dry-run apply)")
        for change in first.changes
        if not places.covers(change.path)
    ]
    walk = _Explaining(desired, live, _Places(taken | {explanation.path for explanation in known}))
    walk.mapping(wanted(desired.body, desired.key), live, walk.cursors.root, exact=False)
    equal = tuple(each for each in walk.found if each.verdict != "ignored")
    return (*reported, *equal, *known, *(each for each in walk.found if each.verdict == "ignored"))


def _reported(change: Change) -> Explanation:
    detail = MEANINGS.get(change.rule, change.rule)
    if not change.counts:
        detail += "; it is only shown, and does not count"
    return Explanation(change.path, "reported", change.rule, detail)


class _Places:
    """Places that are spoken of already."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = frozenset(paths)
        self._above = frozenset(path[:length] for path in self._paths for length in range(len(path)))

    def covers(self, path: Path) -> bool:
        """Whether this place, or one that holds it, is spoken of."""
        return any(path[:length] in self._paths for length in range(len(path) + 1))

    def has_below(self, path: Path) -> bool:
        return path in self._above


class _Explaining(Walk):
    """The walk of a comparison that notes what it passes over."""

    def __init__(self, desired: Manifest, live: Body, places: _Places) -> None:
        super().__init__(desired.key, live)
        self.manifest = desired.body
        self.places = places
        self.cursors = Cursors(live)
        self.found: list[Explanation] = []

    def value(self, segment: Segment, desired: Any, live: Any, cursor: Cursor, *, exact: bool) -> None:
        super().value(segment, desired, live, cursor, exact=exact)
        path = (*self.path, segment)
        if isinstance(desired, Mapping | list) or isinstance(live, Mapping | list) or desired == live:
            return
        if same_scalar(desired, live, path, self.key):
            masked = (self.key.group, self.key.kind) == ("", "Secret") and path[0] not in SECRET_SHOWS
            detail = "both mean the same" if masked else _spellings(desired, live)
            self.tell(path, "equal though written otherwise", NOTATION, detail)

    def mapping(self, desired: Mapping[str, Any], live: Mapping[str, Any], cursor: Cursor, *, exact: bool) -> None:
        super().mapping(desired, live, cursor, exact=exact)
        for name, value in desired.items():
            if value is not None and live.get(name) is None and says_nothing(value, name, self.key, tuple(self.path)):
                detail = "it is empty in Git, which is what leaving it out means"
                self.tell((*self.path, name), "equal though written otherwise", SAYS_NOTHING, detail)
        for name, value in live.items():
            if value is not None and desired.get(name) is None:
                self.unasked((*self.path, name), name, value, cursor.field(name))

    def listing(self, desired: list[Any], live: list[Any], cursor: Cursor, *, exact: bool) -> None:
        super().listing(desired, live, cursor, exact=exact)
        if cursor.is_set:
            asked = Values(desired)
            for value in live:
                if value not in asked:
                    self.unasked((*self.path, Member(value)), None, value, cursor.below(Member(value)))

    def keyed(self, desired: list[Any], live: list[Any], kind: ListType, cursor: Cursor) -> bool:
        pairing = pair_items(desired, live, kind.keys)
        told = super().keyed(desired, live, kind, cursor)
        for index in pairing.live_left if pairing is not None else ():
            item: Item = item_of(live[index], kind.keys)
            there = self.cursors.below(cursor, tuple(self.path), item)
            self.unasked((*self.path, item), None, live[index], there)
        return told

    def unasked(self, path: Path, name: str | None, value: Any, cursor: Cursor) -> None:
        """What live has and Git does not say."""
        if self.places.has_below(path) and isinstance(value, Mapping):
            for below, inner in value.items():
                self.unasked((*path, below), below, inner, cursor.field(below))
        elif is_ignored(self.key, path, self.manifest):
            # What names the object and its versions is nobody's question.
            if path[0] not in ("apiVersion", "kind") and (path[0] != "metadata" or len(path) > 2):
                self.tell(path, "ignored", NOT_IN_GIT, "it is never a part of what Git says")
        elif cursor.owners:
            self.tell(path, "ignored", NOT_IN_GIT, f"Git says nothing of it, and {_named(cursor)} wrote it")
        elif name is not None and is_default(value, name, self.key, path[:-1]):
            self.tell(path, "ignored", DEFAULT, "it is what the API server fills in where nothing is said")
        else:
            self.tell(path, "ignored", NOT_IN_GIT, "Git says nothing of it, and no field manager owns it")

    def tell(self, path: Path, verdict: Verdict, rule: str, detail: str) -> None:
        if not self.places.covers(path):
            self.found.append(Explanation(path, verdict, rule, detail))


def _spellings(desired: Any, live: Any) -> str:
    one, other = str(desired), str(live)
    if max(len(one), len(other)) > SPELLING_CHARS_MAX or isinstance(desired, str) != isinstance(live, str):
        return "both mean the same"
    return f"{one} is {other}"


def _named(cursor: Cursor) -> str:
    managers = list(dict.fromkeys(owner.manager or "somebody without a name" for owner in cursor.owners))
    more = len(managers) - MANAGERS_NAMED_MAX
    return " and ".join((*managers[:MANAGERS_NAMED_MAX], *([f"{more} more"] if more > 0 else [])))
