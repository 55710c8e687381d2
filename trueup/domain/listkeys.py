"""How the members of a Kubernetes list are told apart.

A list is a map (members carry keys), a set (members are their own key) or atomic (one value as a
whole). The live object's `managedFields` say which, for any kind; the table below is for built-in
objects whose field managers say nothing about the list. Source: `x-kubernetes-list-type` and
`x-kubernetes-list-map-keys` in the API server's OpenAPI document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from trueup.domain.fieldpath import Item, Path, Scalar
from trueup.domain.resource import ResourceKey


@dataclass(frozen=True, slots=True)
class ListType:
    kind: Literal["map", "set", "atomic"]
    keys: tuple[str, ...] = ()


ATOMIC = ListType("atomic")
SET = ListType("set")

_SCALARS = (str, int, float, bool)

#: The value that the API server gives to a list key that the manifest leaves out.
KEY_DEFAULTS: Mapping[str, str] = {"protocol": "TCP"}

_IN_PODS: Mapping[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "imagePullSecrets": ("name",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "resourceClaims": ("name",),
    "schedulingGates": ("name",),
}

_ELSEWHERE: Mapping[tuple[str, Path], tuple[str, ...]] = {
    ("Service", ("spec", "ports")): ("port", "protocol"),
    ("ServiceAccount", ("secrets",)): ("name",),
    ("MutatingWebhookConfiguration", ("webhooks",)): ("name",),
    ("ValidatingWebhookConfiguration", ("webhooks",)): ("name",),
    ("ValidatingAdmissionPolicy", ("spec", "variables")): ("name",),
    ("ValidatingAdmissionPolicy", ("spec", "matchConditions")): ("name",),
}

_POD_OWNERS = frozenset(
    {
        "Pod",
        "PodTemplate",
        "ReplicationController",
        "ReplicaSet",
        "Deployment",
        "StatefulSet",
        "DaemonSet",
        "Job",
        "CronJob",
    }
)


#: The groups with a dot that the API server serves by itself; others under `k8s.io`, as the Gateway API, are custom.
_BUILTIN_GROUPS = frozenset(
    f"{name}.k8s.io"
    for name in (
        "admissionregistration",
        "apiextensions",
        "apiregistration",
        "authentication",
        "authorization",
        "certificates",
        "coordination",
        "discovery",
        "events",
        "flowcontrol.apiserver",
        "internal.apiserver",
        "networking",
        "node",
        "rbac.authorization",
        "resource",
        "scheduling",
        "storage",
        "storagemigration",
    )
)


def is_builtin(group: str) -> bool:
    """Whether the API server itself keeps this group's objects as typed values, and so rewrites them."""
    return "." not in group or group in _BUILTIN_GROUPS


def known_list_type(key: ResourceKey, path: Path) -> ListType:
    """What the table says of this list; atomic where it says nothing."""
    if path == ("metadata", "finalizers"):
        return SET
    if path == ("metadata", "ownerReferences"):
        return ListType("map", ("uid",))
    if not is_builtin(key.group):
        return ATOMIC
    keys = _ELSEWHERE.get((key.kind, path))
    if keys is None and key.kind in _POD_OWNERS and path and isinstance(path[-1], str):
        in_container = len(path) > 2 and path[-3] in ("containers", "initContainers", "ephemeralContainers")
        keys = ("containerPort", "protocol") if path[-1] == "ports" and in_container else _IN_PODS.get(path[-1])
    return ListType("map", keys) if keys else ATOMIC


def item_of(item: Mapping[str, Any], keys: Sequence[str]) -> Item:
    """The selector of this member, a left-out key filled in as the API server would."""
    return Item(
        tuple((key, item.get(key, KEY_DEFAULTS.get(key))) for key in keys if key in item or key in KEY_DEFAULTS)
    )


@dataclass(frozen=True, slots=True)
class Pairing:
    """Which desired member is which live member, by position in either list."""

    #: In the desired list's order.
    pairs: tuple[tuple[int, int], ...]
    desired_left: tuple[int, ...]
    live_left: tuple[int, ...]


def pair_items(desired: Sequence[Any], live: Sequence[Any], keys: tuple[str, ...]) -> Pairing | None:
    """Match members by key; None where keys cannot tell them apart, so that position must.

    A desired member that leaves out a key whose default is not known here is the live member that
    alone agrees on the others, of those that no other one is.
    """
    by_key: dict[tuple[Scalar, ...], int] = {}
    for index, item in enumerate(live):
        values = key_values(item, keys)
        if values is None or values in by_key:
            return None
        by_key[values] = index
    pairs: dict[int, int] = {}
    stated: set[Item | tuple[Scalar, ...]] = set()
    partial: list[tuple[int, Item]] = []
    for index, item in enumerate(desired):
        values = key_values(item, keys)
        given = [key for key in keys if key in item] if values is not None else []
        if values is None or not given:
            return None
        is_complete = len(given) == len(keys) or all(key in item or key in KEY_DEFAULTS for key in keys)
        selector = values if is_complete else item_of(item, keys)
        if selector in stated:
            return None
        stated.add(selector)
        if isinstance(selector, Item):
            partial.append((index, selector))
        elif (match := by_key.get(values)) is not None:
            pairs[index] = match
    taken = set(pairs.values())
    candidates = _Candidates(live)
    # Who leaves out a key may be any of several members, so that it gets what the others leave.
    for index, selector in sorted(partial, key=lambda each: -len(each[1].keys)):
        matches = [match for match in candidates.of(selector) if match not in taken]
        if len(matches) == 1:
            pairs[index] = matches[0]
            taken.add(matches[0])
    return Pairing(
        tuple(sorted(pairs.items())),
        tuple(index for index in range(len(desired)) if index not in pairs),
        tuple(index for index in range(len(live)) if index not in taken),
    )


class _Candidates:
    """Keyed members by what they state, found without a look at every member for each."""

    def __init__(self, live: Sequence[Mapping[str, Any]]) -> None:
        self._live = live
        self._known: dict[tuple[str, ...], dict[tuple[Any, ...], list[int]]] = {}

    def of(self, selector: Item) -> Sequence[int]:
        """Where the members stand that the selector selects."""
        names = tuple(name for name, _ in selector.keys)
        if names not in self._known:
            found = self._known[names] = {}
            for index, item in enumerate(self._live):
                found.setdefault(tuple(item.get(name) for name in names), []).append(index)
        return self._known[names].get(tuple(value for _, value in selector.keys), ())


def key_values(item: Any, keys: tuple[str, ...]) -> tuple[Scalar, ...] | None:
    """The member's values for these keys, known defaults filled in; None for what is no keyed member."""
    if not isinstance(item, dict) and not isinstance(item, Mapping):
        return None
    values = tuple([item.get(key, KEY_DEFAULTS.get(key)) for key in keys])
    says_one = False
    for value in values:
        if value is not None:
            if not isinstance(value, _SCALARS):
                return None
            says_one = True
    return values if says_one else None
