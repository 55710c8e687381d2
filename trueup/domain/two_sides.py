"""Two sets of objects held against each other, of which neither is what the other should be. Pure.

Two applications, or one at two revisions: objects are matched by what they are and not by where they are, and a
difference is found by the same comparison that finds drift, made in both directions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from trueup.domain.diff import Change, ObjectDiff, compare
from trueup.domain.fieldpath import Pointers
from trueup.domain.lenient import as_list, as_mapping, as_text
from trueup.domain.normalize import fold_string_data, is_default
from trueup.domain.resource import Body, Manifest, ResourceKey, split_api_version

#: What people choose freely, in which `namespace` is a word like any other.
_FREE = frozenset({"data", "stringData", "binaryData", "labels", "annotations", "matchLabels"})
#: What a controller or the API server writes into an object that is live, beyond what `normalize.wanted` leaves out.
_METADATA_ASSIGNED = frozenset({"ownerReferences"})
_ANNOTATIONS_ASSIGNED = frozenset({"deployment.kubernetes.io/revision"})
_SPEC_ASSIGNED: Mapping[tuple[str, str], frozenset[str]] = {
    ("", "Service"): frozenset({"clusterIP", "clusterIPs", "healthCheckNodePort"}),
    ("", "PersistentVolumeClaim"): frozenset({"volumeName"}),
    ("", "Pod"): frozenset({"nodeName"}),
}


#: Says whose an object is where Argo CD tracks by label, and of which release it is where Helm made it.
INSTANCE_LABEL = "app.kubernetes.io/instance"


@dataclass(frozen=True, slots=True)
class Whose:
    """Which application a side is of: called by its own name or its own namespace, both sides are alike."""

    application: str
    #: The namespace that it is delivered to.
    namespace: str


@dataclass(frozen=True, slots=True)
class Strip:
    """What names on either side are called beyond their own: `staging-web` without the prefix `staging-`."""

    prefixes: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()

    def name(self, name: str) -> str:
        """The name without the first prefix and the first suffix that it has; never empty."""
        for prefix in self.prefixes:
            if prefix and name.startswith(prefix) and name != prefix:
                name = name.removeprefix(prefix)
                break
        for suffix in self.suffixes:
            if suffix and name.endswith(suffix) and name != suffix:
                return name.removesuffix(suffix)
        return name


@dataclass(frozen=True, slots=True)
class Pair:
    """One object on both sides, or None for the side that has none. Both as they are to be held against each other."""

    #: Without a namespace: the two have their own.
    key: ResourceKey
    before: Manifest | None
    after: Manifest | None


def paired(
    before: Iterable[Body], after: Iterable[Body], *, whose: tuple[Whose, Whose], strip: Strip, is_live: bool = False
) -> tuple[Pair, ...]:
    """Every object of either side once, sorted; `whose` the two sides are.

    Where one side has several of one kind and name, those in like-named namespaces are a pair, the one that the
    side is delivered to being like the other's, and of the rest none is.
    """
    sides = [
        _by_name(bodies, owner, strip, is_live=is_live) for bodies, owner in zip((before, after), whose, strict=True)
    ]
    found: list[Pair] = []
    for key in sorted({*sides[0], *sides[1]}):
        one, other = dict(sides[0].get(key, {})), dict(sides[1].get(key, {}))
        if len(one) == len(other) == 1:
            found.append(Pair(key, *one.values(), *other.values()))
            continue
        found += [Pair(key, one.get(place), other.get(place)) for place in sorted({*one, *other})]
    return tuple(found)


def difference(pair: Pair) -> ObjectDiff:
    """What the object is after that it was not before, and what it was before; Missing where it came or went."""
    if pair.before is None or pair.after is None:
        return ObjectDiff(pair.key, "Missing")
    forth = compare(pair.after, pair.before.body).changes
    back = compare(pair.before, pair.after.body).changes
    known = {change.path for change in forth}
    places = Pointers(pair.before.body)
    gone = (_gone(change, places) for change in back if change.kind == "missing")
    changes = tuple(
        change
        for change in (*(replace(change, owners=()) for change in forth), *(c for c in gone if c.path not in known))
        if not _is_default(change, pair.key)
    )
    return ObjectDiff(pair.key, "OutOfSync" if changes else "Synced", changes)


def _gone(change: Change, before: Pointers) -> Change:
    """What the way back finds missing is what was there before."""
    return replace(
        change, kind="extra", desired=None, live=change.desired, pointer=before.found(change.path)[0], owners=()
    )


def _is_default(change: Change, key: ResourceKey) -> bool:
    """Whether one side only says what the other leaves to the API server."""
    value = {"missing": change.desired, "extra": change.live}.get(change.kind)
    return value is not None and bool(change.path) and is_default(value, change.path[-1], key)


def _by_name(
    bodies: Iterable[Body], whose: Whose, strip: Strip, *, is_live: bool
) -> Mapping[ResourceKey, Mapping[str, Manifest]]:
    """By kind and name, and below that by namespace, empty for the one that the side is delivered to."""
    bodies = list(bodies)
    named = [as_text(as_mapping(body.get("metadata")).get("name")) for body in bodies]
    renamed = {name: strip.name(name) for name in named if strip.name(name) != name}
    found: defaultdict[ResourceKey, dict[str, Manifest]] = defaultdict(dict)
    for body, name in zip(bodies, named, strict=True):
        own = ResourceKey.of(body)
        key = replace(own, namespace="", name=renamed.get(name, name))
        _, version = split_api_version(str(body.get("apiVersion", "")))
        # The side that stands for live has its values where the API server puts them.
        alike = fold_string_data(_alike(body, whose, renamed), own)
        manifest = Manifest(key, version, _as_asked_for(alike, own) if is_live else alike, "")
        place = "" if own.namespace == whose.namespace else own.namespace
        # Two names that come to one are two objects still.
        while place in found[key]:
            place += "'"
        found[key][place] = manifest
    return found


def _alike(value: Any, whose: Whose, renamed: Mapping[str, str], *, free: bool = False) -> Any:
    """The value without what says whose it is, and with its side's names as they are matched."""
    if isinstance(value, Mapping):
        return {
            name: _alike(inner, whose, renamed, free=free or name in _FREE)
            for name, inner in value.items()
            if not (name == INSTANCE_LABEL and inner == whose.application)
            and (free or name != "namespace" or inner != whose.namespace)
        }
    if isinstance(value, list):
        return [_alike(inner, whose, renamed, free=free) for inner in value]
    return renamed.get(value, value) if isinstance(value, str) else value


def _as_asked_for(body: Body, key: ResourceKey) -> dict[str, Any]:
    """A live object without what was assigned to it, and without its managers: nobody's delivery is in question."""
    metadata = {name: value for name, value in as_mapping(body.get("metadata")).items() if name != "managedFields"}
    metadata = {name: value for name, value in metadata.items() if name not in _METADATA_ASSIGNED}
    if isinstance(annotations := metadata.get("annotations"), Mapping):
        metadata["annotations"] = {
            name: text for name, text in annotations.items() if name not in _ANNOTATIONS_ASSIGNED
        }
    rest: dict[str, Any] = {**body, "metadata": metadata}
    spec, assigned = body.get("spec"), _SPEC_ASSIGNED.get((key.group, key.kind), frozenset())
    if isinstance(spec, Mapping) and assigned:
        # A Service without an address of its own was asked for so.
        kept = {name: value for name, value in spec.items() if name not in assigned or value in ("None", ["None"])}
        if key.kind == "Service":
            kept["ports"] = [
                {name: value for name, value in as_mapping(port).items() if name != "nodePort"}
                for port in as_list(spec.get("ports"))
            ]
        rest["spec"] = kept
    return rest
