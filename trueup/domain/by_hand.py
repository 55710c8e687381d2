"""What a person put on a live object and Git does not have. Pure.

A place that live has, Git lacks, and that no other manager owns than those by which people write: kubectl's
verbs, browsers, desktop clients. Whether such a place is a default (for whoever creates an object owns its
defaults too) only the API server can tell, see `trueup.engine.judge`.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from trueup.domain.diff import Change, ObjectDiff
from trueup.domain.explain import Explanation
from trueup.domain.extras import INSTANCE_LABEL, Owned, Place, noted_fields
from trueup.domain.fieldpath import ABSENT, Item, Path, Pointers
from trueup.domain.listkeys import is_builtin
from trueup.domain.managedfields import FIELD_MANAGER, KUBECTL_MANAGER, Cursor, FieldOwner, entries, owns_itself
from trueup.domain.normalize import TEXT_MAPS, wanted
from trueup.domain.resource import Body, Manifest, ResourceKey
from trueup.domain.rules import BY_HAND, FOR_ITS_CONTROLLER, PASSED_BY

#: Whether what people add is drift, is left alone, or is only shown.
ByHand = Literal["drift", "ignore", "report"]
BY_HAND_MODES: Final[tuple[ByHand, ...]] = ("drift", "ignore", "report")
BY_HAND_ANNOTATION: Final = "trueup.dev/added-by-hand"

#: kubectl's and the controllers' own notes: `kubectl rollout restart` and its like are meant to stay.
_NOTES: Final = (
    ("kubectl.kubernetes.io/restartedAt", "it restarts the pods once, which is no other state than Git's"),
    ("kubectl.kubernetes.io/", "it is a note of kubectl"),
    ("deployment.kubernetes.io/", "it is a note of the Deployment's controller"),
    ("deprecated.daemonset.template.generation", "it is a note of the DaemonSet's controller"),
    ("kubernetes.io/change-cause", "it says why something was changed, and changes nothing"),
)
#: Taking one of these away may lose what its controller has yet to clean up.
_FOR_THEIR_CONTROLLERS: Final = frozenset({"finalizers", "ownerReferences"})
#: The parts of an object's API through which a person changes what Git could say.
_SUBRESOURCES: Final = frozenset({"", "scale"})


@dataclass(frozen=True, slots=True)
class Hands:
    """By which field managers people write."""

    expression: re.Pattern[str]

    @classmethod
    def of(cls, globs: Iterable[str]) -> Hands:
        """Of shell patterns such as `kubectl-*`; none of them matches what delivers."""
        return cls(re.compile("|".join(fnmatch.translate(glob) for glob in globs) or r"(?!)"))

    def wrote(self, owner: FieldOwner) -> bool:
        """Whether this entry is a person's, as far as the name of a manager says it."""
        return not owner.delivers and self._names(owner)

    def applied(self, owner: FieldOwner) -> bool:
        """Whether it is that of somebody's `kubectl apply`, which is a delivery for as long as Trueup made none."""
        return owner.manager == KUBECTL_MANAGER and self._names(owner)

    def _names(self, owner: FieldOwner) -> bool:
        return owner.subresource in _SUBRESOURCES and self.expression.fullmatch(owner.manager) is not None


@dataclass(frozen=True, slots=True)
class Addition:
    """One place that a person added."""

    path: Path
    owners: tuple[FieldOwner, ...]
    #: Why it is no drift all the same; empty where it is.
    reason: str = ""
    #: Whether it is shown at least.
    shown: bool = True


def additions(desired: Manifest, live: Body, hands: Hands) -> Iterator[Addition]:
    """Every place that only people wrote and Git lacks, the topmost ones, each once."""
    found = entries(live)
    written = [(fields, False) for owner, fields in found if hands.wrote(owner)]
    delivered = any(owner.applies and owner.manager == FIELD_MANAGER for owner, _ in found)
    if delivered and any(hands.applied(owner) for owner, _ in found):
        # Its entry owns the defaults of what it made too; its note has what it said.
        noted = noted_fields(desired.key, live)
        written += [(noted, True)] if noted is not None else []
    if not written:
        return

    def are_hands(owners: Iterable[FieldOwner]) -> bool:
        return all(hands.wrote(owner) or (delivered and hands.applied(owner)) for owner in owners)

    top = Place(live, wanted(desired.body, desired.key), ())
    walk = Owned(desired.key, desired.body, live, in_others_members=False, takes_whole=are_hands)
    seen: set[Path] = set()
    for fields, is_note in written:
        for path in walk.fields(fields, top):
            if path in seen or (is_note and path == INSTANCE_LABEL):
                continue
            seen.add(path)
            owners = _makers(walk.cursors.at(path), path)
            # What a note speaks of need be nobody's any more: a default that came back, say.
            if owners and are_hands(owners):
                reason, shown = _exemption(desired.key, path)
                yield Addition(path, owners, reason, shown)


def with_additions(
    diff: ObjectDiff,
    desired: Manifest,
    live: Body | None,
    hands: Hands,
    mode: ByHand,
    *,
    only: frozenset[Path] | None = None,
) -> ObjectDiff:
    """The diff and what people added beyond it; with `only` no more than these places.

    Nobody has asked yet whether they are defaults.
    """
    if live is None or mode == "ignore":
        return diff
    spoken_of = {change.path for change in diff.changes} | {change.removes for change in diff.changes}
    found = [
        addition
        for addition in additions(desired, live, hands)
        if addition.shown and (only is None or addition.path in only) and not _is_within(addition.path, spoken_of)
    ]
    if not found:
        return diff
    places = Pointers(live)
    return diff.having((*diff.changes, *(_change(addition, places, mode) for addition in found)))


def without_additions(diff: ObjectDiff) -> ObjectDiff:
    """The diff as it is without what people added."""
    return diff.having(tuple(change for change in diff.changes if change.rule not in (BY_HAND, FOR_ITS_CONTROLLER)))


def added(diff: ObjectDiff) -> tuple[Change, ...]:
    """What of the diff people added, and may be a default."""
    return tuple(change for change in diff.changes if change.rule == BY_HAND)


def only_shown(diff: ObjectDiff) -> tuple[Change, ...]:
    """What of the diff people added, and nobody takes away."""
    return tuple(change for change in diff.changes if change.rule == FOR_ITS_CONTROLLER)


def passed_by(desired: Manifest, live: Body, hands: Hands) -> tuple[Explanation, ...]:
    """Why something that people added is no drift, where one of our own rules says so."""
    return tuple(
        Explanation(addition.path, "ignored", PASSED_BY, f"added by hand, and {addition.reason}")
        for addition in additions(desired, live, hands)
        if not addition.shown
    )


def _change(addition: Addition, places: Pointers, mode: ByHand) -> Change:
    path = addition.path
    place, value = places.found(path)
    return Change(
        path,
        "extra",
        None,
        None if value is ABSENT else value,
        place,
        addition.owners,
        path,
        rule=FOR_ITS_CONTROLLER if addition.reason else BY_HAND,
        counts=mode == "drift" and not addition.reason,
    )


def _exemption(key: ResourceKey, path: Path) -> tuple[str, bool]:
    """Why an addition at this place is no drift, and whether it is shown all the same."""
    if path[0] == "metadata" and len(path) > 1 and path[1] in _FOR_THEIR_CONTROLLERS:
        return "taking it away may lose what its controller has yet to clean up", True
    name = path[-1]
    if name == "caBundle" and is_builtin(key.group) and path[-2] not in TEXT_MAPS:
        return "Git leaves it to whoever makes the certificates", False
    if len(path) > 1 and path[-2] == "annotations" and isinstance(name, str):
        for note, reason in _NOTES:
            if name.startswith(note):
                return reason, False
    return "", True


def _makers(cursor: Cursor, path: Path) -> tuple[FieldOwner, ...]:
    """Who owns the value here; of a list member those who put it there, not those who own a part of it."""
    if not isinstance(path[-1], Item):
        return cursor.owners
    return tuple(owner for owner, node in cursor.nodes if owns_itself(node))


def _is_within(path: Path, places: set[Path] | set[Path | None]) -> bool:
    return any(path[:length] in places for length in range(1, len(path) + 1))
